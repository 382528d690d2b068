#pragma once

#include <optional>
#include <string>

#include "ops/guard/guard_ending.h"
#include "ops/guard/guard_state.h"
#include "store/repository.h"

namespace rewall {

// The tag good, which a guard does not move: it may name what a guard takes back.

/// The full hash of the snapshot with the tag good; empty where no snapshot has it, or the tags cannot be
/// read.
std::string good_snapshot(const Repository& repository);

/// True where the guard, fired now, would take back what the snapshot `hash` holds: it was taken since the
/// guard was armed, with other files than the guard's old ruleset. False where that cannot be read.
bool takes_back(const Repository& repository, const Guard& guard, const std::string& hash);

/// The guard that took back what the snapshot with the tag good holds. Absent where none did, and where these
/// rules are in HEAD again.
std::optional<GuardEnding> took_good_back(const Repository& repository);

}  // namespace rewall
