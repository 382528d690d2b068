#pragma once

#include <map>
#include <string>
#include <vector>

#include "judge/lab.h"
#include "judge/random_rulesets.h"
#include "judge/wire.h"
#include "rules/rule.h"

namespace rewall::judge {

/// What connection tracking calls a packet of no connection that it knows (nf_conntrack_proto_tcp.c,
/// ..._icmp.c,
/// ..._icmpv6.c), as a packet on its own; sets the connection's fields too.
void settle_state(Shot& shot);

/// Makes packets for a ruleset: each aims at a rule, and often misses it by one.
class RandomPackets {
 public:
  RandomPackets(Chance& chance, const Lab& lab) : chance_(chance), lab_(lab) {}
  /// Rules whose parts decided little so far are aimed at more often.
  void take(const RulesetText& text, const Decided& decided);
  /// A packet of no connection.
  Shot next(Family family);
  /// The first packet of a connection to be.
  Shot first(Family family);
  /// A packet of the connection that `first` began, or an ICMP error about it.
  Shot established(const Shot& first);
  Shot related(const Shot& first);
  /// Makes the packet one that the kernel routes, on the way that its addresses give.
  void settle(Shot& shot);

 private:
  struct Rule {
    ParsedRule words{};
    bool rare = false;
  };
  using Chains = std::map<std::string, std::vector<Rule>>;
  Shot plain(Family family, Hook hook);
  void aim(Shot& shot);
  void meet(Shot& shot, const ParsedRule& rule);
  void meet(Shot& shot, const std::string& match, const Option& option);
  void meet_set(Shot& shot, const Option& option);
  void meet_headers(Shot& shot, const std::string& list);
  void meet_member(Shot& shot, const std::string& type, const std::string& member, const std::string& flags);
  void miss(Shot& shot);
  Number address(const std::string& text, Family family);
  Number any_address(Family family);

  Chance& chance_;
  const Lab& lab_;
  std::map<Family, std::vector<std::pair<std::string, Chains>>> tables_{};
  std::map<Family, std::vector<Number>> addresses_{};
  std::vector<std::uint16_t> ports_{};
  std::map<std::string, std::pair<std::string, std::vector<std::string>>> sets_{};
  std::uint16_t tag_ = 0;
};

}  // namespace rewall::judge
