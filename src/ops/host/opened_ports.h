#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/port_changes.h"
#include "rules/ruleset.h"
#include "store/repository.h"

namespace rewall {

/// The ports that the world can reach by the rules in force, and could not by the snapshot that the tag
/// `good` names, with the addresses that this host has now. `live` is LIVE; null where it equals the snapshot
/// `head`. The answer is remembered in `.git/rewall/opened`. Absent where there is no such tag, where
/// port_changes() has no answer, and where a snapshot cannot be read: who asks has others to say that.
std::optional<std::vector<PortChange>> opened_since_good(const Repository& repository,
                                                         const std::string& head, const Ruleset* live);

}  // namespace rewall
