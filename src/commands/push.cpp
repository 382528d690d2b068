#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/remote/remote_address.h"
#include "ops/remote/share.h"
#include "ui/json.h"

namespace rewall {

Action define_push(Syntax& syntax) {
  auto remote = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  syntax.positional("REMOTE", remote.get(), "Where to (the setting push.remote)");
  syntax.flag("--all", *all, "The branches of all hosts that begin here, not of this one alone");
  return [remote, all](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    auto pushed = TRY(push(*repository, *remote, *all, context.terminal.progress()));
    for (const auto& note : pushed.notes) context.terminal.say(note);
    if (context.json) {
      context.terminal.out(print({{"remote", pushed.remote.name},
                                  {"url", shown_address(pushed.remote.url)},
                                  {"snapshots", pushed.snapshots},
                                  {"notes", pushed.notes}}));
    } else if (pushed.snapshots == 0) {
      context.terminal.out(format("{} has everything\n", escape(pushed.remote.name)));
    } else {
      context.terminal.out(
          format("{} got {}\n", escape(pushed.remote.name), counted(pushed.snapshots, "snapshot")));
    }
    return Answer::same;
  };
}

}  // namespace rewall
