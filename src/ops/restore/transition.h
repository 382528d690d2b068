#pragma once

#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "diff/diff.h"
#include "rules/ruleset.h"

namespace rewall {

/// A table of one family on one backend, or a set: what a restore changes as one.
using Place = std::tuple<std::optional<Family>, std::optional<Backend>, std::string, std::string>;
using Places = std::set<Place>;

Place place_of(const Change& change);

/// Where two rulesets differ: by their words, and by what they mean.
struct Differing {
  Places words{};
  Places meaning{};
};

/// What a restore does to LIVE.
struct Transition {
  Transition() = default;
  Transition(Ruleset from, Ruleset to);

  Ruleset before{};
  Ruleset wanted{};
  Differing change{};  ///< between the two
};

enum class Side { before, wanted, mix };

/// Which of the two LIVE is in the places of the change; what others changed elsewhere is no matter.
Side side_of(const Transition& transition, const Ruleset& live);

/// True when some place, that undone() would overwrite, holds what is in neither of the two.
bool holds_more(const Transition& transition, const Ruleset& live);

/// LIVE without the sets that rewall fills aside (kernel/set_loader.h).
Ruleset without_helpers(Ruleset live, const Transition& transition);

/// The same with the old tables and sets in the places of the change. Where LIVE's backend is not the old
/// one, all is as before.
Ruleset undone(const Transition& transition, const Ruleset& live);

}  // namespace rewall
