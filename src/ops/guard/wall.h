#pragma once

#include <string>

#include "ops/context/identity.h"

namespace rewall {

/// Writes a line, with the host and the time before it, to the terminals of all users who are logged in
/// (wall(1)), to the terminals of `actor` that wall does not reach, and to the system log (syslog(3)). With
/// `loud` also writes to the console, and logs an alert instead of a warning. Takes at most 5 s; failures are
/// ignored.
void notify_terminals(const std::string& text, const Actor& actor, bool loud = false);

}  // namespace rewall
