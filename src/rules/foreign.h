#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "rules/owners.h"
#include "rules/ruleset.h"

namespace rewall {

/// The number of chains, rules, sets and native tables of one owner.
struct ForeignCount {
  std::string owner{};
  std::size_t chains = 0;
  std::size_t rules = 0;  ///< outside the owner's chains
  std::size_t sets = 0;
  std::size_t tables = 0;  ///< native ones
};

/// "docker (12 chains, 9 rules), fail2ban (1 chain, 1 set)".
std::string to_text(std::span<const ForeignCount> parts);

/// What becomes of a foreign chain with rules that live does not have, or has without any rule or without any
/// jump to it that wanted has: it is its owner's business, or it is as in wanted, with the jumps to it.
enum class LostForeign { stays_lost, comes_back };

struct ForeignMerge {
  Ruleset ruleset{};
  std::vector<ForeignCount> kept{};      ///< of live, where wanted has them otherwise or not at all
  std::vector<ForeignCount> left_out{};  ///< of wanted, which live does not have
  std::vector<ForeignCount> brought{};   ///< of wanted, which live has lost (LostForeign::comes_back)
  std::vector<std::string> notes{};      ///< people's parts of live that stay because foreign ones need them
};

/// Merges the people's part of `wanted` with the foreign part of `live`.
///
/// - Foreign chains and sets are live's, as they are; of sets without what is left of timeouts. Those that
///   only wanted has are left out, with the rules that lead there; but a set that a rule of people names is
///   brought.
/// - In other chains wanted's own rules stand in wanted's order. A foreign rule of live stands where wanted
///   has the same one, else behind the nearest rule before it that both have, else before the nearest after
///   it, else, or when it was the first, at the head. Where the own rules are the same on both sides, the
///   chain is live's. A foreign rule that takes every packet out of the chain (`-j RETURN`), and that wanted
///   does not have, comes last: what stood behind it would never be reached.
/// - With LostForeign::comes_back lost chains are wanted's; single rules that a chain has lost are not.
/// - A shared chain (Owner::shared) is there when live has it or wanted has rules of people for it; its own
///   rules are wanted's if wanted has the chain, else live's. Where those are people's and nothing of live
///   jumps there, wanted's jumps there are brought: the owner moves them when it starts.
/// - Policies are wanted's. A table that wanted lacks has the policies ACCEPT, and is there only for foreign
///   parts.
/// - What foreign parts of live name, chains or sets, is there too: wanted's, else live's.
/// - Foreign native tables are live's, as they are; those that only wanted has are left out, but with
///   LostForeign::comes_back those with rules are wanted's. Where wanted has no native tables recorded, the
///   result has none recorded either.
/// - Each backend's foreign parts stay in that backend; where only legacy is wanted and nft has foreign
///   parts, the result has both.
ForeignMerge keep_foreign(const Ruleset& wanted, const Ruleset& live, std::span<const Owner> owners,
                          LostForeign lost = LostForeign::stays_lost);

/// True when keep_foreign() gives the same for the differing chains (text_delta.h) of both rulesets as for
/// the whole rulesets: it needs nothing outside the differing chains.
bool keeps_foreign_alone(const Ruleset& wanted, const Ruleset& live, std::span<const Owner> owners);

/// A ruleset without its foreign part, and the positions that its rules had in the whole ruleset.
class OwnRuleset {
 public:
  OwnRuleset(Ruleset whole, std::span<const Owner> owners, OwnerExpressions& expressions);

  /// The whole ruleset without foreign chains, rules, sets and native tables, and without shared chains that
  /// have no other rules. The caller may move it away.
  Ruleset ruleset{};

  /// The position (from 1) in the whole ruleset of the rule that is at `position` of a chain now.
  std::uint32_t position(Family family, Backend backend, std::string_view table, std::string_view chain,
                         std::uint32_t position) const;

 private:
  using ChainKey = std::tuple<Slot, std::string, std::string>;  ///< of a chain: slot, table, chain

  void strip(Slot slot, const Ownership& ownership);

  bool has_beside_ = false;
  std::map<ChainKey, std::vector<std::uint32_t>> positions_{};  ///< of chains that lost rules
};

}  // namespace rewall
