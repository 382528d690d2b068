#pragma once

#include <string>

#include "ops/context/identity.h"

namespace rewall {

/// Says it on the terminals of everybody who is logged in (wall(1)), on those of `actor` that wall does not
/// know of, and in the system's log (syslog(3)); what cannot be told is passed over. With `loud` the console
/// hears it too, and the log has it as an alert.
void notify_terminals(const std::string& text, const Actor& actor, bool loud = false);

}  // namespace rewall
