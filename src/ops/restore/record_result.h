#pragma once

#include "core/result.h"
#include "ops/restore/apply.h"
#include "ops/restore/journal.h"
#include "ops/restore/plan.h"
#include "ops/restore/put_in_force.h"

namespace rewall {

/// Before the load: records LIVE where HEAD does not have it (`restored.before`), and writes the files of the
/// result ahead, so that no disk is too full afterwards (`plan.prepared`). What the journal says of the
/// restore; the caller adds its options.
Result<JournalEntry> record_before(Session& session, Repository& repository, KnownState& known,
                                   const Revision& revision, RestorePlan& plan, const RestoreOptions& options,
                                   Restored& restored);

/// After the load: records LIVE as it was read back.
Result<Recorded> record_result(const PlannedChange& change, const ReadBack& after,
                               const RecordOptions& options);

}  // namespace rewall
