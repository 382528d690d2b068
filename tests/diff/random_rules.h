#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "support/rulesets.h"

namespace rewall::testing {

/// Makes rulesets at random, in the kernel's own spelling, from so few parts that any two have much in
/// common.
class RandomRules {
 public:
  explicit RandomRules(std::uint32_t seed) : random_(seed) {}

  /// From here on with what iptables-restore takes and iptables refuses: chains that have a target's name, or
  /// begin with '!' (legacy alone), a policy in nat, and names that a shell would read.
  void be_hostile() { hostile_ = true; }

  std::size_t below(std::size_t n) { return random_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }

  /// Something of `before` always stays.
  Ruleset next(const Ruleset& before) {
    auto out = before;
    if (one_in(2)) {
      out.v6 = saved_tables(tables_text(true, false), Family::ipv6);
      if (hostile_) out.v6_legacy = saved_tables(tables_text(true, true), Family::ipv6);
      return out;
    }
    sets_ = random_sets();
    out.v4 = saved_tables(tables_text(false, false));
    out.v4_legacy = one_in(2) ? saved_tables(tables_text(false, true)) : Tables{};
    std::string text;
    for (const auto& [name, lines] : sets_) text += lines;
    out.sets = testing::sets(text).sets;
    return out;
  }

  /// Some chains and rules of a filter table alone, without sets.
  std::string filter() {
    sets_.clear();
    return table("filter", false, false);
  }

 private:
  std::map<std::string, std::string> random_sets() {
    static const std::vector<std::string> kTypes = {"hash:ip", "hash:net"};
    std::map<std::string, std::string> out;
    for (const std::string name : {"sa", "sb", "sc"}) {
      if (one_in(3)) continue;
      out[name] = "create " + name + ' ' + kTypes[below(2)] + " family inet hashsize 1024 maxelem " +
                  (one_in(3) ? "1000" : "65536") + (one_in(3) ? " comment" : "") + '\n';
      for (int member = 1; member < 9; ++member) {
        if (one_in(2)) out[name] += "add " + name + " 10.0.0." + std::to_string(member) + '\n';
      }
    }
    if (one_in(2)) {
      out["zlist"] = "create zlist list:set size 8\n";
      Lines members;
      for (const auto& [name, lines] : out) {
        if (name != "zlist" && one_in(2)) members.push_back(name);
      }
      std::ranges::shuffle(members, random_);
      for (const auto& member : members) out["zlist"] += "add zlist " + member + '\n';
    }
    return out;
  }

  std::string tables_text(bool ipv6, bool legacy) {
    std::string out;
    if (!one_in(4)) out += table("nat", ipv6, legacy);
    if (!one_in(8)) out += table("filter", ipv6, legacy);
    return out;
  }

  Lines own_names(bool legacy) {
    if (!hostile_) return {"A", "B", "C", "D", "E"};
    Lines names = {"A", "B", "LOG", "MARK", "it's", "$(id)"};
    if (legacy) names.emplace_back("!B");
    return names;
  }

  std::string table(const std::string& name, bool ipv6, bool legacy) {
    const Lines built_in = name == "nat" ? Lines{"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}
                                         : Lines{"INPUT", "FORWARD", "OUTPUT"};
    // A chain jumps only to chains behind it; the order is another one in each ruleset.
    Lines own = own_names(legacy);
    std::ranges::shuffle(own, random_);
    own.resize(below(own.size() + 1));
    log_is_target_ = std::ranges::find(own, "LOG") == own.end();
    auto declared = own;
    std::ranges::sort(declared);
    std::string out = '*' + name + '\n';
    for (const auto& chain : built_in) {
      const bool filters = hostile_ || name == "filter";
      out += ':' + chain + (filters && one_in(3) ? " DROP [0:0]\n" : " ACCEPT [0:0]\n");
    }
    for (const auto& chain : declared) out += ':' + chain + " - [0:0]\n";
    for (const auto& chain : built_in) out += rules(chain, own, ipv6);
    for (auto chain = own.begin(); chain != own.end(); ++chain)
      out += rules(*chain, Lines(chain + 1, own.end()), ipv6);
    return out + "COMMIT\n";
  }

  std::string rules(const std::string& chain, const Lines& targets, bool ipv6) {
    std::string out;
    for (auto n = below(6); n > 0; --n)
      out += "-A " + chain + ' ' + conditions(chain, ipv6) + target(targets) + '\n';
    return out;
  }

  std::string target(const Lines& targets) {
    if (!targets.empty() && one_in(2)) return (one_in(4) ? "-g " : "-j ") + targets[below(targets.size())];
    if (hostile_ && log_is_target_ && !one_in(4)) return "-j LOG";
    return one_in(3) ? "-j RETURN" : "-j ACCEPT";
  }

  std::string conditions(const std::string& chain, bool ipv6) {
    static const Lines kComments = {"plain", "\"two words\"", "\"it\\'s \\\"$(id)\\\" `x` \\\\ $HOME\"",
                                    "\"a; b & c\""};
    const auto number = std::to_string(1 + below(4));
    std::string out;
    if (one_in(3))
      out += (one_in(4) ? "! -s " : "-s ") +
             (ipv6 ? "2001:db8::" + number + "/128 " : "10.0.0." + number + "/32 ");
    if (one_in(4)) out += (chain == "OUTPUT" || chain == "POSTROUTING" ? "-o eth" : "-i eth") + number + ' ';
    if (one_in(2)) out += (one_in(2) ? "-p tcp -m tcp --dport " : "-p udp -m udp --dport ") + number + ' ';
    if (one_in(6)) out += "-m conntrack --ctstate RELATED,ESTABLISHED ";
    if (!ipv6 && !sets_.empty() && one_in(4)) {
      auto set = sets_.begin();
      std::advance(set, below(sets_.size()));
      out += "-m set --match-set " + set->first + " src ";
    }
    if (one_in(5)) out += "-m comment --comment " + kComments[below(kComments.size())] + ' ';
    return out;
  }

  std::mt19937 random_;
  std::map<std::string, std::string> sets_{};
  bool hostile_ = false;
  bool log_is_target_ = true;  // in the table that is being written
};

}  // namespace rewall::testing
