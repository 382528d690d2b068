#include "core/parallel.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <latch>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>

using namespace rewall;

namespace {

constexpr uid_t kNobody = 65534;

/// Runs `check` in a child process whose user may start no thread. True when `check` is.
template <class Check>
bool without_threads(const Check& check) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit none{};
    // The limit does not bind root.
    const bool limited = ::setrlimit(RLIMIT_NPROC, &none) == 0 && (::getuid() != 0 || ::setuid(kNobody) == 0);
    ::_exit(limited && !start_thread("none", [] {}) && check() ? 0 : 1);
  }
  int status = -1;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

TEST_CASE("a task runs on a thread of its own, whose name tools can see") {
  const auto caller = ::pthread_self();
  auto task = beside("reading the work tree", ErrorKind::repository, [&] {
    std::array<char, 16> name{};
    ::pthread_getname_np(::pthread_self(), name.data(), name.size());
    return std::pair(::pthread_equal(caller, ::pthread_self()) != 0, std::string(name.data()));
  });
  REQUIRE(task.valid());
  CHECK(task.get().value() == std::pair(false, std::string("reading the wor")));
  CHECK_FALSE(task.valid());
}

TEST_CASE("a task hands on the value or the error of its work") {
  CHECK(beside("sum", ErrorKind::kernel, []() -> Result<int> { return 5; }).get().value() == 5);
  const auto failed = beside("sum", ErrorKind::kernel, []() -> Result<int> {
                        return Error{.kind = ErrorKind::remote, .message = "no answer"};
                      }).get();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().kind == ErrorKind::remote);
  CHECK(failed.error().message == "no answer");
  CHECK(beside("nothing", ErrorKind::kernel, [] {}).get());
}

TEST_CASE("an exception of a task is an error of the kind that its owner names") {
  const auto thrown =
      beside("the sets", ErrorKind::capture, []() -> int { throw std::runtime_error("cut short"); }).get();
  REQUIRE_FALSE(thrown);
  CHECK(thrown.error().kind == ErrorKind::capture);
  CHECK(thrown.error().message == "the sets: cut short");
  const auto memory = beside("the sets", ErrorKind::capture, [] { throw std::bad_alloc(); }).get();
  CHECK(memory.error().message == "the sets: out of memory");
  const auto unknown = beside("the sets", ErrorKind::capture, [] { throw 7; }).get();
  CHECK(unknown.error().message == "the sets: unknown exception");
}

TEST_CASE("who drops a task waits for its work") {
  bool done = false;
  {
    std::latch dropped(1);
    const auto task = beside("slow", ErrorKind::kernel, [&] {
      dropped.wait();
      std::this_thread::yield();
      done = true;
    });
    dropped.count_down();
  }
  CHECK(done);
  auto replaced = beside("slow", ErrorKind::kernel, [&] { done = false; });
  replaced = {};
  CHECK_FALSE(done);
}

TEST_CASE("lanes take each item once, and each lane has a number of its own") {
  constexpr std::size_t kItems = 1000;
  std::vector<std::atomic<int>> taken(kItems);
  std::mutex guard;
  std::multiset<std::size_t> lanes;
  REQUIRE(share_out("counting", ErrorKind::repository, kItems, [&](Items& items, std::size_t lane) -> Status {
    {
      const std::lock_guard lock(guard);
      lanes.insert(lane);
    }
    while (const auto item = items.next()) ++taken[*item];
    return {};
  }));
  for (const auto& times : taken) CHECK(times == 1);
  CHECK(*lanes.rbegin() < lanes_for(kItems));
  CHECK(std::set(lanes.begin(), lanes.end()).size() == lanes.size());
}

TEST_CASE("there are never more lanes than items, and always one") {
  CHECK(lanes_for(0) == 1);
  CHECK(lanes_for(1) == 1);
  CHECK(lanes_for(1'000'000) <= kMostThreads);
  bool ran = false;
  CHECK(for_each_item("none", ErrorKind::kernel, 0, [&](std::size_t) -> Status {
    ran = true;
    return {};
  }));
  CHECK_FALSE(ran);
}

TEST_CASE("the first failure ends the sharing out and is its error") {
  std::atomic<std::size_t> done = 0;
  const auto shared = for_each_item("checking", ErrorKind::repository, 100'000, [&](std::size_t) -> Status {
    if (++done > 10) return Error{.kind = ErrorKind::refused, .message = "enough"};
    return {};
  });
  REQUIRE_FALSE(shared);
  CHECK(shared.error().message == "enough");
  CHECK(done < 10 + 1 + kMostThreads);
  const auto thrown = for_each_item("checking", ErrorKind::repository, 1,
                                    [](std::size_t) -> Status { throw std::runtime_error("torn"); });
  REQUIRE_FALSE(thrown);
  CHECK(thrown.error().message == "checking: torn");
}

TEST_CASE("more work than there may be threads is done all the same") {
  std::atomic<int> done = 0;
  std::latch all_begun(1);
  std::vector<Task<void>> tasks;
  for (std::size_t i = 0; i < kMostThreads; ++i)
    tasks.push_back(beside("waiting", ErrorKind::kernel, [&] {
      all_begun.wait();
      ++done;
    }));
  CHECK_FALSE(start_thread("one more", [] {}));
  const auto caller = std::this_thread::get_id();
  auto over = beside("one more", ErrorKind::kernel, [] { return std::this_thread::get_id(); });
  CHECK(over.get().value() == caller);
  all_begun.count_down();
  tasks.clear();
  CHECK(done == static_cast<int>(kMostThreads));
  // The threads that ended made room.
  auto thread = start_thread("again", [] {});
  REQUIRE(thread);
  thread->join();
}

TEST_CASE("where the system gives no thread the caller does the work") {
  CHECK(without_threads([] {
    const auto caller = std::this_thread::get_id();
    auto task = beside("alone", ErrorKind::kernel, [] { return std::this_thread::get_id(); });
    return task.get().value() == caller;
  }));
  CHECK(without_threads([] {
    auto task = beside("alone", ErrorKind::kernel, [] { throw std::bad_alloc(); });
    return task.get().error().message == "alone: out of memory";
  }));
  CHECK(without_threads([] {
    std::size_t items = 0;
    const auto shared = for_each_item("alone", ErrorKind::kernel, 1000, [&](std::size_t) -> Status {
      ++items;
      return {};
    });
    return shared && items == 1000;
  }));
}
