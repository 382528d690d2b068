#pragma once

#include <chrono>

namespace rewall {

/// Locks an open file for this process alone (flock(2), LOCK_EX), and waits at most `wait` for others to give
/// the lock back. Returns 0 with the lock, EWOULDBLOCK when others still have it, else the errno of flock().
///
/// Programs and forked processes that have the descriptor hold the lock too: it is free when the last of them
/// has closed the descriptor, or when one has called unlock_file().
int lock_file(int fd, std::chrono::milliseconds wait);

/// Gives the lock back, also for every process that was forked meanwhile and has the descriptor.
void unlock_file(int fd);

}  // namespace rewall
