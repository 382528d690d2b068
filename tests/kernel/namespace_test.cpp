#include "kernel/namespace.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <stdexcept>

#include "support/kernel_lab.h"

using namespace rewall;

namespace {

ino_t this_namespace() {
  struct stat facts {};
  REQUIRE(stat("/proc/thread-self/ns/net", &facts) == 0);
  return facts.st_ino;
}

}  // namespace

TEST_CASE("work and the programs that it starts are inside, and the caller stays outside") {
  const auto scratch = scratch_namespace();
  const ino_t outside = this_namespace();
  ino_t inside = 0;
  std::string program;
  scratch.run([&] {
    inside = this_namespace();
    program = shell("stat -L -c %i /proc/self/ns/net");
  });
  CHECK(inside != outside);
  CHECK(program == std::to_string(inside) + "\n");
  CHECK(this_namespace() == outside);
}

TEST_CASE("a namespace keeps its rules between two runs") {
  const auto scratch = scratch_namespace();
  scratch.run([] { shell("iptables-nft -A INPUT -j ACCEPT"); });
  scratch.run([] { CHECK(shell("iptables-nft -S INPUT") == "-P INPUT ACCEPT\n-A INPUT -j ACCEPT\n"); });
}

TEST_CASE("what the work throws arrives at the caller") {
  const auto scratch = scratch_namespace();
  CHECK_THROWS_AS(scratch.run([] { throw std::runtime_error("broken"); }), std::runtime_error);
}
