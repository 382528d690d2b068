#pragma once

#include <chrono>
#include <optional>

namespace rewall {

/// When the ssh connection began through which this process was started, on the clock of boot_time()
/// (core/time.h): the start of the process that serves the connection, which holds its socket and is above
/// this one. A login over a connection that others share (ControlMaster, ssh_config(5)) is as old as the
/// connection. Absent without such a process: at the console, in tmux, for a job that outlived its login.
std::optional<std::chrono::milliseconds> connection_began();

}  // namespace rewall
