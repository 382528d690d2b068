#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "analysis/conditions.h"

namespace rewall {

/// The place of a chain in the rule's table; absent for none.
using FindChain = std::function<std::optional<std::size_t>(std::string_view)>;

/// What the target of a rule does. A target that cannot be read is unknown.
RuleAction read_action(const std::optional<Target>& target, const Surroundings& around,
                       const FindChain& find);

/// True for an action that ends the packet's way through the table or leads it elsewhere, or changes what
/// later rules can ask for; false where it makes no difference whether the rule matches.
bool matters(const RuleAction& action);

}  // namespace rewall
