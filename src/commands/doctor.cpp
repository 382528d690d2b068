#include "ops/host/doctor.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

std::string to_text(const std::vector<Finding>& findings, Paint paint) {
  std::string text;
  for (const auto& finding : findings) {
    const auto line = format("{:<11} {}", finding.check, escape(finding.message));
    const auto word = !finding.ok ? paint.removed("BAD ") : finding.hint.empty() ? "ok  " : "note";
    text += format("{} {}\n", word, line);
    if (!finding.hint.empty()) text += paint.quiet(format("     {:<11} {}", "", escape(finding.hint))) + "\n";
  }
  return text;
}

}  // namespace

Action define_doctor(Syntax&) {
  return [](Context& context) -> Result<Answer> {
    const auto findings = examine(context.session);
    context.terminal.out(context.json ? print(findings_json(findings))
                                      : to_text(findings, context.terminal.paint()));
    return answer_of(findings);
  };
}

}  // namespace rewall
