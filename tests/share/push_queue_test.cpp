// The queue of pushes by its own clock, with a real git and a folder as the remote.
#include "ops/remote/push_queue.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>

#include "ops/remote/push_worker.h"
#include "support/store.h"
#include "support/temporary_folder.h"

namespace rewall {
namespace {

using test::git;
using test::must;
namespace fs = std::filesystem;

// Time passes when somebody waits for it; something may happen then.
class TestClock : public PushClock {
 public:
  std::int64_t now() override { return now_; }
  void wait_until(std::int64_t time) override {
    if (meanwhile) meanwhile(now_);
    waits.push_back(time - now_);
    now_ = time;
  }

  std::function<void(std::int64_t)> meanwhile{};
  std::vector<std::int64_t> waits{};

 private:
  std::int64_t now_ = rewall::now().seconds;
};

struct Fixture {
  Fixture() {
    must(repository.add_remote("origin", remote.string()));
    must(must(Settings::open(repository)).set("push.auto", "true"));
    test::record(repository, "1");
    queue_push(repository);
  }
  void bring_server() const {
    fs::create_directory(remote);
    git(remote, {"init", "-q", "--bare", "."});
    // What the remote is sent is what its log says.
    git(remote, {"config", "core.logAllRefUpdates", "always"});
  }
  std::vector<std::string> arrived() const {
    const auto lines = git(remote, {"log", "-g", "--format=%H", "hosts/web1"});
    std::vector<std::string> hashes;
    for (const auto line : split_lines(lines)) hashes.emplace_back(line);
    return hashes;
  }

  TemporaryFolder folder{};
  fs::path remote = folder.path() / "remote.git";
  Repository repository = must(Repository::init(folder.path() / "repo", "web1"));
  fs::path queue = repository.state_path() / "push";
};

}  // namespace

TEST_CASE("a push that fails is tried again later and later, never all hosts at once", "[queue]") {
  CHECK(back_off(1, 0) == std::chrono::seconds(30));
  CHECK(back_off(2, 0) == std::chrono::seconds(60));
  CHECK(back_off(7, 0) == std::chrono::seconds(1920));
  CHECK(back_off(8, 0) == std::chrono::hours(1));
  CHECK(back_off(1000, 0) == std::chrono::hours(1));
  CHECK(back_off(1, 1) == std::chrono::seconds(15));
  CHECK(back_off(8, 0.5) == std::chrono::minutes(45));
}

TEST_CASE("the server is away for an hour and back: everything arrives, in order", "[queue]") {
  Fixture host;
  TestClock clock;
  const auto begin = clock.now();
  int port = 1;
  clock.meanwhile = [&](std::int64_t time) {
    if (time - begin < 3600) {
      test::record(host.repository, std::to_string(++port));
      queue_push(host.repository);
    } else if (!fs::exists(host.remote)) {
      const auto waiting = read_push_queue(host.repository.state_path());
      REQUIRE(waiting);
      CHECK(waiting->tries >= 6);
      CHECK(waiting->why.find("does not appear to be a git repository") != std::string::npos);
      host.bring_server();
    }
  };
  must(work_off_push_queue(host.folder.path() / "repo", clock));
  REQUIRE(port >= 6);
  CHECK(git(host.remote, {"rev-parse", "hosts/web1"}) == must(host.repository.head()));
  CHECK(git(host.remote, {"log", "--format=%s", "--reverse", "hosts/web1"}) ==
        git(host.folder.path() / "repo", {"log", "--format=%s", "--reverse"}));
  CHECK(git(host.remote, {"rev-list", "--count", "hosts/web1"}) == std::to_string(port));
  // All of them in one push, and nothing waits any more.
  CHECK(host.arrived().size() == 1);
  CHECK_FALSE(fs::exists(host.queue));
  test::require_whole(host.folder.path() / "repo");
}

TEST_CASE("a queue outlives the process that worked it off, and one that is damaged is worked off at once",
          "[queue]") {
  Fixture host;
  TestClock clock;
  struct Gone {};
  clock.meanwhile = [&](std::int64_t) {
    if (clock.waits.size() == 3) throw Gone{};
  };
  CHECK_THROWS_AS(work_off_push_queue(host.folder.path() / "repo", clock), Gone);
  const auto left = read_push_queue(host.repository.state_path());
  REQUIRE(left);
  CHECK(left->tries == 3);
  host.bring_server();
  test::put(host.queue, "nothing that it could be");
  TestClock later;
  must(work_off_push_queue(host.folder.path() / "repo", later));
  CHECK(host.arrived().size() == 1);
  CHECK_FALSE(fs::exists(host.queue));
}

TEST_CASE("what was queued while the clock was ahead does not wait for that time", "[queue]") {
  Fixture host;
  host.bring_server();
  const auto ahead = std::to_string(now().seconds + 400'000'000);
  test::put(host.queue, "push 1\nsince " + ahead + " 0\ntries 0\nnext " + ahead + "\nend\n");
  TestClock clock;
  must(work_off_push_queue(host.folder.path() / "repo", clock));
  CHECK(clock.waits.empty());
  CHECK(host.arrived().size() == 1);
}

TEST_CASE("without push.auto nothing is queued, and what was is forgotten", "[queue]") {
  Fixture host;
  must(must(Settings::open(host.repository)).set("push.auto", "false"));
  host.bring_server();
  TestClock clock;
  must(work_off_push_queue(host.folder.path() / "repo", clock));
  CHECK(git(host.remote, {"for-each-ref"}).empty());
  test::record(host.repository, "2");
  queue_push(host.repository);
  CHECK_FALSE(fs::exists(host.queue));
}

}  // namespace rewall
