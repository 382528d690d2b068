#include "analysis/number_set.h"

#include <algorithm>

namespace rewall {

NumberSet::NumberSet(std::vector<NumberRange> ranges) {
  std::ranges::sort(ranges, {}, &NumberRange::first);
  for (const auto& range : ranges) {
    const bool touches = !ranges_.empty() && (ranges_.back().last == greatest_number(128) ||
                                              range.first <= ranges_.back().last + 1);
    if (touches)
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    else
      ranges_.push_back(range);
  }
}

bool NumberSet::contains(Number number) const {
  const auto behind = std::ranges::upper_bound(ranges_, number, {}, &NumberRange::first);
  return behind != ranges_.begin() && std::prev(behind)->last >= number;
}

NumberSet both(const NumberSet& a, const NumberSet& b) {
  std::vector<NumberRange> out;
  auto left = a.ranges().begin();
  auto right = b.ranges().begin();
  while (left != a.ranges().end() && right != b.ranges().end()) {
    const auto first = std::max(left->first, right->first);
    const auto last = std::min(left->last, right->last);
    if (first <= last) out.push_back({first, last});
    (left->last < right->last ? left : right)++;
  }
  return NumberSet(std::move(out));
}

NumberSet either(const NumberSet& a, const NumberSet& b) {
  auto ranges = a.ranges();
  ranges.insert(ranges.end(), b.ranges().begin(), b.ranges().end());
  return NumberSet(std::move(ranges));
}

NumberSet without(const NumberSet& a, const NumberSet& b) {
  std::vector<NumberRange> out;
  auto hole = b.ranges().begin();
  for (auto range : a.ranges()) {
    while (hole != b.ranges().end() && hole->last < range.first) ++hole;
    auto next = hole;
    bool left = true;
    while (left && next != b.ranges().end() && next->first <= range.last) {
      if (next->first > range.first) out.push_back({range.first, next->first - 1});
      left = next->last < range.last;
      if (left) range.first = next->last + 1;
      ++next;
    }
    if (left) out.push_back(range);
  }
  return NumberSet(std::move(out));
}

std::optional<NumberSet> masked_numbers(Number value, Number mask, unsigned bits) {
  constexpr std::size_t kMost = 65536;
  mask &= greatest_number(bits);
  // The free bits below the lowest one of the mask make a range; each free bit above doubles the ranges.
  unsigned low = 0;
  while (low < bits && ((mask >> low) & 1) == 0) ++low;
  const Number width = low == 0 ? 0 : greatest_number(low);
  std::vector<NumberRange> ranges{{value & mask, (value & mask) | width}};
  for (unsigned bit = low; bit < bits; ++bit) {
    if (((mask >> bit) & 1) != 0) continue;
    if (ranges.size() * 2 > kMost) return std::nullopt;
    const auto size = ranges.size();
    for (std::size_t i = 0; i < size; ++i) {
      const Number more = Number{1} << bit;
      ranges.push_back({ranges[i].first | more, ranges[i].last | more});
    }
  }
  return NumberSet(std::move(ranges));
}

}  // namespace rewall
