// What a ruleset does to a session: of neighbours, of ARP, and of servers that listen on all addresses. The
// kernel's answers to the same rules are in cli/lockout_test.cpp.
#include "ops/restore/lockout.h"

#include <arpa/inet.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "rules/native_tables.h"
#include "rules/parse.h"

using namespace rewall;

namespace {

AddressBits bits_of(const std::string& text) {
  AddressBits bits{};
  const int family = text.find(':') == std::string::npos ? AF_INET : AF_INET6;
  REQUIRE(::inet_pton(family, text.c_str(), bits.data()) == 1);
  return bits;
}

Number number_of(const std::string& text) {
  return address_number(bits_of(text), text.find(':') == std::string::npos ? Family::ipv4 : Family::ipv6);
}

CallerSession session_of(const std::string& there, const std::string& here) {
  const auto family = there.find(':') == std::string::npos ? Family::ipv4 : Family::ipv6;
  SessionWay way{.name = "ssh",
                 .ends = {.family = family,
                          .protocol = 6,
                          .here = {bits_of(here), 22},
                          .there = {bits_of(there), 40000}},
                 .interface = "eth0"};
  way.listens_everywhere = true;
  return {.ways = {way}};
}

// eth0 has 192.0.2.1/24, 198.51.100.1/32, 2001:db8:1::1/64 and fe80::1/64.
HostFacts host() {
  HostFacts facts{.known = true};
  const auto v6 = number_of("2001:db8:1::1");
  const auto link = number_of("fe80::1");
  const Number below = greatest_number(64);
  facts.interfaces = {{.name = "eth0",
                       .v4 = {number_of("192.0.2.1"), number_of("198.51.100.1")},
                       .v6 = {v6, link},
                       .v4_networks = {{number_of("192.0.2.0"), number_of("192.0.2.255")}},
                       .v6_networks = {{v6 & ~below, v6 | below}, {link & ~below, link | below}},
                       .finds_neighbours = true}};
  return facts;
}

Ruleset filter(const std::string& rules, Family family, const std::string& before = {}) {
  std::string text = before + "*filter\n";
  if (rules.find(":INPUT") == std::string::npos) text += ":INPUT ACCEPT [0:0]\n";
  if (rules.find(":OUTPUT") == std::string::npos) text += ":OUTPUT ACCEPT [0:0]\n";
  auto tables = parse_saved(text + rules + "COMMIT\n", family, "rules");
  if (!tables) FAIL(tables.error().message);
  Ruleset ruleset;
  (family == Family::ipv4 ? ruleset.v4 : ruleset.v6) = *std::move(tables);
  return ruleset;
}

// What is said of the neighbour: empty where it is found.
std::string neighbour_of(const std::string& rules, const std::string& there = "2001:db8:1::7",
                         const HostFacts& facts = host()) {
  const auto needs = session_needs(session_of(there, "2001:db8:1::1"), filter(rules, Family::ipv6), facts);
  for (const auto& need : needs)
    if (need.what.find("neighbour") != std::string::npos && need.passage != Passage::open)
      return need.what + ": " + need.why;
  return {};
}

const std::string kGuide =
    ":INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n";

}  // namespace

TEST_CASE("rules that stop neighbour discovery lock a session of IPv6 out, and are named") {
  const std::string lost = "the neighbour on eth0 cannot be found: ";
  CHECK(neighbour_of("").empty());
  CHECK(neighbour_of(kGuide) ==
        lost + "neighbour solicitations in meet DROP by ip6 filter INPUT policy DROP");
  CHECK(neighbour_of(kGuide + "-A INPUT -p ipv6-icmp -j ACCEPT\n").empty());
  CHECK(neighbour_of("-A INPUT -m conntrack --ctstate UNTRACKED -j DROP\n") ==
        lost +
            "neighbour solicitations in meet DROP by ip6 filter INPUT 1: -m conntrack --ctstate UNTRACKED "
            "-j DROP");
  CHECK(neighbour_of(":OUTPUT DROP [0:0]\n-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n") ==
        lost + "neighbour advertisements out meet DROP by ip6 filter OUTPUT policy DROP");
  CHECK(neighbour_of("-A INPUT -d ff02::1:ff00:0/104 -j DROP\n").starts_with(lost));
  CHECK(neighbour_of("-A INPUT -d ff02::1:ff00:2/128 -j DROP\n").empty());
  CHECK(neighbour_of("-A INPUT -s fe80::/10 -j DROP\n").empty());
  CHECK(neighbour_of("-A INPUT -i eth1 -p ipv6-icmp -j DROP\n").empty());
}

TEST_CASE("a host that cannot ask for its neighbour may learn of it, and that is a doubt") {
  const std::string needs = "your ssh session needs its neighbour on eth0: ";
  CHECK(neighbour_of("-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j DROP\n")
            .starts_with(needs + "neighbour solicitations out meet DROP"));
  CHECK(neighbour_of("-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j DROP\n")
            .ends_with(", unless the neighbour asks first"));
}

TEST_CASE("the neighbour of a client that is on no link is a router, of which no address is known") {
  const std::string far = "2001:db8:9::7";
  CHECK(neighbour_of("-A INPUT -p ipv6-icmp -j DROP\n", far).starts_with("the neighbour on eth0 cannot be"));
  CHECK(neighbour_of("-A INPUT -s fe80::/10 -j DROP\n", far) ==
        "your ssh session needs its neighbour on eth0: neighbour solicitations in depend on -s");
  CHECK(neighbour_of("-A INPUT -s 2001:db8:9::/48 -j DROP\n", far).empty());
}

TEST_CASE("a link without neighbours, and a host of which nothing is known, need none") {
  auto facts = host();
  facts.interfaces[0].finds_neighbours = false;
  CHECK(neighbour_of(kGuide, "2001:db8:1::7", facts).empty());
  CHECK(neighbour_of(kGuide, "2001:db8:1::7", HostFacts{}).empty());
}

TEST_CASE("what the live rules do to the neighbour already, the wanted ones may do") {
  const auto session = session_of("2001:db8:1::7", "2001:db8:1::1");
  const auto wanted = filter(kGuide, Family::ipv6);
  const auto open = filter("", Family::ipv6);
  CHECK(find_lockout(session, wanted, host(), [&] { return &open; }).passage == Passage::closed);
  const auto again = find_lockout(session, wanted, host(), [&] { return &wanted; });
  CHECK(again.passage == Passage::open);
  REQUIRE(again.notes.size() == 1);
  CHECK(again.notes[0].ends_with("policy DROP, as the live rules have it"));
}

TEST_CASE("a redirection to another address of the host reaches a server that listens on all") {
  const std::string redirect =
      "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT\nCOMMIT\n";
  const auto rules = filter("", Family::ipv4, redirect);
  auto session = session_of("192.0.2.7", "198.51.100.1");
  const auto is_open = [&] {
    return std::ranges::all_of(session_needs(session, rules, host()),
                               [](const auto& need) { return need.passage == Passage::open; });
  };
  CHECK(is_open());
  session.ways[0].listens_everywhere = false;
  CHECK_FALSE(is_open());
  // Another port is another server.
  session.ways[0].listens_everywhere = true;
  const auto elsewhere = filter(
      "", Family::ipv4,
      "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 23\n"
      "COMMIT\n");
  CHECK(find_lockout(session, elsewhere, host(), [] { return nullptr; }).passage == Passage::closed);
}
