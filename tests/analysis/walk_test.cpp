#include "analysis/walk.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "core/text.h"
#include "rules/parse.h"

using namespace rewall;

namespace {

Ruleset ruleset(const std::string& v4, const std::string& sets = {}, const std::string& v6 = {}) {
  Ruleset out;
  auto four = parse_saved(v4, Family::ipv4, "rules.v4");
  if (!four) FAIL(four.error().message);
  out.v4 = *std::move(four);
  auto six = parse_saved(v6, Family::ipv6, "rules.v6");
  if (!six) FAIL(six.error().message);
  out.v6 = *std::move(six);
  if (!sets.empty()) {
    auto read = parse_sets(sets, "ipset");
    if (!read) FAIL(read.error().message);
    out.sets = *std::move(read);
  }
  return out;
}

// The rules of INPUT in a table of their own.
std::string input(const std::string& rules, const std::string& policy = "DROP") {
  std::string out = "*filter\n:INPUT " + policy + " [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n";
  std::string chains;
  std::string lines;
  for (const auto line : split_lines(rules))
    (line.starts_with(':') ? chains : lines) += std::string(line) + '\n';
  return out + chains + lines + "COMMIT\n";
}

Packet packet(const std::string& words) {
  std::vector<std::string> each;
  std::istringstream in(words);
  for (std::string word; in >> word;) each.push_back(word);
  auto read = read_packet(each);
  if (!read) FAIL(words << ": " << read.error().message);
  return *std::move(read);
}

// "ACCEPT", or "DEPENDS: -i, -m limit --limit 3/min".
std::string fate(const Model& model, const std::string& words) {
  const auto asked = packet(words);
  const auto result = trace(model, asked);
  INFO(words);
  CHECK(verdict(model, asked) == result.verdict);
  std::string out(name(result.verdict));
  if (!result.depends_on.empty()) out += ": " + join(result.depends_on, ", ");
  return out;
}

std::string fate(const std::string& rules, const std::string& words) {
  const auto all = ruleset(rules);
  return fate(Model(all, Family::ipv4), words);
}

// The rules met, as "CHAIN 3" each; a policy is "CHAIN policy DROP"; in brackets those that perhaps match.
std::string way(const Trace& result) {
  std::vector<std::string> steps;
  for (const auto& step : result.path) {
    auto words = step.chain.empty()
                     ? step.action
                     : step.chain + ' ' + (step.pos == 0 ? step.action : std::to_string(step.pos));
    if (step.perhaps) words = (step.taken ? "[taken " : "[") + words + ']';
    steps.push_back(std::move(words));
  }
  return join(steps, ", ");
}

constexpr const char* kSyn =
    "-p tcp -s 198.51.100.7 --sport 40000 -d 192.0.2.1 --dport 22 -i eth0 --state NEW ";

}  // namespace

TEST_CASE("a packet meets the rules of a chain in their order, and then the policy") {
  const auto rules = input(
      "-A INPUT -i lo -j ACCEPT\n"
      "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
      "-A INPUT -s 198.51.100.0/24 -p tcp -m tcp --dport 23 -j REJECT --reject-with icmp-port-unreachable\n"
      "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT\n");
  CHECK(fate(rules, kSyn) == "ACCEPT");
  CHECK(fate(rules, "-p tcp -s 198.51.100.7 --dport 23 -i eth0 --state NEW") == "REJECT");
  CHECK(fate(rules, "-p tcp -s 203.0.113.7 --dport 23 -i eth0 --state NEW") == "DROP");
  CHECK(fate(rules, "-p tcp -s 203.0.113.7 --dport 23 -i eth0 --state ESTABLISHED") == "ACCEPT");
  CHECK(fate(rules, "-p udp -s 203.0.113.7 --dport 22 -i eth0 --state NEW") == "DROP");
  CHECK(fate(rules, "-p udp -s 203.0.113.7 --dport 22 -i lo --state NEW") == "ACCEPT");
  CHECK(fate(rules, "-p tcp -s 198.51.100.7 --dport 22 -i eth0 --state INVALID") == "DROP");
}

TEST_CASE("what is left out is any, and the verdict names it only where it counts") {
  const auto rules = input(
      "-A INPUT -i lo -j ACCEPT\n"
      "-A INPUT -m limit --limit 3/min -j LOG\n"
      "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
      "-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 80 -j ACCEPT\n");
  CHECK(fate(rules, "-p tcp --dport 22") == "ACCEPT");
  CHECK(fate(rules, "-p tcp --dport 22:23 -i eth0") == "DEPENDS: --dport");
  CHECK(fate(rules, "-p tcp --dport 80 -i eth0") == "DEPENDS: -s");
  CHECK(fate(rules, "-p tcp --dport 25") == "DEPENDS: -i");
  CHECK(fate(rules, "-p tcp -s 192.0.2.0/25 --dport 80") == "ACCEPT");
  CHECK(fate(rules, "-p tcp -s 192.0.0.0/16 --dport 80 -i lo") == "ACCEPT");
  CHECK(fate(rules, "-p tcp -i eth0") == "DEPENDS: --dport, -s");
}

