#include "ui/ask.h"

#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <string>

using namespace rewall;

namespace {

// Whether a process is in write(2): proc(5), /proc/PID/syscall.
bool writes(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/syscall");
  std::string number;
  return file >> number && number == "1";
}

}  // namespace

TEST_CASE("a Ctrl-C that comes while the question is still being written is its answer") {
  int ours = -1;
  int theirs = -1;
  REQUIRE(::openpty(&ours, &theirs, nullptr, nullptr, nullptr) == 0);
  ::tcflow(theirs, TCOOFF);  // as Ctrl-S does: who writes waits
  const pid_t process = ::fork();
  REQUIRE(process >= 0);
  if (process == 0) {
    ::setsid();
    ::ioctl(theirs, TIOCSCTTY, 0);
    ::alarm(30);
    auto conversation = Conversation::open();
    if (!conversation) ::_exit(1);
    ::_exit(conversation->ask("Apply? ", {"yes", "no"}, "no").front());
  }
  while (!writes(process)) ::usleep(1000);
  ::kill(process, SIGINT);
  ::tcflow(theirs, TCOON);
  int status = 0;
  ::waitpid(process, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 'n');
  ::close(ours);
  ::close(theirs);
}
