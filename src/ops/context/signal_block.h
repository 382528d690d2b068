#pragma once

#include <csignal>

namespace rewall {

/// Blocks the signals that end or stop a command, as long as the object lives: a Ctrl-C or a lost terminal
/// between two tables must not leave a part of each ruleset. Applies to the calling thread and the threads
/// that it starts.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE}) ::sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;
  ~SignalBlock() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace rewall
