#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"
#include "rules/ruleset.h"

namespace rewall {

/// What a rule means, as text: two rules with equal `key` are the same to every packet (the contract's
/// section 5). A comment is no part of it. What rewall does not know is there by its words, so it is never
/// called the same.
struct Meaning {
  std::string key{};
  std::string comment{};
  bool operator==(const Meaning&) const = default;
};

/// Never fails: a rule that cannot be taken apart means its words.
Meaning meaning(std::string_view words, Family family);

/// The canonical text with each rule in one line that all its spellings share, and its comment behind it: for
/// people to compare, not for iptables.
std::string meaning_text(const Tables& tables);

/// What a ruleset means to packets, piece by piece, in one order whatever its text's: two of which the same
/// is written are those between which compare() of diff/diff.h finds nothing, or comments alone. `of_rule` is
/// meaning(rule, family).key, or what stands for it.
using RuleMeaning = std::function<std::string_view(std::string_view rule, Family family)>;
void write_meaning(const Ruleset& ruleset, const RuleMeaning& of_rule,
                   const std::function<void(std::string_view)>& write);

/// The parts of a meaning for showing a change: "-p" "tcp", "--dport" "22", "-j" "ACCEPT"; values in the
/// spelling of the rule, names unique (a second `--dport` is another element of `value`).
struct NamedPart {
  std::string name{};   ///< "! --dport" when negated
  std::string value{};  ///< quoted as iptables-save would
  std::string key{};    ///< the part's meaning: equal keys are no change
};
std::vector<NamedPart> parts(std::string_view words, Family family);

/// Where -j or -g leads: a chain, a verdict or an extension; empty when the rule has no target.
std::string target_of(std::string_view words, Family family);

/// True when it is certain that no packet can match both rules: their addresses, protocol, ports, interfaces
/// or connection states are apart. False when unsure.
bool disjoint(std::string_view a, std::string_view b, Family family);

/// True when it is certain that the rules can change places without any packet's verdict, mark or translation
/// changing: they are disjoint, or both end in the same verdict by conditions without state of their own.
bool interchangeable(std::string_view a, std::string_view b, Family family);

/// Set meaning: the create line without what the kernel chooses or grows by itself (hashsize, bucketsize,
/// initval).
std::string meaning_of_options(const Set& set);
/// A member without its remaining timeout and counters.
std::string meaning_of_member(std::string_view member);

}  // namespace rewall
