#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"
#include "rules/ruleset.h"

namespace rewall {

/// The meaning of a rule as text: two rules with equal `key` do the same to every packet (rewall-output(7)).
/// A comment is no part of the key. Words that rewall does not know stand in the key as they are.
struct Meaning {
  std::string key{};
  std::string comment{};
  bool operator==(const Meaning&) const = default;
};

/// Never fails: the key of a rule that cannot be parsed is its words.
Meaning meaning(std::string_view words, Family family);

/// The canonical text with each rule in one line that all its spellings share, and its comment behind it: for
/// people to compare, not for iptables.
std::string meaning_text(const Tables& tables);

/// Writes the meaning of a ruleset piece by piece, in an order that does not depend on the order of its text.
/// Two rulesets write the same exactly when compare() (diff/diff.h) finds no change, or changed comments
/// alone. `of_rule` returns meaning(rule, family).key, or an equivalent of it.
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
std::vector<NamedPart> named_parts(std::string_view words, Family family);

/// The target of -j or -g: a chain, a verdict or an extension; empty when the rule has none.
std::string target_of(std::string_view words, Family family);

/// True when a match that has no state by itself writes with one of its options: the packet's mark, or
/// whatever a loaded BPF program keeps.
bool writes(const Match& match);

/// True when certainly no packet matches both rules, because their addresses, protocols, ports, interfaces or
/// connection states exclude each other. False when unsure.
bool disjoint(std::string_view a, std::string_view b, Family family);

/// True when the rules can certainly change places without a change of any packet's verdict, mark or
/// translation: they are disjoint, or both end in the same verdict and have no match with a state of its own.
bool interchangeable(std::string_view a, std::string_view b, Family family);

/// The meaning of a set's create line: the line without options that the kernel chooses or grows by itself
/// (hashsize, bucketsize, initval).
std::string meaning_of_options(const Set& set);
/// The meaning of a member: the member without its remaining timeout and counters.
std::string meaning_of_member(std::string_view member);

}  // namespace rewall
