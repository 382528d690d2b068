#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/guard/fallback.h"
#include "ops/guard/guard_state.h"

namespace rewall {

/// Time is up: puts the guard's old ruleset back, or where it is refused the tag good, or the template
/// lockdown; records it with the trigger rollback, removes the guard, and tells every terminal. Nothing when
/// somebody confirmed meanwhile, or gave it more time. The errors of restore_or_fall_back(); the guard stays
/// then.
Result<std::optional<FallbackResult>> fire(Session& session, const Guard& guard);

/// Fires a guard of this network namespace that is overdue and whose process is gone. Nothing where there is
/// none. One from before a restart of the machine is said, and left: what is in force since is not its
/// change.
Status fire_overdue_guard(Session& session);

/// Takes the guarded change back now. Kind refused: no guard is armed. After an error the guard stays armed.
Result<Restored> roll_back(Session& session);

}  // namespace rewall
