#include "ops/history/verify.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ui/width.h"

namespace rewall {
namespace {

constexpr std::size_t kFindingColumn = 18;  // behind the word and the name of the check

std::string to_text(const Context& context, const Finding& finding) {
  const Paint paint = context.terminal.paint();
  const std::string mark = finding.ok ? paint.added("ok  ") : paint.removed("FAIL");
  std::string text = format("{}  {:<10}  {}\n", mark, finding.check, escape(finding.message));
  if (!finding.ok && !finding.hint.empty())
    text += format("{:{}}{}\n", "", kFindingColumn,
                   paint.quiet(escape(for_repository(finding.hint, context.session.path()))));
  return wrapped_lines(text, kFindingColumn, Terminal::width());
}

}  // namespace

Action define_verify(Syntax& syntax) {
  auto range = std::make_shared<std::string>();
  syntax.positional("RANGE", range.get(), "A..B, or REV and all its ancestors (default HEAD)");
  auto stage = std::make_shared<bool>(false);
  syntax.flag("--stage", *stage,
              "Also load HEAD, or each snapshot of RANGE, into a scratch network namespace");
  auto all = std::make_shared<bool>(false);
  syntax.flag("--all", *all, "Also check the branches of remotes and other hosts, and the tags").excludes = {
      "RANGE"};
  return [range, stage, all](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    auto findings = TRY(verify(*repository, *range, *all));
    if (*stage) {
      auto staged = TRY(verify_by_staging(context.session, *repository, *range));
      std::ranges::move(staged, std::back_inserter(findings));
    }
    if (!context.json) start_pager(context);
    if (context.json) context.terminal.out(print(findings_json(context, findings)));
    for (const auto& finding : findings) {
      if (!context.json) context.terminal.out(to_text(context, finding));
    }
    return answer_of(findings);
  };
}

}  // namespace rewall
