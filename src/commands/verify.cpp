#include "ops/verify.h"

#include <algorithm>

#include "commands/define.h"
#include "commands/parts.h"
#include "core/format.h"
#include "core/text.h"
#include "ui/json.h"

namespace rewall {
namespace {

std::string to_text(const Finding& finding, Paint paint) {
  const std::string mark = finding.ok ? paint.added("ok  ") : paint.removed("FAIL");
  std::string text = format("{}  {:<10}  {}\n", mark, finding.check, escape(finding.message));
  if (!finding.ok && !finding.hint.empty())
    text += format("      {:<10}  {}\n", "", paint.quiet(escape(finding.hint)));
  return text;
}

Json to_json(const Finding& finding) {
  return {{"check", finding.check},
          {"ok", finding.ok},
          {"message", finding.message},
          {"hint", or_null(finding.hint)}};
}

}  // namespace

Action define_verify(CLI::App& app) {
  auto range = std::make_shared<std::string>();
  app.add_option("RANGE", *range, "A..B, or REV for all that led there (HEAD)")->type_name("");
  return [range](Context& context) -> Result<Answer> {
    auto repository = context.session.repository();
    if (!repository) return std::move(repository).error();
    auto findings = verify(**repository, *range);
    if (!findings) return std::move(findings).error();
    if (!context.json) page(context);
    Json json = Json::array();
    for (const auto& finding : *findings) {
      if (context.json)
        json.push_back(to_json(finding));
      else
        context.terminal.out(to_text(finding, context.terminal.paint()));
    }
    if (context.json) context.terminal.out(print(json));
    return std::ranges::all_of(*findings, &Finding::ok) ? Answer::same : Answer::different;
  };
}

}  // namespace rewall
