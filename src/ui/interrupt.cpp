#include "ui/interrupt.h"

#include <poll.h>

namespace rewall {

InterruptHeard::InterruptHeard() {
  sigset_t interrupt;
  ::sigemptyset(&interrupt);
  ::sigaddset(&interrupt, SIGINT);
  ::sigprocmask(SIG_BLOCK, &interrupt, &mask_);
  struct sigaction hear {};
  hear.sa_handler = [](int) {};
  ::sigaction(SIGINT, &hear, &before_);
}

InterruptHeard::~InterruptHeard() {
  ::sigaction(SIGINT, &before_, nullptr);
  ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
}

InterruptHeard::Came InterruptHeard::wait_for(int fd, const std::chrono::milliseconds* wait) const {
  timespec time{};
  if (wait != nullptr)
    time = {.tv_sec = wait->count() / 1000, .tv_nsec = static_cast<long>(wait->count() % 1000) * 1000000};
  sigset_t mask = mask_;
  ::sigdelset(&mask, SIGINT);
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  const int found = ::ppoll(&ready, 1, wait != nullptr ? &time : nullptr, &mask);
  if (found == 0) return Came::nothing;
  return found < 0 ? Came::interrupt : Came::input;
}

}  // namespace rewall
