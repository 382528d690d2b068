#include "ops/history/import.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/restore/recovery.h"
#include "ui/json.h"

namespace rewall {

Action define_import(Syntax& syntax) {
  auto options = std::make_shared<ImportOptions>();
  auto& files = syntax.positional(
      "FILE", &options->paths,
      "Output of iptables-save, ip6tables-save or ipset save, oldest first; or folders of such files");
  files.required = true;
  syntax.option("--git", "DIR", &options->git,
                "Import every commit that changed FILE in the git repository DIR");
  syntax.option(
      "--date", "TIME",
      [options](const std::string& word) -> Status {
        if (!word.empty()) options->date = TRY(parse_time(word, now()));
        return {};
      },
      "Date for the snapshots, instead of the file's own date");
  add_family(syntax, options->family, "Family of all files (default: detected for each file)");
  return [options](Context& context) -> Result<Answer> {
    if (!options->git.empty() && options->paths.size() != 1) {
      return error_of<messages::import_git_takes_one_file>();
    }
    auto all = TRY(import_files(context.session, *options, [&] { return lock_history(context.session); }));
    if (all.empty()) context.terminal.say("nothing to import: the history has all of it");
    Json json = Json::array();
    for (const auto& recorded : all) {
      json.push_back(answer_json(recorded.hash, recorded.subject, recorded.changed, ""));
      if (!context.json) {
        context.terminal.out(format("{} {}\n", short_hash(recorded.hash), escape(recorded.subject)));
      }
    }
    if (context.json) context.terminal.out(print(json));
    return Answer::same;
  };
}

}  // namespace rewall
