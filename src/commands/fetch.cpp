#include "ops/remote/fetch.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ui/json.h"

namespace rewall {

Action define_fetch(Syntax& syntax) {
  auto remote = std::make_shared<std::string>();
  syntax.positional("REMOTE", remote.get(), "The remote (default: push.remote, or the only one)");
  return [remote](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    auto fetched = TRY(fetch(*repository, *remote, context.terminal.progress()));
    Json branches = Json::array();
    for (const auto& branch : fetched.branches) {
      branches.push_back({{"host", branch.host},
                          {"snapshots", branch.snapshots},
                          {"rewritten", branch.rewritten},
                          {"trouble", or_null(branch.trouble)}});
      if (!branch.trouble.empty())
        context.terminal.say(format("{}/hosts/{}: {}", fetched.remote.name, branch.host, branch.trouble));
      if (branch.rewritten)
        context.terminal.say(format(
            "{}/hosts/{}: the history was rewritten on the remote; the previous one is {}/hosts/{}@{{1}}",
            fetched.remote.name, branch.host, fetched.remote.name, branch.host));
      if (!context.json)
        context.terminal.out(format("{}/hosts/{}: {}\n", escape(fetched.remote.name), escape(branch.host),
                                    counted(branch.snapshots, "new snapshot")));
    }
    const Json refused = print_refused(fetched.remote.name, fetched.refused);
    if (context.json)
      context.terminal.out(
          print({{"remote", fetched.remote.name}, {"branches", branches}, {"refused", refused}}));
    if (!context.json && fetched.branches.empty()) context.terminal.say("no new snapshots");
    return fetched.refused.empty() ? Answer::same : Answer::partly;
  };
}

}  // namespace rewall
