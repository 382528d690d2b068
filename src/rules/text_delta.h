#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "rules/ruleset.h"

namespace rewall {

/// Removes the chains that two canonical texts (print.h) share word for word. The rest is enough to compare
/// the texts, and parsing it takes time by the size of the change. A table that does not declare the same
/// chains on both sides stays whole. A shared chain that a remaining rule jumps to stays without its rules.
std::pair<std::string, std::string> differing_chains(std::string_view from, std::string_view to);

/// The lines from the first to the last difference of two canonical texts, where these are rules of one
/// table. The rules point into the texts; their positions count from the start of the stretch.
struct DifferingStretch {
  Table from{};
  Table to{};
  std::string chain{};     ///< the stretch begins in this chain, or right behind it
  std::size_t before = 0;  ///< the number of rules of `chain` before the stretch
};
std::optional<DifferingStretch> differing_stretch(std::string_view from, std::string_view to);

/// True for a canonical text of rules. The text of a snapshot that somebody made by hand may not be one.
bool is_canonical(std::string_view text);

/// `whole` with the chains `from`, which are a part of it, replaced by the chains `to`. The sets and the
/// backend are those of `to`. `from` and `to` are parsed from differing_chains().
Ruleset with_differing_chains(Ruleset whole, const Ruleset& from, const Ruleset& to);

}  // namespace rewall
