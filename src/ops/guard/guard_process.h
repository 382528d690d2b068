#pragma once

#include <filesystem>
#include <string>

#include "ops/context/session.h"

namespace rewall {

/// Runs the process of the guard `id` until the guard ends, and returns the exit status. The process holds
/// `.git/rewall/guard.lock`, sleeps until the deadline, warns the terminals 60 s before it, and fires. After
/// a failure it fires again every 5 s. SIGUSR1 makes the process read the guard again; it ignores the signals
/// that end a session.
int keep_guard(const std::filesystem::path& repository, const std::string& id,
               const SessionFactory& make_session);

}  // namespace rewall
