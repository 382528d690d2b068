#pragma once

#include <set>
#include <string>
#include <tuple>

#include "rules/ruleset.h"

namespace rewall {

/// The chains, sets and parts of native tables that a change touched, and how it left them. A value.
struct Parts {
  using ChainKey = std::tuple<Slot, std::string, std::string>;  ///< slot, table, chain
  std::set<ChainKey> chains{};
  std::set<std::string> sets{};
  using NativeKey = std::tuple<std::string, std::string, std::string>;  ///< title of the table, kind, name
  std::set<NativeKey> native{};
  Ruleset left{};           ///< the whole ruleset after the change
  bool with_later = false;  ///< what owners changed of them since goes too
};

/// The chains and sets of which `from` and `to` have another text, or which only one of them has. Both keep
/// their rules on the same backends.
Parts differing_parts(const Ruleset& from, Ruleset to);

/// `base` with the parts as `wanted` has them. A built-in chain that `wanted` lacks becomes empty, with the
/// policy ACCEPT; another one is removed.
Ruleset with_parts(Ruleset base, const Ruleset& wanted, const Parts& parts);

/// Those of the parts that are not as the change left them: somebody changed them since.
Parts left_otherwise(const Parts& parts, const Ruleset& live);

}  // namespace rewall
