#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace rewall {

// What a process that works for a long time must not have of the one that happened to start it.

/// Raises the limits of this process (setrlimit(2)) to what a service has, as far as the kernel permits.
void raise_limits();

/// Gives this process what a service starts with, as far as the kernel permits: limits; no signal blocked or
/// ignored, but SIGXFSZ, so that a file that is too big is an error; the umask 077; an ordinary priority; and
/// the root of each hierarchy of control groups, unless systemd started the process: a group that is frozen,
/// or ends with a login, does not reach it. What is `vital` the killer of a full memory passes by (proc(5),
/// oom_score_adj).
void become_independent(bool vital);

/// The limit of this process that is too small for a process that records and restores rulesets, and that
/// cannot be raised: "the limit of file sizes (ulimit -f, 102400 bytes)". Absent where there is none.
std::optional<std::string> limit_too_small();

/// True for a process that does nothing until somebody lets it: stopped by a signal or a debugger, or in a
/// frozen control group.
bool is_stopped(pid_t process);

}  // namespace rewall
