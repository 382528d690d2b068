#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/expression.h"
#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// A program that keeps chains, rules, sets and native tables of its own in the firewall, with the patterns
/// that find them.
struct Owner {
  std::string name{};
  std::vector<std::string> chains{};  ///< globs of fnmatch(3); never built-in chains
  /// An extended regular expression over a rule's line as iptables-save prints it (`-A CHAIN ...`), for rules
  /// in chains of others. `%i` in it stands for the interfaces that rules in the owner's chains name.
  std::string rule{};
  std::vector<std::string> sets{};  ///< globs
  /// Chains that the owner makes and jumps to, for people to write their own rules in.
  std::vector<std::string> shared{};
  /// Native nft tables: globs of "inet f2b-table", or of the name alone where a glob has no blank.
  std::vector<std::string> tables{};
};

/// docker, podman, kubernetes, calico, cilium, flannel, fail2ban, libvirt, tailscale, crowdsec, sshguard,
/// firewalld, as their sources name their chains, sets and native tables.
std::vector<Owner> default_owners();

/// Refuses a text that Owner::rule cannot be: one that is no expression, is longer than 4096 bytes, or could
/// take very long to compile or to match. Kind usage.
Status check_owner_rule(const std::string& rule);

/// Keeps compiled Owner::rule expressions for work on many rulesets: to compile one takes longer than to read
/// most rulesets.
class OwnerExpressions {
 public:
  /// Null for a text that is no expression.
  std::shared_ptr<const Expression> find(const std::string& text);

 private:
  std::map<std::string, std::shared_ptr<const Expression>> compiled_{};
};

/// Finds the owner of a chain, a rule, a set or a native table; null for one that belongs to people. The
/// owners must outlive the Ownership.
class Ownership {
 public:
  Ownership(std::span<const Owner> owners, std::span<const Ruleset* const> rulesets);
  Ownership(std::span<const Owner> owners, std::span<const Ruleset* const> rulesets,
            OwnerExpressions& expressions);

  /// The owner of a user-defined chain with all its rules.
  const Owner* of_chain(std::string_view chain) const;
  /// The owner that made a chain for the rules of people.
  const Owner* of_shared(std::string_view chain) const;
  const Owner* of_set(std::string_view set) const;
  /// The owner of a native table with all that is in it.
  const Owner* of_table(NativeFamily family, std::string_view table) const;
  /// The owner of a rule in a chain of no owner: the rule jumps to an owner's chain, names only sets of
  /// owners, or matches the owner's expression. The words are those of iptables, or those of nft, which are
  /// taken as what they are in those of iptables where these can say them (nft_as_iptables.h).
  const Owner* of_rule(std::string_view chain, std::string_view words) const;

 private:
  using OwnersByName = std::unordered_map<std::string, const Owner*>;

  struct Known {
    const Owner* owner = nullptr;
    std::shared_ptr<const Expression> expression{};
    std::vector<std::string> chains{};  ///< the expression matches rules of these chains alone; empty: of all
  };

  std::span<const Owner> owners_;
  std::vector<Known> expressions_{};
  mutable OwnersByName chains_{};
  mutable OwnersByName shared_{};
  mutable OwnersByName sets_{};
  mutable OwnersByName tables_{};
};

/// True when an owner's expression may match a rule of `part` by its `%i`: then interfaces that the owner's
/// chains name outside `part` decide whose the rule is.
bool depends_on_interfaces(std::span<const Owner> owners, const Ruleset& part);

/// The target of -j or -g as written; empty when the rule has neither. Cheaper than target_of().
std::string jump_of(std::string_view words);
/// The same of a rule in the words of iptables or in those of nft (table_forms.h): the chain that it jumps or
/// goes to.
std::string jump_in_either_words(std::string_view rule);

}  // namespace rewall
