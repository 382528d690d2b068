#pragma once

#include <future>
#include <memory>

#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/programs.h"
#include "kernel/scratch.h"

namespace rewall {

using ScratchMade = Result<std::shared_ptr<Scratch>>;

/// Made in a thread of its own. Kind permission without the privilege for a namespace.
std::future<ScratchMade> make_scratch();

/// Firewall::stage, for the namespace of the calling thread.
Result<Staged> stage(Programs& programs, const Ruleset& wanted, const Ruleset* live, const FileNames& names,
                     std::future<ScratchMade> ready = make_scratch());

}  // namespace rewall
