#include "rules/ruleset.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {

Tables tables_named(const std::string& name, Family family) {
  return Tables{.family = family, .tables = {Table{.name = name}}};
}

// Each member holds one table that is named after the member.
Ruleset on_both_backends() {
  return {.v4 = tables_named("v4", Family::ipv4),
          .v6 = tables_named("v6", Family::ipv6),
          .v4_legacy = tables_named("v4_legacy", Family::ipv4),
          .v6_legacy = tables_named("v6_legacy", Family::ipv6)};
}

}  // namespace

TEST_CASE("every table of a ruleset stands in one of its slots") {
  Ruleset ruleset = on_both_backends();
  std::vector<std::string> listed;
  for (const Slot slot : Ruleset::slots()) {
    REQUIRE(ruleset[slot].family == slot.family);
    listed.push_back(ruleset[slot].tables.front().name + " " + std::string(file_name(slot)) + " " +
                     std::string(name(ruleset.backend_of(slot))));
  }
  CHECK(listed == std::vector<std::string>{"v4 rules.v4 nft", "v6 rules.v6 nft",
                                           "v4_legacy rules.v4.legacy legacy",
                                           "v6_legacy rules.v6.legacy legacy"});
  ruleset[{Family::ipv6, true}] = {};
  CHECK(ruleset.v6_legacy.tables.empty());
}

TEST_CASE("the tables of a backend are those in use, those beside them, or none") {
  const auto names = [](const Ruleset& ruleset, Family family, Backend backend) {
    std::string out;
    for (const auto& table : ruleset.tables(family, backend).tables) out += table.name;
    return out;
  };
  const Ruleset both = on_both_backends();
  CHECK(names(both, Family::ipv4, Backend::nft) == "v4");
  CHECK(names(both, Family::ipv6, Backend::legacy) == "v6_legacy");

  const Ruleset legacy{.v4 = tables_named("v4", Family::ipv4), .backend = Backend::legacy};
  CHECK(names(legacy, Family::ipv4, Backend::legacy) == "v4");
  CHECK(names(legacy, Family::ipv4, Backend::nft).empty());
  CHECK(legacy.tables(Family::ipv6, Backend::nft).family == Family::ipv6);
}

TEST_CASE("slots beside nft's are used only where the legacy backend holds tables there") {
  Ruleset ruleset{.v4 = tables_named("filter", Family::ipv4)};
  CHECK(ruleset.uses({Family::ipv6, false}));
  CHECK(!ruleset.uses({Family::ipv4, true}));
  ruleset.v6_legacy = tables_named("filter", Family::ipv6);
  CHECK(ruleset.uses({Family::ipv4, true}));
}
