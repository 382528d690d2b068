#pragma once

#include "core/result.h"
#include "ops/restore/apply.h"
#include "ops/restore/journal.h"
#include "ops/restore/plan.h"

namespace rewall {

// The recordings before and after the load of a restore; the caller holds the repository's lock.

/// Before the load: records LIVE where HEAD differs from it (`restored.before`), and writes the files of the
/// result (`plan.prepared`), so that no disk is too full after the load. Returns the entry for the journal,
/// to which the caller adds its options. The errors of record() and Repository::prepare().
Result<JournalEntry> record_before(Session& session, Repository& repository, KnownState& known,
                                   const Revision& revision, RestorePlan& plan, const RestoreOptions& options,
                                   Restored& restored);

/// Records LIVE where HEAD differs from it, and `known.head` is the new snapshot then: for a change that is
/// made of what the history says. Absent where nothing was recorded. The errors of record().
Result<std::optional<Recorded>> record_first(Session& session, Repository& repository, KnownState& known);

/// After the load: records LIVE as it was read back. The errors of record().
Result<Recorded> record_result(const PlannedChange& change, const ReadBack& after,
                               const RecordOptions& options);

}  // namespace rewall
