#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// The chains that have another name in the newer table: old name to new name.
using Renames = std::map<std::string, std::string, std::less<>>;

/// Finds the chains of `gone` that live on in `added` under a new name: a chain with the same rules by
/// meaning, or else the only chain that has at least 60 % of the rules. A jump to a renamed chain is no
/// difference.
Renames find_renames(const std::vector<const Chain*>& gone, const std::vector<const Chain*>& added,
                     Family family);

/// True when the words may jump to a renamed chain. Cheap.
bool names_renamed(std::string_view words, const Renames& renames);

/// The words of a rule with the new names of the chains it jumps to, quoted as iptables-save does.
std::string renamed_words(std::string_view words, const Renames& renames);

}  // namespace rewall
