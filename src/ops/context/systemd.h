#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "kernel/process.h"

namespace rewall {

/// What a service tells its manager (sd_notify(3)): lines like "READY=1". Nothing where nobody listens.
void notify_manager(std::string_view lines);

/// How often the manager wants to hear "WATCHDOG=1" of this process: half of WATCHDOG_USEC
/// (sd_watchdog_enabled(3)); absent where it does not.
std::optional<std::chrono::milliseconds> watchdog_interval();

/// True where systemd is the service manager, in this network namespace: its units live in that one.
bool at_systemd();

/// Has systemd run a program, as a transient unit (systemd-run(1)) that outlives whatever service this
/// process is a part of, and is not shut in with it. `options` are systemd-run's. Everybody can read what
/// they and the command's environment say. False, and said, where that cannot be.
bool start_unit(std::vector<std::string> options, const Command& command);

/// "NAME=value" as a file of EnvironmentFile= has them (systemd.exec(5)): others need not read that.
std::string environment_file(const std::vector<std::string>& variables);

}  // namespace rewall
