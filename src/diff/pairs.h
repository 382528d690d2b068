#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "diff/renames.h"
#include "rules/ruleset.h"

namespace rewall {

/// One of the four places where a host holds tables: a family on a backend. Never null.
struct SlotPair {
  Family family = Family::ipv4;
  Backend backend = Backend::nft;
  const Tables* from = nullptr;
  const Tables* to = nullptr;
};
using Slots = std::array<SlotPair, 4>;

/// nft's v4 and v6, legacy's v4 and v6, each with what that backend holds on the other side.
Slots pair_slots(const Ruleset& from, const Ruleset& to);

/// The same; but where a host went over from one backend to the other, its old rules with its new ones, as a
/// rule's meaning does not name its backend.
Slots pair_slots_by_meaning(const Ruleset& from, const Ruleset& to);

/// True when any of its tables holds a rule, a chain or a policy that the kernel does not make by itself.
bool holds(const Ruleset& ruleset, Backend backend);

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
