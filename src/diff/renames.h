#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// Chains that have another name in the newer table: old name to new name.
using Renames = std::map<std::string, std::string, std::less<>>;

/// Which of the chains that are gone live on under a new name: those with the same rules by meaning, and
/// those where at least 60 % of the rules are and no other chain comes into question. A jump to a renamed
/// chain is no difference.
Renames find_renames(const std::vector<const Chain*>& gone, const std::vector<const Chain*>& added,
                     Family family);

/// True when the words may jump to a chain that has a new name; cheap.
bool names_renamed(std::string_view words, const Renames& renames);

/// The words of a rule with the new names of the chains it jumps to, quoted as iptables-save does.
std::string renamed_words(std::string_view words, const Renames& renames);

}  // namespace rewall
