#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/history/record.h"
#include "ops/restore/recovery.h"

namespace rewall {

Action define_snapshot(Syntax& syntax) {
  auto options = std::make_shared<RecordOptions>();
  syntax.option("-m,--message", "MSG", &options->message, "The subject, instead of one made from the change");
  syntax.option(
      "--hook", "NAME",
      [options](const std::string& name) -> Status {
        if (name.empty() || escape(name) != name)
          return Error{.message = format("'{}' is no name", escape(name))};
        options->hook = name;
        options->trigger = "hook";
        return {};
      },
      "Another program asks for it: what stands before the subject, 'before apt'");
  syntax.flag("--allow-empty", options->allow_empty, "Make a snapshot even when nothing changed");
  return [options](Context& context) -> Result<Answer> {
    const Lock held = TRY(lock(context.session));
    auto recorded = record_live(context.session, held, *options);
    if (!recorded) return std::move(recorded).error();
    if (!recorded->changed) context.terminal.say("nothing changed since this snapshot");
    print_recorded(context, *recorded);
    return Answer::same;
  };
}

}  // namespace rewall
