#include "rules/ascending.h"

#include <algorithm>

namespace rewall {

PositionPairs longest_ascending(const PositionPairs& pairs) {
  constexpr auto kNone = static_cast<std::size_t>(-1);
  std::vector<std::size_t> piles;  // the index of the pair on top of each pile
  std::vector<std::size_t> before(pairs.size(), kNone);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto pile = std::ranges::lower_bound(piles, pairs[i].second, {},
                                               [&](std::size_t top) { return pairs[top].second; });
    if (pile != piles.begin()) before[i] = *(pile - 1);
    if (pile == piles.end())
      piles.push_back(i);
    else
      *pile = i;
  }
  PositionPairs out;
  out.reserve(piles.size());
  for (std::size_t i = piles.empty() ? kNone : piles.back(); i != kNone; i = before[i])
    out.push_back(pairs[i]);
  std::ranges::reverse(out);
  return out;
}

}  // namespace rewall
