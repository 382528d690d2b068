#include "core/file_lock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <latch>
#include <string>

#include "core/file.h"
#include "core/parallel.h"
#include "support/forked_process.h"

using namespace rewall;

namespace {

constexpr std::chrono::milliseconds kAtOnce{0};

/// A file without content, removed with the object. Each open() has a lock of its own.
class EmptyFile {
 public:
  EmptyFile() { ::close(::mkstemp(name_.data())); }
  EmptyFile(const EmptyFile&) = delete;
  EmptyFile& operator=(const EmptyFile&) = delete;
  ~EmptyFile() { ::unlink(name_.c_str()); }
  Fd open() const { return Fd(::open(name_.c_str(), O_RDWR | O_CLOEXEC)); }

 private:
  std::string name_ = "/tmp/rewall-lock-XXXXXX";
};

}  // namespace

TEST_CASE("a file lock is one holder's at a time, and free when it is given back or closed") {
  const EmptyFile file;
  Fd first = file.open();
  const Fd second = file.open();
  REQUIRE(lock_file(first.get(), kAtOnce) == 0);
  CHECK(lock_file(second.get(), kAtOnce) == EWOULDBLOCK);
  CHECK(lock_file(second.get(), std::chrono::milliseconds(30)) == EWOULDBLOCK);
  unlock_file(first.get());
  REQUIRE(lock_file(second.get(), kAtOnce) == 0);
  unlock_file(second.get());
  REQUIRE(lock_file(first.get(), kAtOnce) == 0);
  first.reset();
  CHECK(lock_file(second.get(), kAtOnce) == 0);
}

TEST_CASE("who waits for a file lock gets it when it is given back") {
  const EmptyFile file;
  const Fd first = file.open();
  const Fd second = file.open();
  REQUIRE(lock_file(first.get(), kAtOnce) == 0);
  std::latch waiting(1);
  auto other = beside("waiter", ErrorKind::repository, [&] {
    waiting.count_down();
    return lock_file(second.get(), std::chrono::minutes(1));
  });
  waiting.wait();
  unlock_file(first.get());
  CHECK(other.get().value() == 0);
}

TEST_CASE("a forked process holds the file lock too, unless the lock is given back") {
  const EmptyFile file;
  Fd first = file.open();
  const Fd second = file.open();
  REQUIRE(lock_file(first.get(), kAtOnce) == 0);
  const ForkedProcess forked;
  first.reset();
  CHECK(lock_file(second.get(), kAtOnce) == EWOULDBLOCK);
}

TEST_CASE("a descriptor that is no file cannot be locked, and the reason is told") {
  CHECK(lock_file(-1, kAtOnce) == EBADF);
}
