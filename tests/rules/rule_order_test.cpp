#include "rules/rule_order.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>

namespace rewall {
namespace {

std::string_view words_of(const Rule& rule) {
  return rule.words;
}

}  // namespace

TEST_CASE("rules that are put between others, taken out and looked for are those of a plain list") {
  std::mt19937 random(7);
  const auto below = [&random](std::size_t end) { return random() % end; };
  const std::vector<std::string> words{"-j a", "-j b", "-j c", "-j d", "-j e"};
  const auto some = [&] { return Rule{.words = words[below(words.size())]}; };
  const auto same = [](const std::vector<Rule>& a, const std::vector<Rule>& b) {
    return std::ranges::equal(a, b, {}, &Rule::words, &Rule::words);
  };
  for (int round = 0; round < 20; ++round) {
    std::vector<Rule> list;
    for (std::size_t i = below(30); i > 0; --i) list.push_back(some());
    RuleOrder order(list, words_of);
    for (int step = 0; step < 300; ++step) {
      const auto place = below(list.size() + 1);
      if (below(3) > 0 || place == list.size()) {
        const Rule rule = some();
        order.insert(place, rule);
        list.insert(list.begin() + static_cast<std::ptrdiff_t>(place), rule);
      } else {
        REQUIRE(order.remove(place).words == list[place].words);
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(place));
      }
      const std::string_view wanted = words[below(words.size())];
      const auto first = std::ranges::find(list, wanted, &Rule::words);
      const auto found = order.find(wanted);
      REQUIRE(found.has_value() == (first != list.end()));
      if (found) REQUIRE(*found == static_cast<std::size_t>(first - list.begin()));
      REQUIRE(order.size() == list.size());
    }
    CHECK(same(order.rules(), list));
  }
}

}  // namespace rewall
