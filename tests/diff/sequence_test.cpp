#include "diff/sequence.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <random>

using namespace rewall;

namespace {

using Elements = std::vector<std::uint32_t>;
using Positions = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

// The textbook table, as the judge.
std::size_t longest_common(const Elements& from, const Elements& to) {
  std::vector<std::vector<std::size_t>> best(from.size() + 1, std::vector<std::size_t>(to.size() + 1, 0));
  for (std::size_t i = 0; i < from.size(); ++i) {
    for (std::size_t j = 0; j < to.size(); ++j) {
      best[i + 1][j + 1] = from[i] == to[j] ? best[i][j] + 1 : std::max(best[i][j + 1], best[i + 1][j]);
    }
  }
  return best[from.size()][to.size()];
}

void check_common(const Elements& from, const Elements& to, const Positions& pairs) {
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    REQUIRE(pairs[k].first < from.size());
    REQUIRE(pairs[k].second < to.size());
    REQUIRE(from[pairs[k].first] == to[pairs[k].second]);
    if (k == 0) continue;
    REQUIRE(pairs[k - 1].first < pairs[k].first);
    REQUIRE(pairs[k - 1].second < pairs[k].second);
  }
}

Elements random_elements(std::mt19937& random, std::size_t most, std::uint32_t alphabet) {
  Elements out(random() % (most + 1));
  for (auto& element : out) element = static_cast<std::uint32_t>(random() % alphabet);
  return out;
}

Elements counted_up(std::uint32_t n) {
  Elements out(n);
  std::iota(out.begin(), out.end(), 0U);
  return out;
}

}  // namespace

TEST_CASE("sequences without anything in common share nothing") {
  CHECK(common_subsequence({}, {}).empty());
  CHECK(common_subsequence(Elements{1, 2}, Elements{}).empty());
  CHECK(common_subsequence(Elements{1, 2}, Elements{3}).empty());
}

TEST_CASE("the common start and end are always held") {
  const Elements from{1, 1, 2, 3, 1, 1};
  const Elements to{1, 1, 4, 1, 1};
  CHECK(common_subsequence(from, to) == Positions{{0, 0}, {1, 1}, {4, 3}, {5, 4}});
}

TEST_CASE("an element that was put elsewhere is the only one not aligned") {
  const Elements from{1, 2, 3, 4, 5};
  const Elements to{5, 1, 2, 3, 4};
  CHECK(common_subsequence(from, to) == Positions{{0, 1}, {1, 2}, {2, 3}, {3, 4}});
}

TEST_CASE("random sequences give a common subsequence, the longest where every element is unique") {
  std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same cases every time
  for (int round = 0; round < 2000; ++round) {
    const auto alphabet = static_cast<std::uint32_t>(1 + random() % 12);
    const auto from = random_elements(random, 14, alphabet);
    const auto to = random_elements(random, 14, alphabet);
    check_common(from, to, common_subsequence(from, to));

    auto shuffled = counted_up(12);
    std::ranges::shuffle(shuffled, random);
    Elements kept(shuffled.begin(), shuffled.begin() + static_cast<std::ptrdiff_t>(random() % 13));
    std::ranges::shuffle(shuffled, random);
    const auto unique = common_subsequence(kept, shuffled);
    check_common(kept, shuffled, unique);
    REQUIRE(unique.size() == longest_common(kept, shuffled));
  }
}

TEST_CASE("sequences of nothing but repetitions are aligned as long as can be") {
  std::mt19937 random(2);  // NOLINT(cert-msc51-cpp)
  for (int round = 0; round < 500; ++round) {
    // Every element twice or more on each side, so that none is an anchor, and nothing common at the ends.
    auto from = random_elements(random, 8, 3);
    auto to = random_elements(random, 8, 3);
    for (std::uint32_t element = 0; element < 3; ++element) {
      from.insert(from.end(), 2, element);
      to.insert(to.begin(), 2, element);
    }
    from.insert(from.begin(), 10);
    from.push_back(11);
    to.insert(to.begin(), 12);
    to.push_back(13);
    const auto pairs = common_subsequence(from, to);
    check_common(from, to, pairs);
    REQUIRE(pairs.size() == longest_common(from, to));
  }
}

TEST_CASE("a long reversed sequence and a long one of repetitions are finished") {
  const auto from = counted_up(100'000);
  const Elements to(from.rbegin(), from.rend());
  CHECK(common_subsequence(from, to).size() == 1);

  std::mt19937 random(3);  // NOLINT(cert-msc51-cpp)
  Elements repeated(100'000);
  for (auto& element : repeated) element = static_cast<std::uint32_t>(random() % 2);
  auto shifted = repeated;
  shifted.insert(shifted.begin(), 7);
  shifted.push_back(8);
  const auto pairs = common_subsequence(repeated, shifted);
  check_common(repeated, shifted, pairs);
  CHECK(pairs.size() > 99'000);
}
