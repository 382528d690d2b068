#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace rewall {

/// The positions (from, to) that two sequences of small numbers share, both ascending: a longest common
/// subsequence where that is affordable, and always one that holds the common start and end.
///
/// Elements that occur once on both sides are aligned first (patience: longest increasing subsequence), the
/// stretches between them by dtl. So a wholly reordered sequence costs n log n, not n².
std::vector<std::pair<std::uint32_t, std::uint32_t>> common_subsequence(std::span<const std::uint32_t> from,
                                                                        std::span<const std::uint32_t> to);

}  // namespace rewall
