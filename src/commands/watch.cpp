#include "commands/command_output.h"
#include "commands/define.h"
#include "ops/restore/recovery.h"
#include "ops/watch/watcher.h"

namespace rewall {

Action define_watch(Syntax& syntax) {
  auto once = std::make_shared<bool>(false);
  syntax.flag("--once", *once, "Record what changed since the last snapshot, then exit");
  return [once](Context& context) -> Result<Answer> {
    if (!*once) {
      const auto each = [&](const Recorded& recorded) { print_recorded(context, recorded); };
      TRY(watch(context.session, each));
      return Answer::same;
    }
    // Who made the change is not known, and it is not whoever runs this.
    const Lock held = TRY(lock(context.session));
    auto recorded = TRY(record_live(context.session, held, {.trigger = "watch", .actor = nobody()}));
    if (recorded.changed || context.json) print_recorded(context, recorded);
    return Answer::same;
  };
}

}  // namespace rewall
