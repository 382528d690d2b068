#include <catch2/catch.hpp>
#include <sstream>

#include "analysis/walk.h"
#include "core/text.h"
#include "rules/parse.h"

// What tests/judge found: the kernel (6.18, with iptables 1.8.9) did with these packets what stands here.

using namespace rewall;

namespace {

constexpr auto v4 = Family::ipv4;
constexpr auto v6 = Family::ipv6;

Ruleset ruleset(const std::string& rules, Family family, const std::string& sets = {}) {
  Ruleset out;
  auto tables = parse_saved(rules, family, "rules");
  if (!tables) FAIL(tables.error().message);
  (family == v4 ? out.v4 : out.v6) = *std::move(tables);
  auto read = parse_sets(sets, "sets");
  if (!read) FAIL(read.error().message);
  out.sets = *std::move(read);
  return out;
}

Packet packet(const std::string& words, Family family) {
  std::vector<std::string> each;
  std::istringstream in(words);
  for (std::string word; in >> word;) each.push_back(word);
  auto read = read_packet(each, family);
  if (!read) FAIL(words << ": " << read.error().message);
  return *std::move(read);
}

/// A host with 10.1.0.1/16 on eth0, and 10.2.0.1/16 on eth1, which is of the group 7.
HostFacts facts() {
  return {.known = true,
          .interfaces = {
              {.name = "lo", .v4 = {0x7f000001}, .v6 = {1}},
              {.name = "eth0", .v4 = {0x0a010001}, .v4_networks = {{0x0a010000, 0x0a01ffff}}},
              {.name = "eth1", .group = 7, .v4 = {0x0a020001}, .v4_networks = {{0x0a020000, 0x0a02ffff}}}}};
}

/// What becomes of the packet, by both ways to ask.
Trace ask(const Ruleset& rules, const std::string& words, Family family = v4) {
  const Model model(rules, family, facts());
  const auto asked = packet(words, family);
  INFO(words);
  auto out = trace(model, asked);
  CHECK(verdict(model, asked) == out.verdict);
  return out;
}

std::string table(const std::string& name, const std::string& chains, const std::string& lines) {
  std::string out = "*" + name + "\n";
  for (const auto chain : split(chains, ' ')) out += ":" + std::string(chain) + " ACCEPT [0:0]\n";
  return out + lines + "COMMIT\n";
}

std::string filter(const std::string& lines) {
  return table("filter", "INPUT FORWARD OUTPUT", lines);
}

}  // namespace

TEST_CASE("in the table raw there is no connection to mark") {
  const auto rules =
      ruleset(table("raw", "PREROUTING OUTPUT", "-A PREROUTING -j CONNMARK --set-xmark 0x2/0x2\n") +
                  filter("-A INPUT -m connmark --mark 0x2/0x2 -j DROP\n"),
              v4);
  CHECK(ask(rules, "-p tcp -s 10.1.0.9 -d 10.1.0.1 -i eth0 --state NEW").verdict == Verdict::accept);
  // What comes in over lo has had its connection since OUTPUT.
  CHECK(ask(rules, "-p tcp -s 10.1.0.1 -d 10.1.0.1 -i lo --state NEW").verdict == Verdict::drop);
  CHECK(ask(rules, "-p tcp -s 10.1.0.1 -d 10.1.0.1 --state NEW").verdict == Verdict::depends);
}

TEST_CASE("an ICMP error about a connection that is not translated keeps its source") {
  const auto rules = ruleset(table("nat", "PREROUTING INPUT OUTPUT POSTROUTING",
                                   "-A PREROUTING -p tcp -j DNAT --to-destination 10.2.0.9\n"),
                             v4);
  const auto out =
      ask(rules,
          "-p icmp -s 10.2.0.77 -d 10.1.0.9 --icmp-type 3/1 -i eth1 -o eth0 --hook FORWARD --ctstate "
          "RELATED --ctdir REPLY --ctstatus SEEN_REPLY,CONFIRMED --ctorigsrc 10.1.0.9 --ctorigdst "
          "10.2.0.5 --ctreplsrc 10.2.0.5 --ctrepldst 10.1.0.9");
  CHECK(out.packet[Field::source] == NumberSet::one(0x0a02004d));
}

