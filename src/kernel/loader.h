#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/programs.h"
#include "kernel/table_loader.h"
#include "rules/ruleset.h"

namespace rewall {

/// The groups of a ruleset: both families of its backend, then both of the legacy backend where the ruleset
/// has legacy rules beside those of nft.
std::vector<BackendTables> tables_by_backend(const Ruleset& ruleset, const FileNames& names = {});

/// Firewall::load() for the namespace of the calling thread.
Result<Loaded> load(Programs& programs, const Staged& staged, const Ruleset& live,
                    const std::optional<Generation>& generation);

/// Firewall::check() for the namespace of the calling thread.
Status check(Programs& programs, const Staged& staged, const Ruleset* live,
             const std::optional<Generation>& generation);

/// Firewall::load_anew() for the namespace of the calling thread.
Status load_anew(Programs& programs, const Staged& staged);

}  // namespace rewall
