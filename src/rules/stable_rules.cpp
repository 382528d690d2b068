#include "rules/stable_rules.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace rewall {
namespace {

constexpr std::uint32_t kNone = UINT32_MAX;

/// Pairs the k-th of equal rules in live with the k-th in wanted. Positions in live ascend.
PositionPairs equal_rules(std::span<const Rule> live, std::span<const Rule> wanted) {
  std::unordered_map<std::string_view, std::uint32_t> first;
  std::vector<std::uint32_t> next(wanted.size(), kNone);
  first.reserve(wanted.size());
  for (auto i = static_cast<std::uint32_t>(wanted.size()); i-- > 0;) {
    const auto [place, fresh] = first.try_emplace(wanted[i].words, i);
    if (!fresh) next[i] = std::exchange(place->second, i);
  }
  PositionPairs pairs;
  for (std::uint32_t i = 0; i < live.size(); ++i) {
    const auto place = first.find(live[i].words);
    if (place == first.end() || place->second == kNone) continue;
    pairs.emplace_back(i, place->second);
    place->second = next[place->second];
  }
  return pairs;
}

}  // namespace

PositionPairs stable_rules(std::span<const Rule> live, std::span<const Rule> wanted) {
  const std::size_t shorter = std::min(live.size(), wanted.size());
  std::size_t start = 0;
  while (start < shorter && live[start].words == wanted[start].words) ++start;
  std::size_t end = 0;
  while (end < shorter - start && live[live.size() - 1 - end].words == wanted[wanted.size() - 1 - end].words)
    ++end;
  PositionPairs all;
  all.reserve(shorter);
  const auto add = [&](std::size_t from, std::size_t to) {
    all.emplace_back(static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to));
  };
  for (std::size_t i = 0; i < start; ++i) add(i, i);
  const auto between = [&](std::span<const Rule> rules) {
    return rules.subspan(start, rules.size() - start - end);
  };
  for (const auto& [from, to] : longest_ascending(equal_rules(between(live), between(wanted))))
    add(from + start, to + start);
  for (std::size_t i = end; i > 0; --i) add(live.size() - i, wanted.size() - i);
  return all;
}

}  // namespace rewall
