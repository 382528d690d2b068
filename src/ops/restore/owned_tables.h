#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "ops/context/session.h"
#include "ops/restore/restore_options.h"
#include "rules/ruleset.h"

namespace rewall {

/// Makes those tables of `wanted` that a process owns what they are in `live` (nft's `flags owner`), and adds
/// a line for each to `notes`. Tables that `options` leave out are not spoken of. Kind refused: such a table
/// is all that `options` ask for. The errors of Firewall::owned_tables().
Result<LeftToOwners> leave_to_owners(Session& session, Ruleset& wanted, const Ruleset& live,
                                     std::vector<std::string>& notes, const RestoreOptions& options = {});

/// "the old ruleset (snapshot 1a2b3c4d5e), but for table ip filter, which process nft (1234) owns,": what is
/// in force.
std::string but_for(const std::string& what, const LeftToOwners& left);

}  // namespace rewall
