#pragma once

#include <chrono>
#include <csignal>

namespace rewall {

/// While it lives Ctrl-C ends a wait, not the program, whenever it comes: one that came before the wait ends
/// it too (signals are let through by ppoll(2) alone).
class InterruptHeard {
 public:
  InterruptHeard();
  InterruptHeard(const InterruptHeard&) = delete;
  InterruptHeard& operator=(const InterruptHeard&) = delete;
  ~InterruptHeard();

  enum class Came { input, interrupt, nothing };
  /// What comes first at `fd`; without `wait`, as long as it takes.
  Came wait_for(int fd, const std::chrono::milliseconds* wait = nullptr) const;

 private:
  struct sigaction before_ {};
  sigset_t mask_{};
};

}  // namespace rewall
