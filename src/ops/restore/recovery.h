#pragma once

#include <string>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// Completes or undoes a restore that was killed, if one was; afterwards LIVE is the old or the new ruleset.
/// Gives back what is known of a restore that another process is doing right now, else nothing.
///
/// The errors leave the journal. Kind permission and capture: LIVE cannot be read. Kind repository: another
/// process does not let go of the lock, the journal is of another network namespace, or it cannot be
/// understood and LIVE is not what HEAD says. Kind damaged: LIVE is neither, and the old ruleset could not be
/// put back.
Result<std::string> recover_interrupted_restore(Session& session, Repository& repository);

/// `lock.wait`, then the lock; a restore that its last holder did not end is settled.
Result<Lock> lock(Session& session);

}  // namespace rewall
