#include "ops/doctor.h"

#include <algorithm>

#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ui/json.h"

namespace rewall {
namespace {

Json to_json(const std::vector<Check>& checks) {
  Json json = Json::array();
  for (const auto& check : checks)
    json.push_back(
        {{"check", check.name}, {"ok", check.ok}, {"message", check.message}, {"hint", or_null(check.hint)}});
  return json;
}

std::string to_text(const std::vector<Check>& checks, Paint paint) {
  std::string text;
  for (const auto& check : checks) {
    const auto line = format("{:<11} {}", check.name, escape(check.message));
    const auto word = !check.ok ? paint.removed("BAD ") : check.hint.empty() ? "ok  " : "note";
    text += format("{} {}\n", word, line);
    if (!check.hint.empty()) text += paint.quiet(format("     {:<11} {}", "", escape(check.hint))) + "\n";
  }
  return text;
}

}  // namespace

Action define_doctor(CLI::App&) {
  return [](Context& context) -> Result<Answer> {
    const auto checks = examine(context.session);
    context.terminal.out(context.json ? print(to_json(checks)) : to_text(checks, context.terminal.paint()));
    return std::ranges::all_of(checks, &Check::ok) ? Answer::same : Answer::different;
  };
}

}  // namespace rewall
