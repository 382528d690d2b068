#include "ops/history/import.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/restore/recovery.h"
#include "ui/json.h"

namespace rewall {

Action define_import(Syntax& syntax) {
  auto options = std::make_shared<ImportOptions>();
  auto date = std::make_shared<std::string>();
  auto& files = syntax.positional(
      "FILE", &options->paths,
      "iptables-save, ip6tables-save or ipset save text, oldest first; or folders of such files");
  files.required = true;
  syntax.option("--git", "DIR", &options->git,
                "A git repository: FILE is a path there, of which every commit counts");
  syntax.option("--date", "TIME", date.get(),
                "When they were current, instead of what they or their names say");
  add_family(syntax, options->family, "Of all the files; else by what each says");
  return [options, date](Context& context) -> Result<Answer> {
    if (!date->empty()) {
      auto time = TRY(parse_time(*date, now()));
      options->date = time;
    }
    if (!options->git.empty() && options->paths.size() != 1) {
      return Error{.kind = ErrorKind::usage, .message = "--git takes one path"}.hinted(
          "a rules file there, or a folder with rules.v4, rules.v6 or ipset");
    }
    auto all = TRY(import_files(context.session, *options, [&] { return lock(context.session); }));
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
