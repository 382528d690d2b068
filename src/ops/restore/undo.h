#pragma once

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/restore/restore_options.h"

namespace rewall {

/// Reverts the newest change (rewall(8), undo): restores HEAD where LIVE differs from HEAD, else the parent
/// of the newest snapshot. A second undo reverts the first. Snapshots of imports are skipped; unless
/// `options.exact`, so are changes of foreign parts alone. Takes the repository's lock. The errors of
/// restore(); kind usage: the first snapshot has no parent.
Result<Restored> undo(Session& session, const RestoreOptions& options);

}  // namespace rewall
