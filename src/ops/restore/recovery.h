#pragma once

#include <string>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// Completes or undoes a restore that was killed, if one was; afterwards LIVE is the old or the new ruleset.
/// Call it once, before a command begins. Sets Session::interrupted where another process is at a restore
/// right now, and on a failure.
///
/// The errors leave the journal. Kind permission and capture: LIVE cannot be read. Kind repository: another
/// process does not release the lock, the journal is of another network namespace, or it cannot be understood
/// and LIVE is not what HEAD says. Kind damaged: LIVE is neither ruleset, and the old one could not be put
/// back.
Status recover_interrupted_restore(Session& session);

/// Waits for the repository's lock (`lock.wait`), then recovers a restore that the last holder did not end.
Result<Lock> lock(Session& session);

}  // namespace rewall
