#include "ops/remote/push.h"

#include <memory>

#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/remote/remote_address.h"
#include "ui/json.h"

namespace rewall {
namespace {

std::string what_was_pushed(const PushResult& pushed) {
  const auto remote = escape(pushed.remote.name);
  const auto tags = counted(pushed.tags, "tag");
  if (pushed.snapshots > 0)
    return format("pushed {} to {}{}", counted(pushed.snapshots, "snapshot"), remote,
                  pushed.tags > 0 ? ", and " + tags : "");
  if (pushed.tags > 0) return format("pushed {} to {}", tags, remote);
  return pushed.changed ? format("pushed the branches to {}", remote) : format("{} is up to date", remote);
}

}  // namespace

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
                                  {"tags", pushed.tags},
                                  {"changed", pushed.changed},
                                  {"notes", pushed.notes}}));
    } else {
      context.terminal.out(what_was_pushed(pushed) + "\n");
    }
    return Answer::same;
  };
}

}  // namespace rewall
