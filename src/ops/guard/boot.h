#pragma once

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/guard/fallback.h"

namespace rewall {

/// Puts in force what a boot must have: the old ruleset of a guard that was armed, else HEAD; where that is
/// refused, the tag good, then the template lockdown. The errors of restore_or_fall_back().
Result<FallbackResult> boot(Session& session, RestoreOptions options);

}  // namespace rewall
