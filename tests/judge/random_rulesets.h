#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "rules/rule.h"
#include "rules/ruleset.h"

namespace rewall::judge {

/// Chance, from a seed.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random_() % n); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  std::size_t between(std::size_t first, std::size_t last) { return first + below(last - first + 1); }
  template <typename List>
  const auto& any(const List& list) {
    return list[below(list.size())];
  }
  std::string word(std::initializer_list<const char*> words) {
    return *(words.begin() + below(words.size()));
  }
  std::uint64_t number() { return random_(); }

 private:
  std::mt19937_64 random_;
};

/// What a host's programs load: text for ipset restore, and for iptables-restore by family and backend.
struct RulesetText {
  std::string sets{};
  std::vector<std::string> set_names{};
  std::map<std::pair<Family, Backend>, std::string> tables{};
};

/// A table without rules, for iptables-restore.
std::string empty_table(const std::string& name);

/// How many packets each match and target should decide in a long run.
inline constexpr std::size_t kEnough = 1000;
/// How many packets each of parts_of() has decided.
using Decided = std::map<std::string, std::size_t>;
/// The options, matches and targets of a rule, in words: "! -s", "-m tcp --dport", "-j REJECT", and the types
/// of its sets, where `sets` are given: "-m set hash:ip".
std::vector<std::string> parts_of(const ParsedRule& rule, const Sets* sets = nullptr);

/// Makes rulesets at random. Their values come from few places, so that packets find them.
class RandomRulesets {
 public:
  /// `set_types`: those that the kernel has. What `decided` has little of comes more often; it must outlive
  /// this.
  RandomRulesets(std::uint64_t seed, std::set<std::string> set_types, const Decided& decided)
      : chance_(seed), set_types_(std::move(set_types)), decided_(decided) {}
  RulesetText next(bool nft, bool legacy);

 private:
  struct Place {
    Family family;
    std::string table;
    std::string base;  ///< the built-in chain; empty in a chain that several of them reach
    std::string chain;
    bool own = false;  ///< a chain of one's own
    bool shared() const { return base.empty(); }
  };
  struct KnownSet {
    std::string name;
    std::string type;
    Family family;
  };

  bool four(const Place& at) const { return at.family == Family::ipv4; }
  void new_palette();
  std::string address(Family family);
  std::string masked(Family family);
  std::string range(Family family);
  std::string port();
  std::string ports();
  std::string mark();
  std::string interface();
  std::string some_interface(const std::string& option);
  std::string mac();
  std::string no(std::size_t one_in) { return chance_.one_in(one_in) ? "! " : ""; }
  void make_sets(RulesetText& out);
  std::string member(const KnownSet& set);
  std::string tables(Family family, const std::set<std::string>& which);
  std::string table(Family family, const std::string& name);
  std::string rule(const Place& at, const std::vector<std::string>& jumps);
  std::string any_rule(const Place& at, const std::vector<std::string>& jumps);
  std::string protocol(const Place& at, std::string& name);
  std::string match(const Place& at, const std::string& protocol);
  std::string match_conntrack(const Place& at);
  std::string match_set(const Place& at);
  std::string match_unknown();
  std::string match_extension();
  std::string target(const Place& at, const std::string& protocol);
  std::string target_filter(const Place& at, const std::string& protocol);
  std::string target_mangle(const Place& at, const std::string& protocol);
  std::string target_nat(const Place& at, const std::string& protocol);
  std::string mark_target();

  Chance chance_;
  std::set<std::string> set_types_;
  const Decided& decided_;
  Decided written_{};  ///< rules, by their parts
  unsigned count_ = 0;
  bool with_unknowns_ = false;
  std::vector<std::string> v4_{}, v6_{}, ports_{}, marks_{}, macs_{};
  std::vector<KnownSet> sets_{};
  std::string sink_{};
};

}  // namespace rewall::judge
