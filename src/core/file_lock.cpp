#include "core/file_lock.h"

#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace rewall {

namespace {

constexpr std::chrono::milliseconds kPoll{20};  // flock(2) knows no deadline

}  // namespace

int lock_file(int fd, std::chrono::milliseconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK && error != EINTR) return error;
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) return EWOULDBLOCK;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, kPoll));
  }
  return 0;
}

void unlock_file(int fd) {
  ::flock(fd, LOCK_UN);
}

}  // namespace rewall
