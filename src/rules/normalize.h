#pragma once

#include <string>

#include "rules/extensions.h"
#include "rules/rule.h"

namespace rewall {

/// Rewrites a match to the one spelling that all its spellings share: it renames the match and its options
/// (`state` becomes `conntrack`), adds defaults, and turns values into numbers where the kernel keeps
/// numbers. A value that cannot be read stays as it is.
Match normal_form(Match match, Family family);
Target normal_form(Target target, Family family);

/// The value of an option in the one spelling that all its spellings share; with a `?` before it when it
/// cannot be read. `spec` is null for an option that rewall does not know.
std::string normal_value(const OptionSpec* spec, const Option& option, Family family);

}  // namespace rewall
