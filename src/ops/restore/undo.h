#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/restore/restore_options.h"

namespace rewall {

/// What undo() or redo() is about to do. The hash of `change` is empty for a change that is not recorded,
/// which only a dry run leaves so.
struct Reversal {
  const Snapshot& change;   ///< the change that is taken back, or put back
  const Snapshot& back_to;  ///< the snapshot whose chains and sets come back
  /// The snapshots of foreign parts alone that are newer, newest first, their hashes.
  std::vector<std::string> passed_over{};
  std::string missing{};  ///< what `change` names and the repository lacks (missing_reference())
};
/// Called before anything of it is done.
using Announce = std::function<void(const Reversal&)>;

/// Takes the newest change back (rewall-undo(8)): the chains and sets that the change touched become what
/// they were in the newest snapshot before it that was in force; foreign parts too where the change was
/// exact. LIVE is recorded first where HEAD differs from it. Takes the repository's lock.
///
/// Kind refused: nothing is to be taken back, or a guard is armed. The errors of restore().
Result<Restored> undo(Session& session, const RestoreOptions& options, const Announce& announce = {});

/// Puts the change back that was undone last (rewall-redo(8)).
///
/// Kind refused: nothing was undone, the firewall was changed since, or a guard is armed. The errors of
/// restore().
Result<Restored> redo(Session& session, const RestoreOptions& options, const Announce& announce = {});

}  // namespace rewall
