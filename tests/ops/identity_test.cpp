#include "ops/context/identity.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>

using namespace rewall;

namespace {

/// A process that was started with this SSH_CONNECTION, for as long as the object lives.
class Login {
 public:
  explicit Login(const std::string& connection) {
    std::string variable = "SSH_CONNECTION=" + connection;
    std::string program = "/bin/sleep";
    std::string length = "600";
    const std::array<char*, 3> words{program.data(), length.data(), nullptr};
    const std::array<char*, 2> variables{variable.data(), nullptr};
    REQUIRE(::posix_spawn(&process_, words[0], nullptr, nullptr, words.data(), variables.data()) == 0);
    // exec(2) gives a process its new name before its new environment.
    while (variable_of(process_, "SSH_CONNECTION") != connection) ::usleep(1000);
  }
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;
  ~Login() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  pid_t process() const { return process_; }

 private:
  pid_t process_ = 0;
};

}  // namespace

TEST_CASE("what is known of an actor is told, and nothing of the rest") {
  CHECK(Actor{.user = "ann"}.text() == "ann");
  CHECK(Actor{.user = "ann", .tty = "pts/3"}.text() == "ann, pts/3");
  CHECK(Actor{.user = "ann", .address = "2001:db8::7"}.text() == "ann, 2001:db8::7");
  CHECK(Actor{.user = "ann", .tty = "pts/3", .address = "192.0.2.7"}.text() == "ann, pts/3, 192.0.2.7");
}

TEST_CASE("who logged in is behind a process, else the user that it runs as") {
  CHECK(actor_of({.login = 0, .user = 65534}).user == "root");
  CHECK(actor_of({.user = 0}).user == "root");
  CHECK(actor_of({.user = 0}).person.email == "root@" + host_name());
}

TEST_CASE("a user without a name is known by number") {
  const auto actor = actor_of({.user = 4000000001});
  CHECK(actor.user == "uid 4000000001");
  CHECK(actor.person.name == "uid 4000000001");
}

TEST_CASE("a process of which nothing is known has nobody behind it") {
  const auto actor = actor_of({.name = "gone", .tty = "pts/3"});
  CHECK(actor.text().empty());
  CHECK(actor.person.name == "unknown");
  CHECK(actor.person.email == "unknown@" + host_name());
}

TEST_CASE("a process comes perhaps from where the nearest process above it has its ssh connection from") {
  const Login login("192.0.2.7 50000 192.0.2.1 22");
  CHECK(actor_of({.parent = login.process(), .user = 0}).address == "192.0.2.7 (perhaps)");
  const Login other("2001:db8::7 50000 2001:db8::1 22");
  CHECK(actor_of({.parent = other.process(), .user = 0}).address == "2001:db8::7 (perhaps)");
  CHECK(actor_of({.parent = 1, .user = 0}).address.empty());
}

TEST_CASE("this process's own ssh connection tells its login from another") {
  ::setenv("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.1 22", 1);
  CHECK(ssh_connection() == "192.0.2.7 50000 192.0.2.1 22");
  CHECK(login_session() == "ssh 192.0.2.7 50000 192.0.2.1 22");
  CHECK(current_actor().address == "192.0.2.7 (perhaps)");
  ::unsetenv("SSH_CONNECTION");
  CHECK(ssh_connection() != "192.0.2.7 50000 192.0.2.1 22");
  CHECK_FALSE(login_session().empty());
}