TEST_CASE("the group of an interface of this host is known") {
  const auto rules = ruleset(filter("-A INPUT -m devgroup --src-group 7 -j DROP\n"), v4);
  CHECK(ask(rules, "-p tcp -d 10.1.0.1 -i eth1").verdict == Verdict::drop);
  CHECK(ask(rules, "-p tcp -d 10.1.0.1 -i eth0").verdict == Verdict::accept);
}

TEST_CASE("what everybody on the link hears is not routed on, whatever NAT makes of its destination") {
  const auto rules = ruleset(table("nat", "PREROUTING INPUT OUTPUT POSTROUTING",
                                   "-A PREROUTING -p udp -j DNAT --to-destination 10.2.0.9\n"),
                             v4);
  CHECK(ask(rules, "-p udp -s 10.1.0.9 -d 10.1.255.255 -i eth0 --pkt-type broadcast --state NEW").verdict ==
        Verdict::drop);
  CHECK(ask(rules, "-p udp -s 10.1.0.9 -d 10.1.0.1 -i eth0 --pkt-type unicast --state NEW").verdict ==
        Verdict::accept);
}

TEST_CASE("what this host sends is unicast to -m pkttype") {
  const auto rules = ruleset(filter("-A OUTPUT -m pkttype --pkt-type unicast -j DROP\n"), v4);
  CHECK(ask(rules, "-p udp -d 10.1.255.255 --hook OUTPUT").verdict == Verdict::drop);
}

TEST_CASE("NAT with --random takes another source port, of those that are as privileged") {
  const auto rules = ruleset(table("nat", "PREROUTING INPUT OUTPUT POSTROUTING",
                                   "-A POSTROUTING -p udp -j SNAT --to-source 10.2.0.1 --random\n"),
                             v4);
  const auto out =
      ask(rules, "-p udp -s 10.1.0.9 -d 10.2.0.9 --sport 40000 -i eth0 -o eth1 --hook FORWARD --state NEW");
  CHECK(out.packet[Field::source] == NumberSet::one(0x0a020001));
  CHECK(out.packet[Field::source_port] == NumberSet::range(1024, 65535));
}

TEST_CASE("MASQUERADE on lo takes an address that others can answer to") {
  const auto rules = ruleset(
      table("nat", "PREROUTING INPUT OUTPUT POSTROUTING", "-A POSTROUTING -o lo -j MASQUERADE\n"), v4);
  const auto out = ask(rules, "-p udp -s 10.2.0.1 -d 10.1.0.1 -o lo --hook OUTPUT --state NEW");
  CHECK(out.packet[Field::source].contains(0x0a010001));
}

TEST_CASE("a destination that NAT chose decides by which interface a packet leaves") {
  const auto rules = ruleset(table("nat", "PREROUTING INPUT OUTPUT POSTROUTING",
                                   "-A PREROUTING -j DNAT --to-destination 10.2.0.9\n") +
                                 filter("-A FORWARD -o eth1 -j DROP\n"),
                             v4);
  CHECK(ask(rules, "-p udp -s 10.1.0.9 -d 10.1.0.8 -i eth0 -o eth0 --hook FORWARD --state NEW").verdict ==
        Verdict::drop);
}

TEST_CASE("of hash:net,iface the most specific network decides, whatever its interface") {
  const std::string sets =
      "create s hash:net,iface family inet hashsize 1024 maxelem 65536\n"
      "add s 10.1.0.0/16,eth0\n"
      "add s 10.1.2.0/24,eth1\n";
  const auto rules = ruleset(filter("-A INPUT -m set --match-set s src,src -j DROP\n"), v4, sets);
  CHECK(ask(rules, "-p tcp -s 10.1.3.9 -d 10.1.0.1 -i eth0").verdict == Verdict::drop);
  CHECK(ask(rules, "-p tcp -s 10.1.2.9 -d 10.1.0.1 -i eth1").verdict == Verdict::drop);
  CHECK(ask(rules, "-p tcp -s 10.1.2.9 -d 10.1.0.1 -i eth0").verdict == Verdict::accept);
}

