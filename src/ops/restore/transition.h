#pragma once

#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "diff/diff.h"
#include "rules/ruleset.h"

namespace rewall {

/// A table of one family on one backend, or a set: the smallest part that a restore replaces whole. Family,
/// backend and table, or the name of the set.
using Place = std::tuple<std::optional<Family>, std::optional<Backend>, std::string, std::string>;
using Places = std::set<Place>;

/// The place that a change of a diff belongs to.
Place place_of(const Change& change);

/// The places in which two rulesets differ. A value.
struct Differing {
  Places words{};    ///< by their canonical text
  Places meaning{};  ///< by meaning
};

/// The change that a restore makes: the old ruleset, the wanted one, and where they differ. A value.
struct Transition {
  Transition() = default;
  Transition(Ruleset from, Ruleset to);

  Ruleset before{};
  Ruleset wanted{};
  Differing change{};  ///< between the two
};

enum class Side { before, wanted, mix };

/// Which of the two rulesets LIVE equals in the places of the change. Other places do not count: other
/// programs may have changed them.
Side side_of(const Transition& transition, const Ruleset& live);

/// True when undone() would overwrite a place that differs from both rulesets.
bool holds_more(const Transition& transition, const Ruleset& live);

/// LIVE without the temporary sets that a load fills (kernel/set_loader.h).
Ruleset without_helpers(Ruleset live, const Transition& transition);

/// LIVE without the temporary sets, and with the old tables and sets in the places of the change. Where LIVE
/// uses another backend than the old ruleset, the whole old ruleset.
Ruleset undone(const Transition& transition, const Ruleset& live);

}  // namespace rewall
