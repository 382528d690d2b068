#include "core/proc.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

using namespace rewall;

TEST_CASE("a process that has ended lives no more, whether or not its parent has waited for it") {
  CHECK(lives(::getpid()));
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    while (true) ::pause();
  }
  CHECK(lives(child));
  ::kill(child, SIGKILL);
  siginfo_t ended{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(lives(child));
  ::waitpid(child, nullptr, 0);
  CHECK_FALSE(lives(child));
}