TEST_CASE("a broadcast address of a network of this host is routed to this host") {
  const auto rules = ruleset(table("nat", "PREROUTING INPUT OUTPUT POSTROUTING",
                                   "-A PREROUTING -j DNAT --to-destination 10.1.255.255\n") +
                                 filter("-A FORWARD -j DROP\n"),
                             v4);
  CHECK(ask(rules, "-p udp -s 10.2.0.9 -d 192.0.2.1 -i eth1 -o eth0 --hook FORWARD --state NEW").verdict ==
        Verdict::accept);
}

TEST_CASE(
    "where NAT chooses among addresses of this host and of others, the way says that it hangs on which") {
  const std::string chains = "PREROUTING INPUT OUTPUT POSTROUTING";
  const auto rules =
      ruleset(table("nat", chains, "-A PREROUTING -j DNAT --to-destination 10.1.0.1-10.1.0.9\n") +
                  filter("-A INPUT -j DROP\n-A FORWARD -j DROP\n"),
              v4);
  const std::string words = "-p tcp -s 10.2.0.9 -d 203.0.113.9 --dport 22 -i eth1 --hook FORWARD --state NEW";
  const auto out = ask(rules, words);
  CHECK(out.verdict == Verdict::drop);
  const auto hangs = [](const Trace& trace) {
    return std::ranges::count_if(trace.path,
                                 [](const Step& step) { return step.perhaps && step.chain.empty(); });
  };
  CHECK(hangs(out) == 1);
  // Without this host's own address among them it hangs on nothing.
  const auto others =
      ruleset(table("nat", chains, "-A PREROUTING -j DNAT --to-destination 10.1.0.2-10.1.0.9\n") +
                  filter("-A INPUT -j DROP\n-A FORWARD -j DROP\n"),
              v4);
  CHECK(hangs(ask(others, words)) == 0);
}

TEST_CASE("a reply of a connection whose source is translated is not one of --ctstate DNAT") {
  const auto rules = ruleset(filter("-A FORWARD -m conntrack --ctstate DNAT -j DROP\n"), v4);
  const std::string reply =
      "-p udp -s 10.2.0.9 -d 10.2.0.1 --sport 53 --dport 40000 -i eth1 -o eth0 --hook FORWARD --ctstate "
      "ESTABLISHED --ctdir REPLY --ctorigsrc 10.1.0.9 --ctorigdst 10.2.0.9 --ctreplsrc 10.2.0.9 "
      "--ctrepldst "
      "10.2.0.1 --ctstatus ";
  CHECK(ask(rules, reply + "0x1a").verdict == Verdict::accept);
  CHECK(ask(rules, reply + "0x3a").verdict == Verdict::drop);
}

TEST_CASE("the option --return-nomatch asks whether the member that decides has nomatch") {
  const std::string sets =
      "create s hash:net family inet hashsize 1024 maxelem 65536\n"
      "add s 10.1.0.0/16\n"
      "add s 10.1.2.0/24 nomatch\n"
      "create t hash:ip family inet hashsize 1024 maxelem 65536\n"
      "add t 10.1.3.9\n";
  const auto rules =
      ruleset(filter("-A INPUT -m set --match-set s src --return-nomatch -j DROP\n"), v4, sets);
  CHECK(ask(rules, "-p tcp -s 10.1.2.9 -d 10.1.0.1 -i eth0").verdict == Verdict::drop);
  CHECK(ask(rules, "-p tcp -s 10.1.3.9 -d 10.1.0.1 -i eth0").verdict == Verdict::accept);
  CHECK(ask(rules, "-p tcp -s 10.2.3.9 -d 10.1.0.1 -i eth0").verdict == Verdict::accept);
  const auto others =
      ruleset(filter("-A INPUT -m set ! --match-set t src --return-nomatch -j DROP\n"), v4, sets);
  CHECK(ask(others, "-p tcp -s 10.1.3.9 -d 10.1.0.1 -i eth0").verdict == Verdict::accept);
  CHECK(ask(others, "-p tcp -s 10.1.3.8 -d 10.1.0.1 -i eth0").verdict == Verdict::drop);
}

