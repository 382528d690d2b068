#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// The rules of a chain that stay where they are when `live` becomes `wanted`: (position in live, position in
/// wanted), from 0, ascending on both sides, with the same words. All others are taken out or put in.
///
/// The common start and end always stay. Between them the k-th of equal rules answers to the k-th, and the
/// longest run that ascends stays: n log n, and a longest common subsequence where no rule is there twice.
std::vector<std::pair<std::uint32_t, std::uint32_t>> stable_rules(std::span<const Rule> live,
                                                                  std::span<const Rule> wanted);

}  // namespace rewall
