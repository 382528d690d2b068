#pragma once

#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/programs.h"

namespace rewall {

/// Firewall::stage, for the namespace of the calling thread.
Result<Staged> stage(Programs& programs, const Ruleset& wanted, const Ruleset* live, const FileNames& names);

}  // namespace rewall
