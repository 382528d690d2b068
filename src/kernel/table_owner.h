#pragma once

#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "rules/ruleset.h"

namespace rewall {

/// Firewall::owned_tables() for the namespace of the calling thread.
Result<std::vector<OwnedTable>> list_owned_tables();

/// Takes the table out of the ruleset, whichever form it has.
void remove_table(Ruleset& ruleset, const OwnedTable& table);

}  // namespace rewall
