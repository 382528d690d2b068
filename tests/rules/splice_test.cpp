#include "rules/splice.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace rewall;

namespace {

constexpr const char* kText =
    "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
    "-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n"
    "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n:ab - [0:0]\n:c - "
    "[0:0]\n"
    "-A INPUT -j a\n-A a -j LOG\n-A ab -j DROP\n-A c -j ACCEPT\n-A c -j LOG\nCOMMIT\n";

std::optional<std::string> spliced(std::string_view table, std::vector<ChainText> chains) {
  return with_chains(kText, table, chains);
}

std::string filter(const std::string& text) {
  return text.substr(text.find("*filter"));
}

}  // namespace

TEST_CASE("chains take the place of what they were") {
  CHECK(spliced("filter", {}) == kText);
  CHECK(filter(*spliced("filter", {{"a", "-", "-A a -j DROP\n-A a -j LOG\n"}, {"c", "-", ""}})) ==
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n:ab - "
        "[0:0]\n:c - "
        "[0:0]\n-A INPUT -j a\n-A a -j DROP\n-A a -j LOG\n-A ab -j DROP\nCOMMIT\n");
  CHECK(
      filter(*spliced("filter", {{"FORWARD", "DROP", "-A FORWARD -j LOG\n"}})) ==
      "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n:ab - [0:0]\n:c - "
      "[0:0]\n-A INPUT -j a\n-A FORWARD -j LOG\n-A a -j LOG\n-A ab -j DROP\n-A c -j ACCEPT\n-A c -j "
      "LOG\nCOMMIT\n");
}

TEST_CASE("chains come and go in their order") {
  CHECK(
      filter(*spliced("filter",
                      {{"b", "-", "-A b -j LOG\n"}, {"ab", "", ""}, {"Z", "-", ""}, {"gone", "", ""}})) ==
      "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:Z - [0:0]\n:a - [0:0]\n:b - "
      "[0:0]\n:c - [0:0]\n-A INPUT -j a\n-A a -j LOG\n-A b -j LOG\n-A c -j ACCEPT\n-A c -j LOG\nCOMMIT\n");
}

TEST_CASE("what is no matter of chains is refused") {
  CHECK_FALSE(spliced("raw", {{"PREROUTING", "ACCEPT", "-A PREROUTING -j LOG\n"}}));
  // A table that holds nothing stands in no canonical text.
  CHECK_FALSE(spliced("nat", {{"POSTROUTING", "ACCEPT", ""}}));
  CHECK_FALSE(with_chains("*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n-A a -j LOG\n-A INPUT -j a\nCOMMIT\n",
                          "filter", {}));
  CHECK_FALSE(with_chains("*filter\n:INPUT DROP [0:0]\n", "filter", {}));
  CHECK_FALSE(with_chains("", "filter", {}));
}
