#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "diff/renames.h"
#include "rules/ruleset.h"

namespace rewall {

/// One of the four places where two rulesets hold tables: a family on a backend.
struct Slot {
  Family family = Family::ipv4;
  Backend backend = Backend::nft;
  const Tables* from = nullptr;
  const Tables* to = nullptr;
  std::string_view program{};  ///< that changes it: "iptables", "ip6tables-legacy", ...
};

/// v4, v6, v4_legacy, v6_legacy, each with its like.
std::array<Slot, 4> pair_slots(const Ruleset& from, const Ruleset& to);

/// A chain on both sides; null on the side that has none, never both. Names differ when it was renamed.
struct ChainPair {
  const Chain* from = nullptr;
  const Chain* to = nullptr;

  std::string_view name() const { return to != nullptr ? to->name : from->name; }
};

/// A table on both sides. A built-in chain that one side lacks is there: empty, policy ACCEPT.
struct TablePair {
  std::string_view name{};
  std::vector<ChainPair> chains{};
  Renames renames{};
  std::vector<std::unique_ptr<const Chain>> made{};  ///< the built-in chains that were lacking
};

/// All tables of both, in the order of the contract's section 4.
std::vector<TablePair> pair_tables(const Tables& from, const Tables& to);

/// True when both sides have it, with the same policy and the same words.
bool same_text(const ChainPair& pair);

}  // namespace rewall
