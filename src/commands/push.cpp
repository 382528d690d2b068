#include "ops/remote/push.h"

#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/remote/remote_address.h"
#include "ui/json.h"

namespace rewall {

Action define_push(Syntax& syntax) {
  auto remote = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  syntax.positional("REMOTE", remote.get(), "The remote (default: push.remote, or the only one)");
  syntax.flag("--all", *all, "Push the branches of all hosts kept here, not just this host's");
  return [remote, all](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    auto pushed = TRY(push(*repository, *remote, *all, context.terminal.progress()));
    for (const auto& note : pushed.notes) context.terminal.say(note);
    if (context.json) {
      context.terminal.out(print({{"remote", pushed.remote.name},
                                  {"url", shown_address(pushed.remote.url)},
                                  {"snapshots", pushed.snapshots},
                                  {"changed", pushed.snapshots > 0},
                                  {"notes", pushed.notes}}));
    } else if (pushed.snapshots == 0) {
      context.terminal.out(format("{} is up to date\n", escape(pushed.remote.name)));
    } else {
      context.terminal.out(
          format("pushed {} to {}\n", counted(pushed.snapshots, "snapshot"), escape(pushed.remote.name)));
    }
    return Answer::same;
  };
}

}  // namespace rewall
