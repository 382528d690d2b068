#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/guard.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/history/record.h"
#include "ops/restore/recovery.h"

namespace rewall {

Action define_snapshot(Syntax& syntax) {
  auto options = std::make_shared<RecordOptions>();
  syntax.option("-m,--message", "MSG", &options->message,
                "Subject of the snapshot (default: made from the changes)");
  syntax.option(
      "--hook", "NAME",
      [options](const std::string& name) -> Status {
        if (name.empty() || escape(name) != name) return error_of<messages::bad_prefix>(escape(name));
        options->hook = name;
        options->trigger = "hook";
        return {};
      },
      "Prefix for the subject when another program runs this, e.g. 'before apt'");
  syntax.flag("--allow-empty", options->allow_empty, "Take a snapshot even if nothing changed");
  return [options](Context& context) -> Result<Answer> {
    const Lock held = TRY(lock(context.session));
    auto recorded = record_live(context.session, held, *options);
    if (!recorded) return std::move(recorded).error();
    if (!recorded->changed) {
      std::string note = "nothing changed since this snapshot";
      if (!options->message.empty())
        note += "; your message is not kept: --allow-empty takes a snapshot that has it";
      context.terminal.say(note);
    }
    print_recorded(context, *recorded);
    tell_armed_guard(context, "a snapshot does not confirm the change");
    return Answer::same;
  };
}

}  // namespace rewall
