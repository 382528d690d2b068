#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/guard/fallback.h"
#include "ops/guard/guard_ending.h"
#include "ops/guard/guard_state.h"

namespace rewall {

/// Fires a guard at its deadline: takes the lock, puts the guard's old ruleset in force (else the tag good,
/// else the template lockdown), records the result with the trigger rollback, removes the guard, and writes
/// to every terminal. Works without the lock where the lock cannot be had. Absent where somebody confirmed
/// the guard or extended the deadline meanwhile. The errors of restore_or_fall_back(); the guard stays then.
Result<std::optional<FallbackResult>> fire(Session& session, const Guard& guard);

/// The ending of a guard whose way back was walked.
GuardEnding ending_of(Session& session, EndedBy how, const FallbackResult& fallback);

/// Fires a guard of this network namespace that is overdue and whose process is gone or stopped
/// (is_stopped(), kernel/daemon.h), which is killed; else does nothing. Only warns about a guard of an
/// earlier boot, whose change went with the boot. The errors of read_guard() and fire().
Status fire_overdue_guard(Session& session);

/// Reverts the guarded change now (`rewall rollback`): takes the lock, restores the old ruleset, and removes
/// the guard. Kind refused: no guard is armed in this network namespace. The errors of lock() and restore().
/// After an error the guard stays armed.
Result<Restored> roll_back(Session& session);

}  // namespace rewall
