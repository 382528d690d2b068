#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace rewall {

/// Positions in two sequences, from 0: (in the old one, in the new one).
using PositionPair = std::pair<std::uint32_t, std::uint32_t>;
using PositionPairs = std::vector<PositionPair>;

/// The longest part of `pairs` whose second positions ascend, in n log n (patience sorting). The first
/// positions of `pairs` ascend; no second position comes twice.
PositionPairs longest_ascending(const PositionPairs& pairs);

}  // namespace rewall
