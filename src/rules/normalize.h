#pragma once

#include <string>

#include "rules/extensions.h"
#include "rules/rule.h"

namespace rewall {

/// A match in the one spelling that all spellings of it share: names of options and of the match (`state` is
/// `conntrack`), defaults spelled out, values as numbers where the kernel keeps numbers.
/// What cannot be read stays as it was written.
Match normal_form(Match match, Family family);
Target normal_form(Target target, Family family);

/// The value of one option in the spelling that all spellings of it share; `?` before what cannot be read.
/// `spec` is null for an option that rewall does not know.
std::string normal_value(const OptionSpec* spec, const Option& option, Family family);

}  // namespace rewall
