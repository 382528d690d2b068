#include "kernel/namespace.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <latch>
#include <stdexcept>

#include "core/parallel.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

ino_t this_namespace() {
  struct stat facts {};
  REQUIRE(stat("/proc/thread-self/ns/net", &facts) == 0);
  return facts.st_ino;
}

/// While it lives, this process can have no more threads.
class NoMoreThreads {
 public:
  NoMoreThreads() {
    while (auto thread = start_thread("held", [this] { end_.wait(); })) held_.push_back(*std::move(thread));
  }
  NoMoreThreads(const NoMoreThreads&) = delete;
  NoMoreThreads& operator=(const NoMoreThreads&) = delete;
  ~NoMoreThreads() {
    end_.count_down();
    for (auto& thread : held_) thread.join();
  }

 private:
  std::latch end_{1};
  std::vector<std::thread> held_{};
};

}  // namespace

TEST_CASE("work and the programs that it starts are inside, and the caller stays outside") {
  const auto scratch = scratch_namespace();
  const ino_t outside = this_namespace();
  ino_t inside = 0;
  std::string program;
  REQUIRE(scratch.run([&] {
    inside = this_namespace();
    program = shell("stat -L -c %i /proc/self/ns/net");
  }));
  CHECK(inside != outside);
  CHECK(program == std::to_string(inside) + "\n");
  CHECK(this_namespace() == outside);
}

TEST_CASE("a namespace keeps its rules between two runs") {
  const auto scratch = scratch_namespace();
  REQUIRE(scratch.run([] { shell("iptables-nft -A INPUT -j ACCEPT"); }));
  REQUIRE(
      scratch.run([] { CHECK(shell("iptables-nft -S INPUT") == "-P INPUT ACCEPT\n-A INPUT -j ACCEPT\n"); }));
}

TEST_CASE("what the work throws arrives at the caller") {
  const auto scratch = scratch_namespace();
  CHECK_THROWS_AS(static_cast<void>(scratch.run([] { throw std::runtime_error("broken"); })),
                  std::runtime_error);
}

TEST_CASE("without another thread the caller does the work inside, and comes back") {
  const ino_t outside = this_namespace();
  const NoMoreThreads none;
  const auto made = ScratchNamespace::create();
  REQUIRE(made);
  CHECK(this_namespace() == outside);
  ino_t inside = 0;
  REQUIRE(made->run([&] { inside = this_namespace(); }));
  CHECK(inside != 0);
  CHECK(inside != outside);
  CHECK(this_namespace() == outside);
  CHECK_THROWS_AS(static_cast<void>(made->run([] { throw std::runtime_error("broken"); })),
                  std::runtime_error);
  CHECK(this_namespace() == outside);
}

TEST_CASE("without another thread the firewall is still read, and staged") {
  in_lab([] {
    shell("iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT");
    const NoMoreThreads none;
    const auto firewall = host_firewall();
    firewall->expect_stage();
    const auto live = firewall->capture(BackendChoice::automatic);
    REQUIRE(live);
    CHECK(print_tables(live->ruleset.v4).find("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n") !=
          std::string::npos);
    const auto staged = firewall->stage(live->ruleset, nullptr);
    REQUIRE(staged);
    CHECK(shell("iptables-nft -S INPUT") == "-P INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n");
  });
}
