#include <catch2/catch.hpp>

#include "kernel/events.h"
#include "kernel/firewall.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

/// The rules that the kernel notified of since the last call.
std::vector<ToldRule> told(FirewallEvents& events) {
  std::vector<ToldRule> rules;
  for (const auto& transaction : events.read().transactions)
    for (const auto& step : transaction.steps)
      if (step.kind == ChainStep::Kind::rule_added) rules.push_back({.chain = step.chain, .rule = step.rule});
  return rules;
}

std::string lines_of(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& line : words) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("rules that are gone are told in the words that iptables-save printed of them") {
  in_lab([] {
    auto events = FirewallEvents::open();
    REQUIRE(events);
    shell(
        "ipset create s hash:ip; iptables -N mine; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; "
        "iptables -A INPUT -p tcp -m multiport --dports 22,80:90 -m conntrack --ctstate NEW -j mine; "
        "iptables -A INPUT ! -s 192.0.2.0/24 -i eth+ -m limit --limit 3/min -m comment --comment 'two words' "
        "-j LOG "
        "--log-prefix 'a b '; iptables -A INPUT -m set --match-set s src -j DROP; "
        "iptables -A INPUT -p udp -m hashlimit --hashlimit-name h --hashlimit-above 5/sec --hashlimit-mode "
        "srcip -j DROP");
    shell(
        "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE; iptables -t mangle -A FORWARD -p tcp "
        "--tcp-flags SYN,RST "
        "SYN -j TCPMSS --clamp-mss-to-pmtu; ip6tables -A INPUT -p tcp -j REJECT --reject-with tcp-reset; "
        "ip6tables -A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT");
    const auto printed = shell(
        "for t in filter nat mangle; do iptables-save -t $t; done | sed -n 's/^-A [^ ]* //p'; "
        "ip6tables-save | sed -n 's/^-A [^ ]* //p'");
    shell("iptables -F; iptables -X; iptables -t nat -F; iptables -t mangle -F; ip6tables -F");
    const auto rules = told(*events);
    REQUIRE(rules.size() == 9);
    const auto words = host_firewall()->words_of(rules);
    REQUIRE(words);
    CHECK(lines_of(*words) == printed);
    // One whose set is gone is not known, and the others are.
    shell("until ipset destroy s 2>/dev/null; do sleep 0.02; done");
    const auto fewer = host_firewall()->words_of(rules);
    REQUIRE(fewer);
    CHECK((*fewer)[3].empty());
    CHECK((*fewer)[4] == (*words)[4]);
    // Nothing of it is in force.
    CHECK(shell("iptables-save | grep -c ^-A || true") == "0\n");
  });
}

TEST_CASE("each step of a transaction is told, with the policy and the chain") {
  in_lab([] {
    shell("iptables -A INPUT -j LOG");
    auto events = FirewallEvents::open();
    REQUIRE(events);
    using Kind = ChainStep::Kind;
    const auto steps = [&](const std::string& command) {
      shell(command);
      std::vector<ChainStep> all;
      for (auto& transaction : events->read().transactions)
        for (auto& step : transaction.steps) all.push_back(std::move(step));
      return all;
    };
    auto done = steps("iptables -P INPUT DROP");
    REQUIRE(done.size() == 1);
    CHECK(done[0].kind == Kind::policy);
    CHECK(done[0].policy == "DROP");
    CHECK(done[0].chain == ChainName{Family::ipv4, "filter", "INPUT"});
    done = steps("iptables -A INPUT -p tcp -j ACCEPT; iptables -D INPUT 2");
    REQUIRE(done.size() == 2);
    CHECK(done[0].kind == Kind::rule_added);
    CHECK(done[1].kind == Kind::rule_removed);
    CHECK(done[0].rule.expressions == done[1].rule.expressions);
    done = steps("iptables -F");
    REQUIRE(done.size() == 1);
    CHECK(done[0].kind == Kind::rule_removed);
    // Tables of others are nobody's business here.
    CHECK(steps("nft add table inet other; nft add chain inet other c; nft add rule inet other c drop")
              .empty());
  });
}
