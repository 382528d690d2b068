#include "ops/restore/load.h"

namespace rewall {

Status put_in_force_again(Session& session, const Ruleset& target, const Capture& live) {
  auto staged = session.firewall().stage(target, &live.ruleset);
  const Staged wanted = staged ? *std::move(staged) : Staged{.ruleset = target};
  auto loaded = TRY(session.firewall().load(wanted, live.ruleset, live.generation));
  return {};
}

}  // namespace rewall
