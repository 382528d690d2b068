#pragma once

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// Makes LIVE, which is `live`, `target`: what was in force once. What cannot be staged is loaded table by
/// table. The errors are those of Firewall::load.
Status put_in_force_again(Session& session, const Ruleset& target, const Capture& live);

}  // namespace rewall
