#include "ops/context/pid_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <future>

#include "support/forked_process.h"
#include "support/temporary_folder.h"

using namespace rewall;

TEST_CASE("one process is at a work at a time, and is known by the work's name") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  CHECK(PidLock::process(path, "gc") == 0);
  const auto working = PidLock::begin(path, "gc");
  REQUIRE(working);
  CHECK(PidLock::process(path, "gc") == ::getpid());
  CHECK(PidLock::process(path, "watch") == 0);
  CHECK_FALSE(PidLock::begin(path, "gc"));
}

TEST_CASE("work that has ended is at an end, though a process that was forked meanwhile lives") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  auto working = PidLock::begin(path, "gc");
  REQUIRE(working);
  const ForkedProcess forked;
  working.reset();
  CHECK(PidLock::process(path, "gc") == 0);
  CHECK(PidLock::begin(path, "gc"));
}

TEST_CASE("work begins although another process just looks who is at it") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  REQUIRE(PidLock::begin(path, "gc"));
  Fd looks(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(::flock(looks.get(), LOCK_SH) == 0);
  auto beginning = std::async(std::launch::async, [&] { return PidLock::begin(path, "gc"); });
  // Who gives up does so at once.
  beginning.wait_for(std::chrono::milliseconds(100));
  looks.reset();
  CHECK(beginning.get());
}
