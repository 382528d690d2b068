#include "ops/host/doctor.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

std::string to_text(const Context& context, const std::vector<Finding>& findings) {
  const Paint paint = context.terminal.paint();
  std::string text;
  for (const auto& finding : findings) {
    const auto line = format("{:<11} {}", finding.check, escape(finding.message));
    const auto word = !finding.ok ? paint.removed("BAD ") : finding.hint.empty() ? "ok  " : "note";
    text += format("{} {}\n", word, line);
    if (!finding.hint.empty())
      text += paint.quiet(format("     {:<11} {}", "",
                                 escape(for_repository(finding.hint, context.session.path())))) +
              "\n";
  }
  return text;
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
