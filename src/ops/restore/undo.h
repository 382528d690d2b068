#pragma once

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/restore/restore_options.h"

namespace rewall {

/// Restores the parent of the newest snapshot; when LIVE differs from HEAD, HEAD itself. Twice is redo.
/// Unless exact, differences in foreign parts alone do not count. The errors of restore(); kind usage:
/// nothing is before the first snapshot.
Result<Restored> undo(Session& session, const RestoreOptions& options);

}  // namespace rewall
