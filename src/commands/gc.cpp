#include "ops/remote/gc.h"

#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ui/json.h"

namespace rewall {
namespace {

Json to_json(const GcResult& collected) {
  const auto& [before, after] = collected;
  return {{"objects_before", before.loose + before.packed},
          {"objects_after", after.loose + after.packed},
          {"loose_before", before.loose},
          {"loose_after", after.loose},
          {"packs", after.packs},
          {"changed", before.loose != after.loose || before.bytes != after.bytes},
          {"bytes_before", before.bytes},
          {"bytes_after", after.bytes}};
}

std::string size_text(std::uint64_t bytes) {
  return format("{:.1f} MB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

Action define_gc(Syntax&) {
  return [](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    auto collected = TRY(gc(*repository));
    if (!collected) {
      context.terminal.say("another 'rewall gc' is running: nothing to do");
      if (context.json) context.terminal.out(print(Json(nullptr)));
      return Answer::same;
    }
    if (context.json) {
      context.terminal.out(print(to_json(*collected)));
      return Answer::same;
    }
    const auto& [before, after] = *collected;
    context.terminal.out(format("{} in {}, {} loose: {} -> {}\n", counted(after.packed, "object"),
                                counted(after.packs, "pack"), after.loose, size_text(before.bytes),
                                size_text(after.bytes)));
    return Answer::same;
  };
}

}  // namespace rewall
