#pragma once

#include <memory>

#include "core/parallel.h"
#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/programs.h"
#include "kernel/scratch.h"

namespace rewall {

/// Scratch::make() on a thread beside the caller.
Task<std::shared_ptr<Scratch>> make_scratch();

/// Firewall::stage() for the namespace of the calling thread, in the scratch namespace `ready`. Where that is
/// an error of kind permission, the rules are only tested (iptables-restore --test).
Result<Staged> stage(Programs& programs, const Ruleset& wanted, const Ruleset* live, const FileNames& names,
                     Task<std::shared_ptr<Scratch>> ready = make_scratch());

}  // namespace rewall
