#pragma once

#include <chrono>
#include <csignal>

namespace rewall {

/// While it lives, Ctrl-C ends wait_for() instead of the program. A Ctrl-C before the wait ends the wait too,
/// because only ppoll(2) lets the signal through.
class InterruptHeard {
 public:
  InterruptHeard();
  InterruptHeard(const InterruptHeard&) = delete;
  InterruptHeard& operator=(const InterruptHeard&) = delete;
  ~InterruptHeard();

  enum class Came { input, interrupt, nothing };
  /// Waits for input at `fd` or for Ctrl-C, at most `wait`, or for ever if it is null.
  Came wait_for(int fd, const std::chrono::milliseconds* wait = nullptr) const;

 private:
  struct sigaction before_ {};
  sigset_t mask_{};
};

}  // namespace rewall
