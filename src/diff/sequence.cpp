#include "diff/sequence.h"

#include <algorithm>
#include <dtl/dtl.hpp>
#include <unordered_map>

namespace rewall {
namespace {

using Elements = std::span<const std::uint32_t>;

// Once dtl has recorded MAX_CORDINATES_SIZE points it begins a new path and miscounts. A stretch of M against
// N elements records at most (M + 1) * (N + 1) points.
constexpr std::size_t kRecordedByDtl = 1'000'000;
static_assert(kRecordedByDtl < dtl::MAX_CORDINATES_SIZE);

// A piece of both sequences, and where it begins in them.
struct Stretch {
  Elements from{};
  Elements to{};
  std::uint32_t from_start = 0;
  std::uint32_t to_start = 0;

  Stretch part(std::size_t from_at, std::size_t to_at, std::size_t from_end, std::size_t to_end) const {
    return {.from = from.subspan(from_at, from_end - from_at),
            .to = to.subspan(to_at, to_end - to_at),
            .from_start = from_start + static_cast<std::uint32_t>(from_at),
            .to_start = to_start + static_cast<std::uint32_t>(to_at)};
  }
  PositionPair at(std::size_t i, std::size_t j) const {
    return {from_start + static_cast<std::uint32_t>(i), to_start + static_cast<std::uint32_t>(j)};
  }
};

void align(const Stretch& whole, PositionPairs& out);

void align_by_dtl(const Stretch& stretch, PositionPairs& out) {
  const std::vector<std::uint32_t> from(stretch.from.begin(), stretch.from.end());
  const std::vector<std::uint32_t> to(stretch.to.begin(), stretch.to.end());
  dtl::Diff<std::uint32_t> diff(from, to);
  diff.compose();
  std::size_t i = 0;
  std::size_t j = 0;
  for (const auto& [element, info] : diff.getSes().getSequence()) {
    if (info.type == dtl::SES_COMMON) out.push_back(stretch.at(i, j));
    if (info.type != dtl::SES_ADD) ++i;
    if (info.type != dtl::SES_DELETE) ++j;
  }
}

// The positions of the elements that occur once on both sides, in the order of `from`.
PositionPairs unique_on_both_sides(const Stretch& stretch) {
  struct Occurrence {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    std::uint32_t at = 0;
  };
  std::unordered_map<std::uint32_t, Occurrence> seen;
  seen.reserve(stretch.from.size());
  for (const auto element : stretch.from) ++seen[element].from;
  for (std::uint32_t j = 0; j < stretch.to.size(); ++j) {
    const auto found = seen.find(stretch.to[j]);
    if (found == seen.end()) continue;
    ++found->second.to;
    found->second.at = j;
  }
  PositionPairs out;
  for (std::uint32_t i = 0; i < stretch.from.size(); ++i) {
    const auto& element = seen[stretch.from[i]];
    if (element.from == 1 && element.to == 1) out.emplace_back(i, element.at);
  }
  return out;
}

void align_by_anchors(const Stretch& stretch, const PositionPairs& anchors, PositionPairs& out) {
  std::size_t i = 0;
  std::size_t j = 0;
  for (const auto& [from, to] : anchors) {
    align(stretch.part(i, j, from, to), out);
    out.push_back(stretch.at(from, to));
    i = from + 1;
    j = to + 1;
  }
  align(stretch.part(i, j, stretch.from.size(), stretch.to.size()), out);
}

void align_middle(const Stretch& stretch, PositionPairs& out) {
  if (stretch.from.empty() || stretch.to.empty()) return;
  const auto anchors = longest_ascending(unique_on_both_sides(stretch));
  if (!anchors.empty()) return align_by_anchors(stretch, anchors, out);
  if ((stretch.from.size() + 1) * (stretch.to.size() + 1) <= kRecordedByDtl)
    return align_by_dtl(stretch, out);
  // All elements repeat, and they are too many for dtl. Halves keep the cost near n log n, and most elements
  // occur in both halves.
  const auto i = stretch.from.size() / 2;
  const auto j = stretch.to.size() / 2;
  align(stretch.part(0, 0, i, j), out);
  align(stretch.part(i, j, stretch.from.size(), stretch.to.size()), out);
}

// Pairs the common start and end, then aligns the rest.
void align(const Stretch& whole, PositionPairs& out) {
  const auto shorter = std::min(whole.from.size(), whole.to.size());
  std::size_t start = 0;
  while (start < shorter && whole.from[start] == whole.to[start]) {
    out.push_back(whole.at(start, start));
    ++start;
  }
  std::size_t end = 0;
  while (end < shorter - start &&
         whole.from[whole.from.size() - 1 - end] == whole.to[whole.to.size() - 1 - end]) {
    ++end;
  }
  const auto from_end = whole.from.size() - end;
  const auto to_end = whole.to.size() - end;
  align_middle(whole.part(start, start, from_end, to_end), out);
  for (std::size_t i = 0; i < end; ++i) out.push_back(whole.at(from_end + i, to_end + i));
}

}  // namespace

PositionPairs common_subsequence(std::span<const std::uint32_t> from, std::span<const std::uint32_t> to) {
  PositionPairs out;
  align({.from = from, .to = to}, out);
  return out;
}

}  // namespace rewall
