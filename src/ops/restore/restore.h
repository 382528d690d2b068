#pragma once

#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/revision.h"
#include "ops/restore/plan.h"
#include "ops/restore/restore_options.h"

namespace rewall {

/// Makes LIVE equal a revision (rewall-restore(8); the steps are in ops/restore/README.md). Takes the
/// repository's lock. After a failure the old ruleset is in force.
///
/// Kind usage: the revision does not exist, or does not fit the options. Kind kernel: the kernel refused the
/// ruleset. Kind refused: the firewall kept changing, a program in pre-restore.d or `sign.require` forbids
/// the restore, or a guard is armed already. Kind damaged: the old ruleset could not be put back. The errors
/// of lock() and read_revision().
Result<Restored> restore(Session& session, const std::string& revision, const RestoreOptions& options);

/// Restores a revision that the caller has made and that is in no repository. Takes the repository's lock.
Result<Restored> restore(Session& session, Revision revision, const RestoreOptions& options);

/// Restores a revision that was read before, for a caller that holds the lock.
Result<Restored> restore(Session& session, const Lock& held, const Revision& revision,
                         const RestoreOptions& options);

/// Restores a revision that was read before, where lock() failed with `why` because the repository's disk is
/// read-only (is_read_only_disk()): the history records nothing.
Result<Restored> restore_on_read_only_disk(Session& session, const Revision& revision,
                                           const RestoreOptions& options, const Error& why);

/// Restores a revision where the caller has read LIVE and HEAD too, with the lock held.
Result<Restored> restore(Session& session, const Lock& held, Revision revision, KnownState known,
                         const RestoreOptions& options);

}  // namespace rewall
