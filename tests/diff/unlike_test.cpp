#include "rules/unlike.h"

#include <catch2/catch.hpp>

#include "random_rules.h"
#include "rules/print.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

std::string described(const Diff& diff) {
  std::string text;
  for (const auto& change : diff.changes) {
    text += std::string(name(change.kind)) + ' ' + change.chain + ' ' +
            std::to_string(change.from_pos.value_or(0)) + ' ' + std::to_string(change.to_pos.value_or(0)) +
            ' ' + change.from.value_or("-") + ' ' + change.to.value_or("-") +
            (change.no_effect ? " no effect\n" : "\n");
  }
  return text;
}

}  // namespace

TEST_CASE("what two texts share is left out, chain by chain") {
  const auto text = [](const char* rules) {
    return std::string(
               "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n:b - "
               "[0:0]\n") +
           rules + "COMMIT\n";
  };
  const auto cut = [](const char* chains, const char* rules) {
    return std::string("*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n") + chains +
           rules + "COMMIT\n";
  };
  SECTION("a rule in the middle of a chain: the chain is whole, the others are gone") {
    const auto [from, to] = unlike_chains(text("-A INPUT -j a\n-A a -i lo\n-A a -j LOG\n-A b -j DROP\n"),
                                          text("-A INPUT -j a\n-A a -i lo\n-A a -j DROP\n-A b -j DROP\n"));
    CHECK(from == cut(":a - [0:0]\n", "-A a -i lo\n-A a -j LOG\n"));
    CHECK(to == cut(":a - [0:0]\n", "-A a -i lo\n-A a -j DROP\n"));
  }
  SECTION("the last rule of a chain is gone") {
    const auto [from, to] =
        unlike_chains(text("-A a -i lo\n-A a -j LOG\n-A b -j DROP\n"), text("-A a -i lo\n-A b -j DROP\n"));
    CHECK(from == cut(":a - [0:0]\n", "-A a -i lo\n-A a -j LOG\n"));
    CHECK(to == cut(":a - [0:0]\n", "-A a -i lo\n"));
  }
  SECTION("a chain had no rules") {
    const auto [from, to] = unlike_chains(text("-A b -j DROP\n"), text("-A a -i lo\n-A b -j DROP\n"));
    CHECK(from == cut(":a - [0:0]\n", ""));
    CHECK(to == cut(":a - [0:0]\n", "-A a -i lo\n"));
  }
  SECTION("a built-in chain at the end of the text") {
    const auto [from, to] = unlike_chains(text("-A OUTPUT -j DROP\n"), text(""));
    CHECK(from == cut("", "-A OUTPUT -j DROP\n"));
    CHECK(to == cut("", ""));
  }
  SECTION("a name that begins like another") {
    const auto more = [&](const char* rules) {
      auto whole = text(rules);
      return whole.insert(whole.find(":b -"), ":ab - [0:0]\n");
    };
    const auto [from, to] =
        unlike_chains(more("-A a -i lo\n-A ab -j LOG\n"), more("-A a -i lo\n-A ab -j DROP\n"));
    CHECK(from == cut(":ab - [0:0]\n", "-A ab -j LOG\n"));
    CHECK(to == cut(":ab - [0:0]\n", "-A ab -j DROP\n"));
  }
  SECTION("the same text is nothing") {
    CHECK(unlike_chains(text("-j a\n"), text("-j a\n")) == std::pair<std::string, std::string>{});
  }
}

TEST_CASE("texts with other chains or tables, or that are not canonical, stay whole") {
  const std::string one = "*nat\n:PREROUTING ACCEPT [0:0]\n:x - [0:0]\nCOMMIT\n";
  const std::string two = "*nat\n:PREROUTING ACCEPT [0:0]\n:y - [0:0]\nCOMMIT\n";
  CHECK(unlike_chains(one, two) == std::pair{one, two});
  CHECK(unlike_chains(one, "") == std::pair{one, std::string{}});
  CHECK(unlike_chains("junk\n" + one, two) == std::pair{"junk\n" + one, two});
}

TEST_CASE("a comparison of what is left says the same as one of the whole") {
  std::size_t cut = 0;
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    INFO("seed " << seed);
    RandomRules random(seed);
    const auto from = canonical_text(tables(random.filter()));
    auto to = canonical_text(tables(random.filter()));
    if (random.one_in(2)) {  // a small change: the same chains
      to = from;
      std::vector<std::size_t> lines;
      for (auto at = from.find("\n-A "); at != std::string::npos; at = from.find("\n-A ", at + 1))
        lines.push_back(at + 1);
      if (lines.empty()) continue;
      const auto at = lines[random.below(lines.size())];
      to.insert(at, to.substr(at, to.find_first_of(" \n", at + 3) - at) + " -p 47 -j DROP\n");
    }
    const auto [left, right] = unlike_chains(from, to);
    if (left.size() < from.size()) ++cut;
    CHECK(described(compare(v4(left), v4(right))) == described(compare(v4(from), v4(to))));
  }
  CHECK(cut > 100);
}
