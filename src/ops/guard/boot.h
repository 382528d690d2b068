#pragma once

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/guard/fallback.h"

namespace rewall {

/// Puts a ruleset in force at boot (rewall-boot(7)): the first of BootCandidates that can be loaded.
/// Takes the lock, and works without the lock where the lock cannot be had; with the lock, removes the guard.
/// Sets trigger, way_back and nothing_is_no_loss of `options`. The errors of restore_or_fall_back(); without
/// a repository, those of Session::repository().
Result<FallbackResult> boot(Session& session, RestoreOptions options);

}  // namespace rewall
