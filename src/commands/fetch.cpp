#include "ops/remote/fetch.h"

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/format.h"
#include "core/text.h"
#include "ui/json.h"

namespace rewall {
namespace {

void say_rewritten(Context& context, const Repository& repository, const std::string& remote,
                   const FetchedBranch& branch) {
  const auto name = format("{}/hosts/{}", remote, branch.host);
  context.terminal.say(
      format("{0}: the history was rewritten on the remote: {1} gone there; this "
             "repository keeps the old branch as {0}@{{1}}",
             name, counted(branch.lost, "snapshot") + (branch.lost == 1 ? " is" : " are")));
  if (branch.host != repository.host()) return;
  context.terminal.say(
      format("nothing of this host is lost: ask who may push there; 'git -C {} push --force-with-lease {} "
             "hosts/{}' puts this host's history back",
             shell_quote(repository.path().string()), shell_quote(remote), branch.host));
}

}  // namespace

Action define_fetch(Syntax& syntax) {
  auto remote = std::make_shared<std::string>();
  syntax.positional("REMOTE", remote.get(), "The remote (default: push.remote, or the only one)");
  return [remote](Context& context) -> Result<Answer> {
    auto repository = TRY(context.session.repository());
    auto fetched = TRY(fetch(*repository, *remote, context.terminal.progress()));
    Json branches = Json::array();
    bool own_rewritten = false;
    for (const auto& branch : fetched.branches) {
      branches.push_back({{"host", branch.host},
                          {"snapshots", branch.snapshots},
                          {"rewritten", branch.rewritten},
                          {"lost", branch.lost},
                          {"trouble", or_null(branch.trouble)}});
      if (!branch.trouble.empty())
        context.terminal.say(format("{}/hosts/{}: {}", fetched.remote.name, branch.host, branch.trouble));
      if (branch.rewritten) {
        say_rewritten(context, *repository, fetched.remote.name, branch);
        own_rewritten = own_rewritten || branch.host == repository->host();
      }
      if (!context.json)
        context.terminal.out(format("{}/hosts/{}: {}\n", escape(fetched.remote.name), escape(branch.host),
                                    counted(branch.snapshots, "new snapshot")));
    }
    const Json refused = print_refused(context, fetched.remote.name, fetched.refused);
    if (context.json)
      context.terminal.out(print({{"remote", fetched.remote.name},
                                  {"branches", branches},
                                  {"refused", refused},
                                  {"changed", !branches.empty()}}));
    if (!context.json && fetched.branches.empty()) context.terminal.say("no new snapshots");
    return fetched.refused.empty() && !own_rewritten ? Answer::same : Answer::partly;
  };
}

}  // namespace rewall
