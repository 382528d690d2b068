#pragma once

#include <cstdint>
#include <span>

#include "rules/ascending.h"

namespace rewall {

/// Aligns two sequences of small numbers: the pairs of positions (from, to) of equal elements, both
/// ascending. The common start and end are always part of the result; the whole is a longest common
/// subsequence where that is affordable.
///
/// Elements that occur once on both sides are the anchors (patience diff); dtl aligns the stretches between
/// anchors, in which every element repeats. A wholly reordered sequence costs n log n, not n².
PositionPairs common_subsequence(std::span<const std::uint32_t> from, std::span<const std::uint32_t> to);

}  // namespace rewall
