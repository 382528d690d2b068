#include "ops/watch/ruleset_state.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {

const std::string kHead =
    "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j "
    "ACCEPT\nCOMMIT\n";
const std::string kLive =
    "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n"
    "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\nCOMMIT\n";

RulesetState state(const Files& files) {
  return {.files = std::make_shared<const Files>(files), .backends = "nft"};
}

}  // namespace

TEST_CASE("two states differ by the rules that one of them lacks") {
  const auto difference = compare_states(state({{"rules.v4", kHead}}), state({{"rules.v4", kLive}}), "");
  REQUIRE(difference);
  REQUIRE(difference->diff.changes.size() == 1);
  CHECK(difference->diff.changes[0].kind == ChangeKind::added);
  CHECK(difference->diff.changes[0].chain == "INPUT");
}

TEST_CASE("a file that only one state has is a change") {
  const auto difference = compare_states(state({}), state({{"rules.v6", kHead}}), "");
  REQUIRE(difference);
  CHECK_FALSE(difference->diff.equal());
  CHECK(compare_states(state({{"rules.v6", kHead}}), state({{"rules.v6", kHead}}), "").value().diff.equal());
}

TEST_CASE("a HEAD that is no ruleset is an error that names the line, never an empty ruleset") {
  const auto difference = compare_states(state({{"rules.v4", kHead + "nonsense\n"}}),
                                         state({{"rules.v4", kLive}}), "0123456789abcdef");
  REQUIRE_FALSE(difference);
  CHECK(difference.error().kind == ErrorKind::repository);
  CHECK(difference.error().message.starts_with("HEAD:rules.v4:7: "));
  CHECK(difference.error().hint.find("0123456789") != std::string::npos);
}
