#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "diff/renames.h"
#include "rules/ruleset.h"

namespace rewall {

/// The tables of a family on a backend, on both sides; no pointer is null.
struct BackendPair {
  Family family = Family::ipv4;
  Backend backend = Backend::nft;
  const Tables* from = nullptr;
  const Tables* to = nullptr;
};
using BackendPairs = std::array<BackendPair, 4>;

/// Pairs the tables of nft (v4, v6) and of legacy (v4, v6) with those of the same backend on the other side.
BackendPairs pair_backends(const Ruleset& from, const Ruleset& to);

/// The same, but where a host changed its backend, its old tables are paired with its new ones: the meaning
/// of a rule does not name a backend.
BackendPairs pair_backends_by_meaning(const Ruleset& from, const Ruleset& to);

/// True when a table of that backend holds a rule, a chain or a policy that the kernel does not make by
/// itself.
bool holds(const Ruleset& ruleset, Backend backend);
/// True when no backend holds anything, and there is neither a set nor a native table.
bool holds_nothing(const Ruleset& ruleset);

/// A chain on both sides; null on a side that lacks the chain, never on both. The names differ when the chain
/// was renamed.
struct ChainPair {
  const Chain* from = nullptr;
  const Chain* to = nullptr;

  std::string_view name() const { return to != nullptr ? to->name : from->name; }
};

/// A table on both sides. A built-in chain that one side lacks is paired with an empty one, policy ACCEPT.
struct TablePair {
  std::string_view name{};
  std::vector<ChainPair> chains{};
  Renames renames{};
  std::vector<std::unique_ptr<const Chain>> made{};  ///< the built-in chains that one side lacked
};

/// All tables of both sides, in the order of a canonical text (rules/print.h).
std::vector<TablePair> pair_tables(const Tables& from, const Tables& to);

/// True when both sides have the chain, with the same name, policy and rules, word for word.
bool same_text(const ChainPair& pair);

}  // namespace rewall
