#pragma once

#include <optional>
#include <string>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

// Each snapshot has two stacks, the changes that are done and those that are undone. Both follow from the
// trailers of the history alone (rewall-undo(8)), so they survive a boot and a clone. The functions walk
// back from a snapshot and read commits; files are compared only of snapshots that may be changes. Errors are
// of kind repository: a snapshot cannot be read.

/// True for a snapshot of foreign parts alone that no person's command made: undo steps over it, and log
/// folds it.
bool is_background(const Snapshot& snapshot);

/// The full hash that a way back, an undo or a redo names and that the repository does not have, as the .git
/// folder was made again or the history is a shallow clone: the snapshot then counts as a change. Else empty.
std::string missing_reference(const Repository& repository, const Snapshot& snapshot);

/// The change that undo would take back at the snapshot `hash`; absent where there is none.
Result<std::optional<Snapshot>> newest_done(const Repository& repository, const std::string& hash);

/// The answer of newest_undone().
struct NewestUndone {
  std::optional<Snapshot> change{};  ///< the change that redo would put back; absent where there is none
  std::optional<Snapshot> since{};   ///< where there is none: the change that was made since an undo
};
/// The change that redo would put back at the snapshot `hash`.
Result<NewestUndone> newest_undone(const Repository& repository, const std::string& hash);

/// The snapshot by which a guard or a rollback took a change back, where that is the newest of all but for
/// foreign parts; its parent is what was tried. Absent where the newest is another.
Result<std::optional<Snapshot>> newest_rollback(const Repository& repository, const std::string& hash);

/// The newest snapshot before `change` that was in force: not that of an import or of a shutdown. Absent for
/// the first snapshot.
Result<std::optional<Snapshot>> in_force_before(const Repository& repository, const Snapshot& change);

/// The snapshot itself, or where it was never in force (an import, a shutdown), the one that was before.
Result<std::optional<Snapshot>> in_force_at(const Repository& repository, Snapshot snapshot);

}  // namespace rewall
