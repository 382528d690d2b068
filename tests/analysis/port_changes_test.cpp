// What a change of the rules does to ports: of two lists of rows, without rules.
#include "analysis/port_changes.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "analysis/model.h"
#include "core/format.h"
#include "rules/parse.h"

using namespace rewall;

namespace {

Ruleset rules(const std::string& lines) {
  auto tables = parse_saved("*filter\n" + lines + "COMMIT\n", Family::ipv4, "rules");
  REQUIRE(tables);
  Ruleset ruleset;
  ruleset.v4 = *std::move(tables);
  return ruleset;
}

std::string changes(const std::string& before, const std::string& now) {
  const auto old = rules(before);
  const auto fresh = rules(now);
  const auto rows_before = ports(Model(old, Family::ipv4));
  const auto rows_now = ports(Model(fresh, Family::ipv4));
  REQUIRE(rows_before);
  REQUIRE(rows_now);
  std::string text;
  for (const auto& change : port_changes(Family::ipv4, *rows_before, *rows_now))
    text += format("{} {} {}>{}\n", change.protocol, ports_text(change), name(change.from), name(change.to));
  return text;
}

const std::string kClosed = ":INPUT DROP [0:0]\n";
const std::string kOpen = ":INPUT ACCEPT [0:0]\n";

}  // namespace

TEST_CASE("a port opens to the world, to some, to fewer, and closes") {
  const std::string web = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n";
  const std::string web_for_some = "-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j ACCEPT\n";
  CHECK(changes(kClosed, kClosed + web) == "tcp 80 nobody>world\n");
  CHECK(changes(kClosed, kClosed + web_for_some) == "tcp 80 nobody>some\n");
  CHECK(changes(kClosed + web_for_some, kClosed + web) == "tcp 80 some>world\n");
  CHECK(changes(kClosed + web, kClosed + web_for_some) == "tcp 80 world>some\n");
  CHECK(changes(kClosed + web, kClosed) == "tcp 80 world>nobody\n");
  CHECK(changes(kClosed + web, web + kClosed) == "");
  CHECK(changes(kClosed + web, kClosed + web + web_for_some) == "");
}

TEST_CASE("protocols that only one of two rulesets names are others of the other") {
  const std::string gre = "-A INPUT -p 47 -j ACCEPT\n";
  CHECK(changes(kOpen, kOpen + gre) == "");
  CHECK(changes(kClosed, kClosed + gre) == "gre  nobody>world\n");
  CHECK(changes(kOpen, kClosed + gre) == "tcp all world>nobody\nudp all world>nobody\nother  world>nobody\n");
  CHECK(changes(kOpen + "-A INPUT -p 47 -j DROP\n", kOpen) == "gre  nobody>world\n");
  CHECK(changes(kOpen, kOpen + "-A INPUT -s 10.0.0.0/8 -p 47 -j DROP\n") == "");
  CHECK(changes(kClosed, kClosed + "-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT\n") ==
        "icmp 8 nobody>world\n");
}

namespace {

// The first row of `ports` by IPv4 that is open to anybody.
PortRow first_row(const std::string& text, const HostFacts& facts = {}) {
  auto tables = parse_saved(text, Family::ipv4, "rules");
  REQUIRE(tables);
  Ruleset ruleset;
  ruleset.v4 = *std::move(tables);
  const auto rows = ports(Model(ruleset, Family::ipv4, facts));
  REQUIRE(rows);
  const auto row = std::ranges::find_if(*rows, [](const PortRow& one) { return one.open != Open::none; });
  REQUIRE(row != rows->end());
  return *row;
}

}  // namespace

TEST_CASE("what a test of the reverse path lets in is said as it is, inverted or not") {
  const auto raw = [](const std::string& rules) {
    return "*raw\n:PREROUTING ACCEPT [0:0]\n" + rules + "COMMIT\n";
  };
  CHECK(first_row(raw("-A PREROUTING -m rpfilter --invert -j DROP\n")).from == "everyone, if -m rpfilter");
  CHECK(first_row(raw("-A PREROUTING -m rpfilter -j DROP\n")).from == "everyone, unless -m rpfilter");
  CHECK(first_row(raw("-A PREROUTING -m rpfilter --loose --invert -j DROP\n")).from ==
        "everyone, if -m rpfilter --loose");
  CHECK(first_row(raw("-A PREROUTING -m rpfilter -j ACCEPT\n-A PREROUTING -j DROP\n")).from ==
        "everyone, if -m rpfilter");
}

TEST_CASE("the world comes in by the interfaces of default routes, where one is known") {
  const auto open_on = [](const std::string& in) {
    return "*filter\n:INPUT DROP [0:0]\n-A INPUT -i " + in +
           " -p tcp -m tcp --dport 3306 -j ACCEPT\nCOMMIT\n";
  };
  HostFacts facts{.known = true};
  facts.interfaces = {{.name = "eth0", .v4 = {0xc6336405}, .v4_networks = {{0xc6336400, 0xc63364ff}}},
                      {.name = "eth1", .v4 = {0x0a000001}, .v4_networks = {{0x0a000000, 0x0a0000ff}}}};
  CHECK(first_row(open_on("eth1"), facts).world);  // nothing says where the world is
  facts.interfaces[0].v6_default = true;           // nor does the other family
  CHECK(first_row(open_on("eth1"), facts).world);
  facts.interfaces[0].v4_default = true;
  CHECK_FALSE(first_row(open_on("eth1"), facts).world);
  CHECK(first_row(open_on("eth1"), facts).from == "everyone in on eth1");
  CHECK(first_row(open_on("eth0"), facts).world);
  CHECK(first_row(open_on("eth+"), facts).world);
  CHECK(first_row(open_on("eth1")).world);
}