TEST_CASE("-i lo and -i eth0 are never both true") {
  const auto rules = input("-A INPUT -i lo -j RETURN\n-A INPUT -i lo -j ACCEPT\n-A INPUT ! -i lo -j DROP\n");
  CHECK(fate(rules, "-p tcp --dport 25") == "DROP");
}

TEST_CASE("an unknown has one answer wherever the same words stand, but each limit is one of its own") {
  const auto owner = input(
      "-A INPUT -m cpu --cpu 1 -j RETURN\n"
      "-A INPUT -m cpu --cpu 1 -j ACCEPT\n");
  CHECK(fate(owner, kSyn) == "DROP");
  const auto limit = input(
      "-A INPUT -m limit --limit 3/min -j RETURN\n"
      "-A INPUT -m limit --limit 3/min -j ACCEPT\n");
  CHECK(fate(limit, kSyn) == "DEPENDS: -m limit --limit 3/min");
  const auto both = input(
      "-A INPUT -m limit --limit 3/min -j ACCEPT\n"
      "-A INPUT -m statistic --mode random --probability 0.5 -j MARK --set-xmark 0x1/0xffffffff\n"
      "-A INPUT -p tcp -j ACCEPT\n");
  CHECK(fate(both, kSyn) == "ACCEPT");
}

TEST_CASE("jumps return to the rule behind them, and goto to the caller of the last jump") {
  const auto rules = input(
      ":a - [0:0]\n:b - [0:0]\n:c - [0:0]\n"
      "-A INPUT -p tcp -j a\n"
      "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
      "-A INPUT -g c\n"
      "-A INPUT -j ACCEPT\n"
      "-A a -p tcp -m tcp --dport 25 -g b\n"
      "-A a -j RETURN\n"
      "-A a -j ACCEPT\n"
      "-A b -p tcp -j RETURN\n"
      "-A c -p udp -j ACCEPT\n",
      "DROP");
  CHECK(fate(rules, kSyn) == "ACCEPT");
  CHECK(fate(rules, "-p tcp --dport 25 -i eth0") == "DROP");
  CHECK(fate(rules, "-p udp --dport 25 -i eth0") == "ACCEPT");
  const auto all = ruleset(rules);
  const Model model(all, Family::ipv4);
  CHECK(way(trace(model, packet("-p tcp -s 192.0.2.1 --dport 25 -i eth0"))) ==
        "INPUT 1, a 1, b 1, INPUT 3, INPUT policy DROP");
}

TEST_CASE("a mark that one table sets is matched by a later one") {
  const std::string rules =
      "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n"
      "-A PREROUTING -s 198.51.100.0/24 -j MARK --set-xmark 0x10/0xf0\n"
      "-A INPUT -j MARK --set-xmark 0x1/0x1\nCOMMIT\n" +
      input("-A INPUT -m mark --mark 0x11/0xff -j ACCEPT\n");
  CHECK(fate(rules, "-p tcp -s 198.51.100.7 --dport 22 --mark 0") == "ACCEPT");
  CHECK(fate(rules, "-p tcp -s 198.51.100.7 --dport 22 --mark 0x100") == "ACCEPT");
  CHECK(fate(rules, "-p tcp -s 198.51.100.7 --dport 22 --mark 0x4") == "DROP");
  CHECK(fate(rules, "-p tcp -s 203.0.113.7 --dport 22 --mark 0") == "DROP");
  CHECK(fate(rules, "-p tcp -s 203.0.113.7 --dport 22 --mark 0x10") == "ACCEPT");
  CHECK(fate(rules, "-p tcp -s 198.51.100.7 --dport 22") == "DEPENDS: --mark");
}

TEST_CASE("the mark of a connection is saved and restored under masks") {
  const std::string rules =
      "*mangle\n:PREROUTING ACCEPT [0:0]\n"
      "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff\n"
      "-A PREROUTING -m mark --mark 0x0/0xff -j MARK --set-xmark 0x7/0xff\n"
      "-A PREROUTING -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xffff\nCOMMIT\n" +
      input("-A INPUT -m connmark --mark 0x7 -j ACCEPT\n");
  CHECK(fate(rules, "-p tcp -i eth0 --dport 22 --state NEW --mark 0") == "ACCEPT");
  CHECK(fate(rules, "-p tcp -i eth0 --dport 22 --state ESTABLISHED --mark 0 --connmark 0x9") == "DROP");
  CHECK(fate(rules, "-p tcp -i eth0 --dport 22 --state ESTABLISHED --mark 0 --connmark 0x0107") == "ACCEPT");
  CHECK(fate(rules, "-p tcp -i eth0 --dport 22 --state INVALID --mark 0") == "DROP");
}

