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
#include "rules/sets.h"

namespace rewall {

/// LIVE and HEAD before a restore plans. Valid for one plan, with the repository's lock held.
struct KnownState : LiveAndHead {
  bool same = false;  ///< LIVE was not read, since the generation proves that LIVE equals HEAD
  /// After a partial read (partial_read.h), the files of the revision: LIVE, HEAD and the wanted ruleset then
  /// hold only the chains in which the revision and HEAD differ.
  std::optional<SnapshotFiles> whole{};
};

/// The change that a restore will make, staged. The KnownState that it was made from must outlive it.
struct RestorePlan {
  Capture live{};
  Staged staged{};
  LeftToOwners left_to_owners{};     ///< as Restored::left_to_owners
  std::vector<std::string> notes{};  ///< for people: foreign parts that were kept or left out
  Diff diff{};                       ///< from LIVE to the staged ruleset
  const Head* rest = nullptr;        ///< after a partial read, HEAD with all files; else null
  PreparedFiles prepared{};          ///< the files of the staged ruleset
};

/// The arguments of put_in_force(): a plan and its surroundings. The objects that it refers to must outlive
/// it.
struct PlannedChange {
  Session& session;
  Repository& repository;
  const RestorePlan& plan;
  const Diff& diff;  ///< from LIVE to the staged ruleset
  const Head* head;  ///< null where a snapshot was made after HEAD was read

  bool changes_live() const { return !diff.identical() || brings_temporary(plan.staged.ruleset.sets); }
};

/// Checks that `choice` includes the backend that a snapshot was recorded from, as rules go back to that
/// backend. Kind usage.
Status check_backend(BackendChoice choice, const Revision& revision);

/// Reads LIVE and HEAD; only HEAD and the sets where the generation proves that LIVE's rules equal HEAD. The
/// errors of read_live_and_head().
Result<KnownState> know_live_and_head(Session& session, const Repository& repository);

/// Makes a KnownState from a partial read; `generation` is the one of still_live().
Result<KnownState> known_by_partial_read(const Repository& repository, PartialRead partial,
                                         Generation generation);

/// Replaces a partial read by the whole revision and the whole HEAD, proved by their hashes, where a plan of
/// some chains is not possible. Kind repository: a snapshot cannot be read or parsed.
Status read_whole(Session& session, KnownState& known, Revision& revision);

/// Works out the wanted ruleset and stages it; LIVE is not touched. Kind kernel: the kernel refuses the
/// ruleset, or a snapshot does not read back as it is recorded. Kind usage: the options choose a part of a
/// ruleset from the other backend. Kind repository: the settings cannot be read, or a partial read cannot be
/// proved. Where a plan from a partial read fails, the caller plans again after read_whole().
Result<RestorePlan> make_plan(Session& session, const Revision& revision, const RestoreOptions& options,
                              KnownState& known);

/// The transition of a plan, with all chains also after a partial read. Kind usage: HEAD does not parse.
Result<Transition> transition_of(const RestorePlan& plan);

/// True while LIVE equals the ruleset that the plan was made for. Sets and the legacy backend have no
/// generation, so the function reads them again. The errors of Firewall::capture() and Firewall::sets().
Result<bool> still_as_planned(Session& session, const RestorePlan& plan);

}  // namespace rewall
