#include "rules/stricter.h"

#include <catch2/catch.hpp>
#include <string>

#include "rules/rules_file.h"

using namespace rewall;

namespace {

Tables filter(const std::string& rules) {
  auto tables = parse_tables("*filter\n" + rules + "COMMIT\n", Family::ipv4, "rules");
  INFO((tables ? "" : tables.error().message));
  REQUIRE(tables);
  return *std::move(tables);
}

bool stricter(const std::string& from, const std::string& to) {
  const Tables before = filter(from);
  const Tables after = filter(to);
  return only_stricter(before.tables[0], after.tables[0], Family::ipv4);
}

/// A wall with a way for ssh; every case below changes something of it.
const std::string kChains = ":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:own - [0:0]\n";
const std::string kSsh = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n";
const std::string kBad = "-A INPUT -s 198.51.100.0/24 -j DROP\n";
const std::string kOwn = "-A INPUT -j own\n-A own -p udp -j ACCEPT\n";
const std::string kWall = kChains + kSsh + kOwn;

enum class Way { stricter, looser, neither, both };

Way way(const std::string& from, const std::string& to) {
  const bool up = stricter(from, to);
  const bool down = stricter(to, from);
  return up && down ? Way::both : up ? Way::stricter : down ? Way::looser : Way::neither;
}

}  // namespace

TEST_CASE("a DROP or REJECT that comes makes a table stricter, and looser the other way round") {
  const std::string added = GENERATE(
      std::string("-A INPUT -s 198.51.100.0/24 -j DROP\n"),
      std::string("-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n"),
      std::string("-A own -i eth1 -j DROP\n"),
      std::string("-A FORWARD -m set --match-set bad src -j DROP\n-A INPUT -j LOG --log-prefix \"in: \"\n"));
  CHECK(way(kWall, kWall + added) == Way::stricter);
  CHECK(way(kWall + added, kWall) == Way::looser);
}

TEST_CASE("an ACCEPT that goes makes a table stricter") {
  CHECK(way(kWall, kChains + kOwn) == Way::stricter);
  CHECK(way(kWall, kChains + kSsh + "-A INPUT -j own\n") == Way::stricter);
}

TEST_CASE("a policy that turns to DROP makes a table stricter") {
  const std::string closed = ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:own - [0:0]\n";
  CHECK(way(kWall, closed + kSsh + kOwn) == Way::stricter);
  CHECK(way(kWall, closed + kOwn) == Way::stricter);
}

TEST_CASE("a change both ways is neither stricter nor looser") {
  CHECK(way(kWall + kBad, kWall + "-A INPUT -s 203.0.113.0/24 -j DROP\n") == Way::neither);
  CHECK(way(kWall, kChains + kOwn + kBad + "-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT\n") ==
        Way::neither);
}

TEST_CASE("a rule that moved may open what it closed") {
  CHECK(way(kChains + kSsh + kBad + kOwn, kChains + kBad + kSsh + kOwn) == Way::neither);
}

TEST_CASE("a table that drops nothing can only become stricter") {
  const std::string open = ":INPUT ACCEPT [0:0]\n";
  CHECK(way(open, kWall + kBad) == Way::stricter);
  CHECK(way("", kWall + kBad) == Way::stricter);
  CHECK(way(kWall + kBad, open) == Way::looser);
  CHECK(way(open, open + "-A INPUT -i lo -j ACCEPT\n") == Way::both);
}

TEST_CASE("rules without a verdict change nothing either way") {
  CHECK(way(kWall, kWall + "-A INPUT -j LOG\n-A OUTPUT -d 192.0.2.1/32\n") == Way::both);
}

TEST_CASE("a jump that comes or goes is not judged") {
  CHECK(way(kWall, kChains + kSsh + "-A own -p udp -j ACCEPT\n") == Way::neither);
  CHECK(way(kWall, kWall + "-A own -s 192.0.2.1/32 -j RETURN\n") == Way::neither);
}

TEST_CASE("a jump to a chain with the name of a target is a jump") {
  const std::string log = ":LOG - [0:0]\n" + kWall + "-A LOG -j ACCEPT\n";
  CHECK(way(log, log + "-A INPUT -j LOG\n") == Way::neither);
}

TEST_CASE("a match that writes a mark may open what another rule closed") {
  CHECK(way(kWall, kWall + "-A INPUT -m socket --restore-skmark -j DROP\n") == Way::neither);
  CHECK(way(kWall, kWall + "-A INPUT -m socket --transparent -j DROP\n") == Way::stricter);
}

TEST_CASE("a chain that no rule leads to does not matter") {
  CHECK(way(kWall, kWall + ":spare - [0:0]\n-A spare -j ACCEPT\n") == Way::both);
}

TEST_CASE("a table that marks, counts or rewrites packets is not judged, though a DROP came") {
  const std::string other = GENERATE(
      std::string("-A OUTPUT -j MARK --set-xmark 0x1/0xffffffff\n"),
      std::string("-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\n"),
      std::string("-A INPUT -m limit --limit 3/min -j ACCEPT\n"),
      std::string("-A INPUT -m recent --update --seconds 60 --name ssh --rsource -j DROP\n"),
      std::string("-A INPUT -m set --match-set s src --packets-gt 5 -j ACCEPT\n"),
      std::string("-A INPUT -m nobodyknows --it -j ACCEPT\n"), std::string("-A INPUT -j NOBODYKNOWS\n"),
      std::string("-A INPUT --dprt 22 -j ACCEPT\n"));
  CHECK(way(kWall + other, kWall + other + kBad) == Way::neither);
  CHECK(way(":INPUT ACCEPT [0:0]\n", kWall + other) == Way::neither);
}
