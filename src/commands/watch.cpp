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
    const Lock held = TRY(lock(context.session));
    // Nobody knows who made the change; it was not the user who runs this command.
    auto recorded = TRY(record_live(context.session, held, {.trigger = "watch", .actor = nobody()}));
    if (recorded.changed || context.json) print_recorded(context, recorded);
    return Answer::same;
  };
}

}  // namespace rewall
