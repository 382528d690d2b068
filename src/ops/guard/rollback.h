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

/// What a boot puts in force: the old ruleset of a guard that was armed, else HEAD; where that is refused,
/// the tag good, then the template lockdown.
Result<FallbackResult> boot(Session& session, RestoreOptions options);

/// "the old ruleset (snapshot 1a2b3c4d5e) is in force", and what could not be, and why.
std::string to_text(const FallbackResult& landed);

/// The guard's process, from its start to its end: holds its lock, sleeps to the deadline, warns 60 s before,
/// and fires. SIGUSR1 makes it look at the guard again; signals that end a session do not end it. The exit
/// status.
int keep_guard(const std::filesystem::path& repository, const std::string& id);

}  // namespace rewall
