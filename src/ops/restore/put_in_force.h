#pragma once

#include "core/result.h"
#include "ops/restore/journal.h"
#include "ops/restore/plan.h"

namespace rewall {

/// Loads the plan, reads LIVE back, compares, and records the result; after a failure puts the old ruleset
/// back. The journal exists meanwhile and signals are blocked: after an exception this function puts the old
/// ruleset back, after a kill the next rewall does (recovery.h). The caller holds the repository's lock.
///
/// Kind refused: another process changed the firewall meanwhile; LIVE is untouched. Kind kernel: the kernel
/// refused the load, or LIVE read back different; the old ruleset is in force. Kind damaged: the old ruleset
/// could not be put back; the journal stays.
Result<Recorded> put_in_force(const PlannedChange& change, const JournalEntry& entry);

/// Loads the staged ruleset and reads LIVE back, without a journal and without a recording: for a history
/// that cannot be read or written. The errors of put_in_force(), but for those of recording.
Result<Capture> put_in_force_unrecorded(const PlannedChange& change);

}  // namespace rewall
