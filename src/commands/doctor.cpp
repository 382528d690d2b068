#include "ops/host/doctor.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ui/width.h"

namespace rewall {
namespace {

constexpr std::size_t kMessageColumn = 17;  // behind the word and the name of the check

std::string to_text(const Context& context, const std::vector<Finding>& findings) {
  const Paint paint = context.terminal.paint();
  std::string text;
  for (const auto& finding : findings) {
    const auto word = !finding.ok ? paint.removed("BAD ") : finding.hint.empty() ? "ok  " : "note";
    text += format("{} {:<11} {}\n", word, finding.check, escape(finding.message));
    if (!finding.hint.empty())
      text += paint.quiet(format("{:{}}{}", "", kMessageColumn,
                                 escape(for_repository(finding.hint, context.session.path())))) +
              "\n";
  }
  return wrapped_lines(text, kMessageColumn, Terminal::width());
}

}  // namespace

Action define_doctor(Syntax&) {
  return [](Context& context) -> Result<Answer> {
    const auto findings = examine(context.session);
    context.terminal.out(context.json ? print(findings_json(context, findings)) : to_text(context, findings));
    return answer_of(findings);
  };
}

}  // namespace rewall
