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

/// A program that keeps chains, rules and sets of its own in the firewall, and how to know them.
struct Owner {
  std::string name{};
  std::vector<std::string> chains{};  ///< globs of fnmatch(3); never built-in chains
  /// An extended regular expression over a rule's line as iptables-save prints it (`-A CHAIN ...`), for rules
  /// in chains of others. `%i` in it stands for the interfaces that rules in the owner's chains name.
  std::string rule{};
  std::vector<std::string> sets{};  ///< globs
  /// Chains that the owner makes and jumps to, for people to write their own rules in.
  std::vector<std::string> shared{};
};

/// docker, podman, kubernetes, calico, cilium, flannel, fail2ban, libvirt, tailscale, crowdsec, sshguard, as
/// their sources name their chains and sets.
std::vector<Owner> default_owners();

/// Refuses what Owner::rule cannot be. Kind usage.
Status check_owner_rule(const std::string& rule);

/// Owner::rule as it was compiled, for who asks of many rulesets, one after the other: to compile takes
/// longer than most rulesets take to be read.
class OwnerExpressions {
 public:
  /// Null for what is no expression.
  std::shared_ptr<const Expression> find(const std::string& text);

 private:
  std::map<std::string, std::shared_ptr<const Expression>> compiled_{};
};

/// Tells whose a chain, a rule or a set is. Null: a person's.
///
/// The owners must outlive it.
class Ownership {
 public:
  Ownership(std::span<const Owner> owners, std::span<const Ruleset* const> rulesets);
  Ownership(std::span<const Owner> owners, std::span<const Ruleset* const> rulesets,
            OwnerExpressions& expressions);

  /// Of a user-defined chain with all its rules.
  const Owner* of_chain(std::string_view chain) const;
  /// Of a chain that is there because of the owner, whose rules are people's.
  const Owner* of_shared(std::string_view chain) const;
  const Owner* of_set(std::string_view set) const;
  /// Of a rule in a chain that is no owner's: it leads to an owner's chain, names sets of owners alone, or is
  /// one that the owner's expression knows.
  const Owner* of_rule(std::string_view chain, std::string_view words) const;

 private:
  using Names = std::unordered_map<std::string, const Owner*>;

  struct Known {
    const Owner* owner = nullptr;
    std::shared_ptr<const Expression> expression{};
    std::vector<std::string> chains{};  ///< it knows rules of these alone; empty: of any
  };

  std::span<const Owner> owners_;
  std::vector<Known> expressions_{};
  mutable Names chains_{};
  mutable Names shared_{};
  mutable Names sets_{};
};

/// True where an owner's expression may know a rule of `part` by its `%i`: then what the owner's chains name
/// elsewhere tells whose the rule is.
bool depends_on_interfaces(std::span<const Owner> owners, const Ruleset& part);

/// Where -j or -g leads, as written; empty where neither is there. Cheaper than target_of().
std::string jump_of(std::string_view words);

}  // namespace rewall
