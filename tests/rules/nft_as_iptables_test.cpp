#include "rules/nft_as_iptables.h"

#include <array>
#include <catch2/catch.hpp>
#include <utility>

#include "rules/foreign.h"
#include "rules/owners.h"
#include "support/native.h"

using namespace rewall;
using namespace rewall::testing;

TEST_CASE("rules that nft needs no note for are said in the words of iptables-save") {
  const std::array<std::pair<const char*, const char*>, 22> all{{
      {"counter return", "-j RETURN"},
      {"iifname \"docker0\" oifname != \"docker0\" counter accept", "-i docker0 ! -o docker0 -j ACCEPT"},
      {"iifname \"virbr*\" drop", "-i virbr+ -j DROP"},
      {"iifname != \"docker0\" oifname \"docker0\" ip daddr 172.17.0.2 tcp dport 80 counter accept",
       "-d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT"},
      {"ip saddr != 10.0.0.0/8 ip daddr 192.0.2.1 jump DOCKER", "! -s 10.0.0.0/8 -d 192.0.2.1/32 -j DOCKER"},
      {"ip6 saddr 2001:db8::1 goto x", "-s 2001:db8::1/128 -g x"},
      {"meta l4proto tcp counter accept", "-p tcp -j ACCEPT"},
      {"ip protocol udp drop", "-p udp -j DROP"},
      {"meta l4proto udp udp sport 67 udp dport != 1000-2000 counter",
       "-p udp -m udp --sport 67 ! --dport 1000:2000"},
      {"counter accept comment \"flanneld forward\"", "-m comment --comment \"flanneld forward\" -j ACCEPT"},
      {"limit rate 5/minute counter accept", "-m limit --limit 5/min -j ACCEPT"},
      {"iifname \"eth0\" limit rate 3/hour burst 7 packets counter accept",
       "-i eth0 -m limit --limit 3/hour --limit-burst 7 -j ACCEPT"},
      {"limit rate 1/second burst 5 packets counter", "-m limit --limit 1/sec"},
      {"meta mark 0x00000005 counter accept", "-m mark --mark 0x5 -j ACCEPT"},
      {"meta mark & 0x000000ff != 0x00000005 counter drop", "-m mark ! --mark 0x5/0xff -j DROP"},
      {"tcp flags syn / syn,ack counter drop", "-p tcp -m tcp --tcp-flags SYN,ACK SYN -j DROP"},
      {"tcp dport 22 tcp flags 0x0 / fin,syn drop",
       "-p tcp -m tcp --dport 22 --tcp-flags FIN,SYN NONE -j DROP"},
      {"ip frag-off & 8191 != 0 counter drop", "-f -j DROP"},
      {"counter log group 0", "-j NFLOG"},
      {"counter log prefix \"a b\" group 5 snaplen 20 queue-threshold 3",
       "-j NFLOG --nflog-prefix \"a b\" --nflog-group 5 --nflog-size 20 --nflog-threshold 3"},
      {"counter accept comment \"web\"", "-m comment --comment web -j ACCEPT"},
      {"ct state established counter accept # iptables: -m conntrack --ctstate ESTABLISHED -j ACCEPT",
       "-m conntrack --ctstate ESTABLISHED -j ACCEPT"},
  }};
  for (const auto& [rule, words] : all) {
    INFO(rule);
    CHECK(in_words_of_iptables(rule) == words);
  }
}

TEST_CASE("rules with another part have no words of iptables without a note") {
  for (const char* rule : {"ct state new accept",
                           "tcp dport { 22, 80 } accept",
                           "ip saddr @s drop",
                           "ip saddr 10.0.0.1-10.0.0.9 drop",
                           "iif \"lo\" accept",
                           "meta mark set 0x1 accept",
                           "limit rate over 3/minute burst 5 packets accept",
                           "limit rate 10 kbytes/second accept",
                           "limit rate 3/minute tcp dport 22 accept",
                           "limit rate 1/week accept",
                           "meta mark 0x1-0x5 accept",
                           "log prefix \"x\"",
                           "log group 1 accept",
                           "tcp flags != syn / syn,ack drop",
                           "counter packets 3 bytes 4 name \"x\" accept",
                           "tcp flags syn accept",
                           "tcp dport 22 udp dport 53 accept",
                           "iifname \"a\" iifname \"b\" accept",
                           "jump { accept; }",
                           "iifname { \"a\", \"b\" } accept",
                           "tcp dport >= 1024 accept",
                           "ip saddr & 255.0.0.255 == 10.0.0.1 accept",
                           "queue num 1"}) {
    INFO(rule);
    CHECK_FALSE(in_words_of_iptables(rule));
  }
}

TEST_CASE("an owner's expression knows its rules in the words of nft") {
  const auto owners = default_owners();
  const auto ruleset =
      native("table ip filter {\n\tchain DOCKER {\n\t\toifname \"mybridge\" counter accept\n\t}\n}\n");
  const std::array<const Ruleset*, 1> rulesets{&ruleset};
  const Ownership ownership(owners, rulesets);
  const auto owner = [&](const char* chain, const char* rule) {
    const auto* found = ownership.of_rule(chain, rule);
    return found == nullptr ? std::string() : found->name;
  };
  CHECK(owner("FORWARD", "iifname \"docker0\" oifname \"docker0\" counter accept") == "docker");
  CHECK(owner("FORWARD", "iifname \"mybridge\" oifname != \"mybridge\" counter accept") == "docker");
  CHECK(owner("DOCKER-USER", "counter return") == "docker");
  CHECK(owner("INPUT", "iifname \"virbr0\" udp dport 53 counter accept") == "libvirt");
  CHECK(owner("FORWARD", "iifname \"eth0\" oifname \"eth0\" counter accept").empty());
  CHECK(owner("INPUT", "iifname \"docker0\" counter accept").empty());
}

TEST_CASE("a base chain that wanted lacks keeps its foreign rules alone, with an open policy") {
  const auto owners = default_owners();
  const auto input = std::string(
      "\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t\tct state new "
      "accept\n\t}\n");
  const auto live = native(
      "table ip filter {\n" + input +
      "\n\tchain DOCKER {\n\t\tdrop\n\t}\n\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; "
      "policy drop;\n\t\toifname \"eth0\" accept\n\t\tjump DOCKER\n\t}\n}\n");
  const auto merged = keep_foreign(native("table ip filter {\n" + input + "}\n"), live, owners);
  REQUIRE(merged.ruleset.native);
  const auto text = print_native(*merged.ruleset.native);
  CHECK(text.find(input) != std::string::npos);
  CHECK(text.find("policy accept;\n\t\tjump DOCKER\n") != std::string::npos);
  CHECK(text.find("chain DOCKER") != std::string::npos);
  CHECK(text.find("eth0") == std::string::npos);
  const auto alone = keep_foreign(native(""), live, owners);
  REQUIRE(alone.ruleset.native);
  const auto rest = print_native(*alone.ruleset.native);
  CHECK(rest.find("INPUT") == std::string::npos);
  CHECK(rest.find("policy accept;\n\t\tjump DOCKER\n") != std::string::npos);
  CHECK(to_text(alone.kept) == "docker (1 chain, 1 rule)");
}
