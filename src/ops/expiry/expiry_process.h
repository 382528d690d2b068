#pragma once

#include <filesystem>

#include "ops/context/session.h"

namespace rewall {

/// Runs the process that takes out what expires, and returns the exit status. The process holds
/// `.git/rewall/expire.lock` and sleeps until the next expiry is due, by the machine's clock, until none is
/// left; as a unit of systemd it does what is due and ends. After a failure it tries again every 5 s. SIGUSR1
/// makes it read the files again.
int keep_expiries(const std::filesystem::path& repository, const SessionFactory& make_session);

}  // namespace rewall