TEST_CASE("two single ports that are negated: iptables-nft 1.8.9 made one comparison of them") {
  auto rules = ruleset(filter("-A INPUT -p tcp -m tcp ! --sport 1000 ! --dport 80 -j DROP\n"), v4);
  const auto of = [&](const std::string& ports) {
    return ask(rules, "-p tcp -s 10.1.2.9 -d 10.1.0.1 -i eth0 " + ports).verdict;
  };
  CHECK(of("--sport 1001 --dport 81") == Verdict::drop);
  CHECK(of("--sport 1000 --dport 80") == Verdict::accept);
  CHECK(of("--sport 1000 --dport 81") == Verdict::depends);
  CHECK(of("--sport 1001 --dport 80") == Verdict::depends);
  rules.backend = Backend::legacy;
  CHECK(of("--sport 1000 --dport 81") == Verdict::accept);
  CHECK(of("--sport 1001 --dport 81") == Verdict::drop);
}

TEST_CASE("the extension headers of IPv6 are those that the packet has") {
  const auto rules = ruleset(
      filter("-A INPUT -m rt -j DROP\n-A INPUT -m hbh -j REJECT\n-A INPUT -m dst --dst-len 8 -j DROP\n"), v6);
  const auto of = [&](const std::string& headers) {
    return ask(rules, "-p udp -s 2001:db8::9 -i eth0 --header " + headers, v6).verdict;
  };
  CHECK(of("route") == Verdict::drop);
  CHECK(of("hop") == Verdict::reject);
  CHECK(of("ah") == Verdict::accept);
  CHECK(of("dst") == Verdict::depends);
}

TEST_CASE("the kernel puts the fragments of IPv4 together before INPUT, and those of IPv6 behind it") {
  const auto rules = ruleset(filter("-A INPUT -f -j DROP\n-A FORWARD -f -j DROP\n"), v4);
  CHECK(ask(rules, "-p udp -s 10.2.0.9 -d 10.1.0.1 -i eth1 -f").verdict == Verdict::accept);
  CHECK(ask(rules, "-p udp -s 10.2.0.9 -d 10.1.0.9 -i eth1 -o eth0 --hook FORWARD -f").verdict ==
        Verdict::drop);
  const auto raw = ruleset(table("raw", "PREROUTING OUTPUT", "-A PREROUTING -f -j DROP\n"), v4);
  CHECK(ask(raw, "-p udp -s 10.2.0.9 -d 10.1.0.1 -i eth1 -f").verdict == Verdict::drop);
  const auto six = ruleset(filter("-A INPUT -m ipv6header --header frag --soft -j DROP\n"), v6);
  CHECK(ask(six, "-p udp -s 2001:db8::9 -i eth1 --header frag", v6).verdict == Verdict::drop);
}

TEST_CASE("TCPMSS makes a packet longer that has no maximum segment size") {
  const std::string clamp =
      "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\n";
  const auto rules = ruleset(filter(clamp + "-A FORWARD -m length --length 48 -j DROP\n"), v4);
  const std::string syn =
      "-p tcp -s 10.2.0.172 -d 10.1.16.0 --syn -i eth1 -o eth0 --hook FORWARD --state NEW ";
  // 44 became 48 in the kernel.
  CHECK(ask(rules, syn + "--length 44 --tcp-option 0xc0").verdict == Verdict::depends);
  CHECK(ask(rules, syn + "--length 44 --tcp-option 0x4").verdict == Verdict::accept);
  CHECK(ask(rules, syn + "--length 48 --tcp-option 0x4").verdict == Verdict::drop);
  const auto others = ruleset(filter(clamp + "-A FORWARD -p tcp -m tcp --dport 80 -j DROP\n"), v4);
  CHECK(ask(others, syn + "--dport 80 --length 44").verdict == Verdict::drop);
}