TEST_CASE("what DNAT makes of a packet is what the filter sees, and replies follow") {
  const std::string rules =
      "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n"
      "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
      "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
      "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\nCOMMIT\n"
      "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
      "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
      "-A FORWARD -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT\n"
      "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\nCOMMIT\n";
  const auto all = ruleset(rules);
  HostFacts facts{.known = true};
  facts.interfaces.push_back({.name = "eth0", .v4 = {0xc0000201}, .v4_networks = {{0xc0000200, 0xc00002ff}}});
  facts.interfaces.push_back(
      {.name = "docker0", .v4 = {0xac110001}, .v4_networks = {{0xac110000, 0xac11ffff}}});
  const Model model(all, Family::ipv4, facts);
  const std::string syn = "-p tcp -s 198.51.100.7 --sport 40000 -d 192.0.2.1 --dport 8080 -i eth0 ";
  CHECK(fate(model, syn + "--state NEW") == "ACCEPT");
  CHECK(fate(model, syn + "--state ESTABLISHED --ctdir ORIGINAL") == "ACCEPT");
  CHECK(fate(model, "-p tcp -s 198.51.100.7 -d 192.0.2.1 --dport 8081 -i eth0 --state NEW") == "DROP");
  const auto result = trace(model, packet(syn + "--state NEW"));
  CHECK(way(result) ==
        "PREROUTING 1, DOCKER 1, routing to another host, FORWARD 2, POSTROUTING policy ACCEPT");
  CHECK(result.packet[Field::destination] == NumberSet::one(0xac110002));
  CHECK(result.packet[Field::destination_port] == NumberSet::one(80));
  CHECK(result.packet[Field::out_interface] == NumberSet::one(interface_number("docker0")));
  CHECK(result.packet[Field::reply_source] == NumberSet::one(0xac110002));
  CHECK(result.packet[Field::original_destination] == NumberSet::one(0xc0000201));
}

TEST_CASE(
    "a packet that nothing tracks is INVALID in raw, UNTRACKED behind NOTRACK, and is never translated") {
  const std::string rules =
      "*raw\n:PREROUTING ACCEPT [0:0]\n"
      "-A PREROUTING -p udp -m udp --dport 53 -j CT --notrack\n"
      "-A PREROUTING -p tcp -m conntrack --ctstate NEW -j DROP\nCOMMIT\n"
      "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 53 -j REDIRECT --to-ports "
      "5353\nCOMMIT\n" +
      input(
          "-A INPUT -m conntrack --ctstate UNTRACKED -p udp -m udp --dport 53 -j ACCEPT\n"
          "-A INPUT -m conntrack --ctstate NEW -p tcp -m tcp --dport 22 -j ACCEPT\n");
  CHECK(fate(rules, "-p udp -i eth0 --dport 53 --state NEW") == "ACCEPT");
  CHECK(fate(rules, "-p udp -i eth0 --dport 54 --state NEW") == "DROP");
  CHECK(fate(rules, "-p tcp -i eth0 --dport 22 --state NEW") == "ACCEPT");
  // From the loopback interface a packet keeps its connection.
  CHECK(fate(rules, "-p tcp -i lo --dport 22 --state NEW") == "DROP");
  CHECK(fate(rules, "-p udp -i lo --dport 53 --state NEW") == "DROP");
}

TEST_CASE("a loop of chains, which a file can have, ends the walk") {
  for (const std::string jump : {"-j", "-g"}) {
    INFO(jump);
    const auto rules = ruleset(
        "*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n:b - [0:0]\n-A INPUT -p udp -j ACCEPT\n"
        "-A INPUT " +
        jump + " a\n-A a " + jump + " b\n-A b " + jump + " a\nCOMMIT\n");
    const Model model(rules, Family::ipv4);
    for (const auto why : {Why::no, Why::yes}) {
      const auto out = trace(model, packet("-p tcp --dport 22"), why);
      CHECK(out.verdict == Verdict::depends);
      REQUIRE_FALSE(out.depends_on.empty());
      CHECK(out.depends_on.back().starts_with("a loop of chains through "));
    }
    CHECK(verdict(model, packet("-p tcp --dport 22")) == Verdict::depends);
    CHECK(verdict(model, packet("-p udp --dport 22")) == Verdict::accept);
  }
}

TEST_CASE(
    "without the addresses of the host a packet behind DNAT hangs on the routing, unless both ways end "
    "alike") {
  const auto rules = [](const std::string& input, const std::string& forward) {
    return "*nat\n:PREROUTING ACCEPT [0:0]\n"
           "-A PREROUTING -d 203.0.113.5/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80\n"
           "COMMIT\n*filter\n:INPUT " +
           input + " [0:0]\n:FORWARD " + forward +
           " [0:0]\n-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\nCOMMIT\n";
  };
  const std::string syn =
      "-p tcp -s 198.51.100.7 --sport 40000 -d 203.0.113.5 --dport 8080 -i eth0 --state NEW";
  CHECK(fate(rules("DROP", "DROP"), syn) == "DEPENDS: the routing behind DNAT");
  CHECK(fate(rules("DROP", "DROP"), syn + " --hook FORWARD") == "DEPENDS: the routing behind DNAT");
  CHECK(fate(rules("ACCEPT", "DROP"), syn) == "ACCEPT");
  CHECK(fate(rules("DROP", "DROP"), "-p tcp -d 203.0.113.5 --dport 8081 -i eth0 --state NEW") == "DROP");
}
