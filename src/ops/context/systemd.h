#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "kernel/process.h"

namespace rewall {

// Calls to the service manager. Each is complete when it returns; a unit that was started lives on.

/// Sends lines like "READY=1" to the service manager (sd_notify(3)). Does nothing where NOTIFY_SOCKET is not
/// set.
void notify_manager(std::string_view lines);

/// The interval at which this process sends "WATCHDOG=1": half of WATCHDOG_USEC (sd_watchdog_enabled(3)).
/// Absent where the manager does not watch this process.
std::optional<std::chrono::milliseconds> watchdog_interval();

/// True where systemd is the service manager and runs in this network namespace: units run in the namespace
/// of systemd.
bool at_systemd();

/// Starts a program as a transient unit (systemd-run(1)). The unit outlives the service that this process
/// belongs to, and does not share its sandbox. `options` are those of systemd-run. Every user can read the
/// options and the command's environment. False where systemd does not run the program; the reason is logged.
bool start_unit(std::vector<std::string> options, const Command& command);

/// Stops a unit and waits for nothing. Does nothing where systemd is not the service manager.
void stop_unit(const std::string& name);

/// Variables ("NAME=value") as the text of a file for EnvironmentFile= (systemd.exec(5)), which other users
/// cannot read.
std::string environment_file(const std::vector<std::string>& variables);

}  // namespace rewall
