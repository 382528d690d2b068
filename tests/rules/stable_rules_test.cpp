#include "rules/stable_rules.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace rewall;

namespace {

using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

/// One rule a letter.
std::vector<Rule> rules(std::string_view letters) {
  std::vector<Rule> all;
  for (std::size_t i = 0; i < letters.size(); ++i) all.push_back({.words = letters.substr(i, 1)});
  return all;
}

Pairs kept_of(std::string_view live, std::string_view wanted) {
  return stable_rules(rules(live), rules(wanted));
}

}  // namespace

TEST_CASE("of empty chains and of chains with nothing in common no rule stays") {
  CHECK(kept_of("", "").empty());
  CHECK(kept_of("abc", "").empty());
  CHECK(kept_of("", "abc").empty());
  CHECK(kept_of("abc", "def").empty());
}

TEST_CASE("all rules of a chain that does not change stay") {
  CHECK(kept_of("abca", "abca") == Pairs{{0, 0}, {1, 1}, {2, 2}, {3, 3}});
}

TEST_CASE("a rule that goes and one that comes leave the others where they are") {
  CHECK(kept_of("abc", "ac") == Pairs{{0, 0}, {2, 1}});
  CHECK(kept_of("ac", "abc") == Pairs{{0, 0}, {1, 2}});
  CHECK(kept_of("abc", "axc") == Pairs{{0, 0}, {2, 2}});
}

TEST_CASE("a rule that moves is the only one that does not stay") {
  CHECK(kept_of("abcd", "dabc") == Pairs{{0, 1}, {1, 2}, {2, 3}});
  CHECK(kept_of("abcd", "bcda") == Pairs{{1, 0}, {2, 1}, {3, 2}});
}

TEST_CASE("of chains in opposite orders one rule stays") {
  CHECK(kept_of("abcdef", "fedcba").size() == 1);
}

TEST_CASE("the k-th of equal rules answers to the k-th, and none answers twice") {
  CHECK(kept_of("aab", "ab").size() == 2);
  CHECK(kept_of("ab", "aab").size() == 2);
  CHECK(kept_of("aa", "aaaa") == Pairs{{0, 0}, {1, 1}});
  CHECK(kept_of("xaybaz", "uavwac") == Pairs{{1, 1}, {4, 4}});
}

TEST_CASE("one of many equal rules goes, and those after it stay") {
  CHECK(kept_of("dadbdc", "adbdc") == Pairs{{1, 0}, {2, 1}, {3, 2}, {4, 3}, {5, 4}});
  CHECK(kept_of("adbdc", "dadbdc") == Pairs{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}});
}

TEST_CASE("words that mean the same are not the same words") {
  const std::vector<Rule> live{{.words = "-s 10.0.0.1/32 -j DROP"}};
  const std::vector<Rule> wanted{{.words = "-s 10.0.0.1 -j DROP"}};
  CHECK(stable_rules(live, wanted).empty());
}

TEST_CASE("counters and lines do not keep a rule from staying") {
  const std::vector<Rule> live{{.words = "-j DROP", .line = 3, .counters = Counters{.packets = 7}}};
  const std::vector<Rule> wanted{{.words = "-j DROP", .line = 9}};
  CHECK(stable_rules(live, wanted) == Pairs{{0, 0}});
}

TEST_CASE("pairs ascend on both sides and hold the same words, whatever the chains") {
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same chains each time
  for (int round = 0; round < 2000; ++round) {
    const auto chain = [&] {
      std::string letters(random() % 20, 'a');
      for (char& letter : letters) letter = static_cast<char>('a' + random() % 6);
      return letters;
    };
    const std::string live = chain();
    const std::string wanted = chain();
    INFO(live << " -> " << wanted);
    const Pairs pairs = kept_of(live, wanted);
    bool good = true;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto [from, to] = pairs[i];
      good = good && from < live.size() && to < wanted.size() && live[from] == wanted[to];
      if (i > 0) good = good && pairs[i - 1].first < from && pairs[i - 1].second < to;
    }
    REQUIRE(good);
  }
}

TEST_CASE("where no rule is there twice the longest possible run stays") {
  std::mt19937 random(11);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same chains each time
  for (int round = 0; round < 300; ++round) {
    std::string live = "abcdefghij";
    std::string wanted = live;
    std::shuffle(wanted.begin(), wanted.end(), random);
    live.resize(random() % 11);
    // The longest common subsequence by the table that everybody knows.
    std::vector<std::vector<std::size_t>> longest(live.size() + 1,
                                                  std::vector<std::size_t>(wanted.size() + 1));
    for (std::size_t i = 0; i < live.size(); ++i)
      for (std::size_t j = 0; j < wanted.size(); ++j)
        longest[i + 1][j + 1] =
            live[i] == wanted[j] ? longest[i][j] + 1 : std::max(longest[i][j + 1], longest[i + 1][j]);
    INFO(live << " -> " << wanted);
    REQUIRE(kept_of(live, wanted).size() == longest[live.size()][wanted.size()]);
  }
}
