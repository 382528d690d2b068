#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

namespace rewall {

/// A process that this one forks, as a library or another thread may at any time: the process has all
/// descriptors that are open now, and does nothing until the object is gone.
class ForkedProcess {
 public:
  ForkedProcess() : process_(::fork()) {
    if (process_ < 0) throw std::runtime_error("fork");
    if (process_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) ::pause();
  }
  ForkedProcess(const ForkedProcess&) = delete;
  ForkedProcess& operator=(const ForkedProcess&) = delete;
  ~ForkedProcess() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }

 private:
  pid_t process_;
};

}  // namespace rewall
