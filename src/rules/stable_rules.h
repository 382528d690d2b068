#pragma once

#include <span>

#include "rules/ascending.h"
#include "rules/ruleset.h"

namespace rewall {

/// The rules of a chain that stay where they are when `live` becomes `wanted`: pairs of positions (in live,
/// in wanted) of rules with the same words. All other rules are removed or inserted.
///
/// The common start and end always stay. Between them the k-th of equal rules in live is paired with the k-th
/// in wanted, and the longest ascending run of pairs stays. The cost is n log n; where no rule comes twice
/// the result is a longest common subsequence.
PositionPairs stable_rules(std::span<const Rule> live, std::span<const Rule> wanted);

}  // namespace rewall
