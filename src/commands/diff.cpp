#include "diff/diff.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/history/revision.h"
#include "store/unified.h"
#include "ui/diff_view.h"
#include "ui/json.h"

namespace rewall {
namespace {

struct DiffOptions {
  std::vector<std::string> revisions{};
  bool stat = false;
  bool text = false;
  bool commands = false;
  bool foreign = false;
};

Result<std::string> as_text(const Revision& from, const Revision& to) {
  Files before = files_of(from.ruleset);
  Files after = files_of(to.ruleset);
  for (const auto& [file, _] : before) after.try_emplace(file);
  std::string text;
  for (const auto& [file, content] : after) {
    text += TRY(unified(before[file], content, "a/" + file, "b/" + file));
  }
  return text;
}

std::string as_commands(const Revision& from, const Revision& to) {
  std::string text;
  for (const auto& command : commands(from.ruleset, to.ruleset)) text += command + "\n";
  return text;
}

Result<std::string> answer(const DiffOptions& options, const Revision& from, const Revision& to,
                           const Diff& diff, Paint paint) {
  if (options.commands) return as_commands(from, to);
  if (options.text) return render_unified(TRY(as_text(from, to)), paint);
  if (diff.equal()) return std::string{};
  return options.stat ? render_stat(diff, paint, Terminal::width()) : render(diff, paint, Terminal::width());
}

}  // namespace

Action define_diff(Syntax& syntax) {
  auto options = std::make_shared<DiffOptions>();
  auto& revisions = syntax.positional(
      "REV", &options->revisions,
      "Two revisions to compare, also as A..B (default: HEAD with LIVE; with one: REV with LIVE)");
  revisions.most = 2;
  syntax.flag("--stat", options->stat, "Show only the number of changes in each chain");
  auto& text = syntax.flag("--text", options->text, "Print a unified diff of the rules files");
  text.excludes = {"--stat"};
  auto& commands = syntax.flag("--commands", options->commands,
                               "Print the iptables commands that turn the first into the second");
  commands.excludes = {"--stat", "--text"};
  syntax.flag("--foreign", options->foreign, "Show changes to other programs' rules too");
  return [options](Context& context) -> Result<Answer> {
    auto names = options->revisions;
    if (names.size() == 1) {
      if (auto both = TRY(read_range(names[0]))) names = {std::move(both->first), std::move(both->second)};
    }
    const bool whole = options->text || options->commands;
    auto both =
        TRY(read_revisions(context.session, names.empty() ? "HEAD" : names[0],
                           names.size() < 2 ? "LIVE" : names[1], whole ? Extent::whole : Extent::differing));
    auto& [from, to] = both;
    TRY(keep_common(from, to));
    auto diff = TRY(compare_revisions(from, to));
    if (context.json || !options->foreign)
      mark_foreign(diff, from.ruleset, to.ruleset, owners_of(context.session));
    if (context.json) {
      context.terminal.out(print(to_json(diff, from.name, to.name)));
    } else if (auto words = TRY(answer(*options, from, to, diff, context.terminal.paint())); !words.empty()) {
      if (!options->commands) start_pager(context);
      context.terminal.out(options->commands ? exact_text(context, words) : words);
    }
    return diff.equal() ? Answer::same : Answer::different;
  };
}

}  // namespace rewall
