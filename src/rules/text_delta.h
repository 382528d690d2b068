#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "rules/ruleset.h"

namespace rewall {

/// Two canonical texts (print.h) without the chains that they share word for word: enough for comparing them,
/// and read in the time that the change takes. A table whose own chains are not the same on both sides is
/// kept whole. Chains that they share, and rules of others lead to, are there without their rules.
std::pair<std::string, std::string> unlike_chains(std::string_view from, std::string_view to);

/// What two canonical texts do not share, from the first such line to the last, where these are rules of one
/// table alone. The rules point into the texts, and are counted from where the stretch begins.
struct DifferingStretch {
  Table from{};
  Table to{};
  std::string chain{};     ///< that the stretch begins in, or right behind
  std::size_t before = 0;  ///< its rules before that
};
std::optional<DifferingStretch> unlike_stretch(std::string_view from, std::string_view to);

/// True for a canonical text of rules: what a snapshot made by hand may lack.
bool is_canonical(std::string_view text);

/// The ruleset that was `whole` when its unlike chains were `from`, with `to` for them.
Ruleset with_unlike(Ruleset whole, const Ruleset& from, const Ruleset& to);

}  // namespace rewall
