#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/history/record.h"
#include "ops/history/revision.h"
#include "ops/restore/partial_read.h"
#include "ops/restore/restore_options.h"
#include "ops/restore/transition.h"

namespace rewall {

/// LIVE and HEAD, as a restore knows them when it plans.
struct KnownState : LiveAndHead {
  bool same = false;  ///< LIVE was not read: it is what HEAD says
  /// The revision, where LIVE, HEAD and the wanted ruleset hold only the chains in which the revision and
  /// HEAD differ (partial_read.h).
  std::optional<SnapshotFiles> whole{};
};

/// What a restore is about to do. The KnownState that it was made of must outlive it.
struct RestorePlan {
  Capture live{};
  Staged staged{};
  std::vector<std::string> notes{};
  Diff diff{};  ///< what the plan changes in LIVE
  const Head* rest =
      nullptr;  ///< where the rulesets hold only some chains: LIVE's files are those of this HEAD
  PreparedFiles prepared{};  ///< the files of the staged ruleset
};

/// Rules go back to the backend that they were recorded from, and `choice` must include that one. Kind usage.
Status check_backend(BackendChoice choice, const Revision& revision);

/// LIVE and HEAD. LIVE is not read where the generation proves that it is HEAD.
Result<KnownState> know_live_and_head(Session& session, const Repository& repository);

/// The same from a partial read, at the generation at which LIVE was HEAD.
Result<KnownState> known_by_partial_read(const Repository& repository, PartialRead partial,
                                         Generation generation);

/// Reads the whole revision and the whole HEAD, which LIVE is, with all proof: a plan of some chains was not
/// possible.
Status read_whole(Session& session, KnownState& known, Revision& revision);

/// Works out the wanted ruleset and stages it. Kind kernel: refused, LIVE is untouched.
Result<RestorePlan> make_plan(Session& session, const Revision& revision, const RestoreOptions& options,
                              KnownState& known);

/// What the plan does to LIVE, of all chains.
Result<Transition> transition_of(const RestorePlan& plan);

/// True while LIVE is what the plan was made for. Sets and the legacy backend have no generation: they are
/// read again.
Result<bool> still_as_planned(Session& session, const RestorePlan& plan);

}  // namespace rewall
