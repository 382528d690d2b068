#include "kernel/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <thread>

#include "core/file.h"
#include "core/proc.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

Outcome sh(const std::string& script, const std::string& input = {},
           std::chrono::milliseconds deadline = std::chrono::seconds(60)) {
  auto outcome =
      run({.words = {"/bin/sh", "-c", script}, .input = input, .deadline = deadline}, ErrorKind::usage);
  REQUIRE(outcome);
  return *std::move(outcome);
}

/// Waits until the process has ended. False when it goes on to live.
bool has_ended(pid_t process) {
  for (int i = 0; i < 6000 && lives(process); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return !lives(process);
}

}  // namespace

TEST_CASE("a program's streams and status come back apart") {
  const auto outcome = sh("cat; echo oops >&2; exit 3", "in");
  CHECK(outcome.out == "in");
  CHECK(outcome.err == "oops\n");
  CHECK(outcome.status == 3);
  CHECK(outcome.text() == "exit status 3: oops");
  CHECK_FALSE(outcome.ok());
}

TEST_CASE("words are never read by a shell") {
  const auto outcome = run({.words = {"/bin/echo", "$(id)", "a b", ";", ""}}, ErrorKind::usage);
  REQUIRE(outcome);
  CHECK(outcome->out == "$(id) a b ; \n");
}

TEST_CASE("megabytes go through a program that reads and writes at once") {
  const std::string input(8'000'000, 'x');
  CHECK(sh("cat", input).out == input);
}

TEST_CASE("a program that reads none of its input does no harm") {
  CHECK(sh("exit 0", std::string(5'000'000, 'x')).ok());
  CHECK(sh("exec <&-; exit 0", std::string(5'000'000, 'x')).ok());
}

TEST_CASE("a program that a signal ended says which") {
  const auto outcome = sh("kill -9 $$");
  CHECK(outcome.signal == 9);
  CHECK(outcome.status == 137);
  CHECK(outcome.text() == "killed by signal 9");
}

TEST_CASE("a program is killed at its deadline with all that it started") {
  auto deadline = std::chrono::milliseconds(200);
  auto outcome = sh("sleep 600 & echo $!; wait", {}, deadline);
  // On a busy machine the shell may not have come so far.
  while (outcome.out.empty()) outcome = sh("sleep 600 & echo $!; wait", {}, deadline *= 2);
  CHECK(outcome.timed_out);
  CHECK_FALSE(outcome.ok());
  CHECK(outcome.text() == "gave no answer within " + std::to_string(deadline.count()) + " ms");
  CHECK(has_ended(std::stoi(outcome.out)));
}

TEST_CASE("a program that closes its streams and stays is killed at its deadline") {
  CHECK(sh("exec >&- 2>&-; sleep 60", {}, std::chrono::milliseconds(200)).timed_out);
}

TEST_CASE("of standard error the beginning and the end are kept, and the listener gets all") {
  std::size_t heard = 0;
  const auto outcome =
      run({.words = {"/bin/sh", "-c",
                     "echo first >&2; yes | head -c 9000000 >&2; echo last >&2; yes | head -c 9000000"},
           .error_listener = [&](std::string_view piece) { heard += piece.size(); }},
          ErrorKind::usage);
  REQUIRE(outcome);
  CHECK(outcome->err.size() == 128 * 1024);
  CHECK(outcome->err.starts_with("first\ny\n"));
  CHECK(outcome->err.ends_with("y\nlast\n"));
  CHECK(heard == 9'000'011);
  CHECK(outcome->out.size() == 9'000'000);
}

TEST_CASE("a program that never stops to speak is killed at its deadline") {
  // The listener is slower than the program.
  const auto outcome =
      run({.words = {"/usr/bin/yes"},
           .listener = [](std::string_view) { std::this_thread::sleep_for(std::chrono::milliseconds(2)); },
           .deadline = std::chrono::milliseconds(200)},
          ErrorKind::usage);
  REQUIRE(outcome);
  CHECK(outcome->timed_out);
}

TEST_CASE("a program that is to end with this process does, with what it started") {
  for (const bool killed : {true, false}) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    const Fd reading(ends[0]);
    Fd writing(ends[1]);
    // A process of its own, which is killed while its program runs.
    const pid_t rewall = fork();
    REQUIRE(rewall >= 0);
    if (rewall == 0) {
      const auto tell = [&](std::string_view pid) { (void)!write(ends[1], pid.data(), pid.size()); };
      (void)run(
          {.words = {"/bin/sh", "-c", "sleep 600 & echo $!; wait"}, .listener = tell, .ends_with_us = killed},
          ErrorKind::usage);
      _exit(0);
    }
    std::array<char, 16> text{};
    REQUIRE(read(ends[0], text.data(), text.size() - 1) > 0);
    const pid_t sleeping = std::stoi(text.data());
    kill(rewall, SIGKILL);
    waitpid(rewall, nullptr, 0);
    CHECK((killed ? has_ended(sleeping) : lives(sleeping)));
    kill(sleeping, SIGKILL);
  }
}

TEST_CASE("a program that cannot be started is an error with its reason") {
  const auto missing = run({.words = {"/nonexistent/program"}}, ErrorKind::capture);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::capture);
  CHECK(missing.error().message == "/nonexistent/program: cannot be started: No such file or directory");
  const auto relative = run({.words = {"sh"}}, ErrorKind::capture);
  REQUIRE_FALSE(relative);
  CHECK(relative.error().message == "sh: not an absolute path");
}

TEST_CASE("programs run side by side") {
  // Each waits for what the other makes: one after the other they would never end.
  const OnlyPath folder;
  const std::string a = (folder.folder() / "a").string();
  const std::string b = (folder.folder() / "b").string();
  const auto meet = [](const std::string& mine, const std::string& other) {
    return Command{.words = {"/bin/sh", "-c", "mkdir $0; until [ -d $1 ]; do sleep 0.01; done", mine, other},
                   .deadline = std::chrono::seconds(20)};
  };
  const auto outcomes = run_side_by_side({meet(a, b), meet(b, a)}, ErrorKind::usage);
  REQUIRE(outcomes);
  CHECK((*outcomes)[0].ok());
  CHECK((*outcomes)[1].ok());
}

TEST_CASE("a program gets a clean environment and three descriptors") {
  setenv("REWALL_SECRET", "1", 1);
  CHECK(sh("env | cut -d= -f1 | grep -v -e '^PWD$' -e '^_$' -e '^SHLVL$' -e '^OLDPWD$' | sort").out ==
        "HOME\nLC_ALL\nPATH\n");
  unsetenv("REWALL_SECRET");
  const Fd inherited(open("/dev/null", O_RDONLY));  // without O_CLOEXEC
  CHECK(sh("ls /proc/$$/fd").out == "0\n1\n2\n");
}

TEST_CASE("a program is in a process group of its own and takes signals as usual") {
  const auto outcome = sh("[ $$ = $(cut -d' ' -f5 /proc/$$/stat) ]");
  CHECK(outcome.ok());
  const auto before = signal(SIGPIPE, SIG_IGN);
  CHECK(sh("kill -PIPE $$; exit 0").signal == SIGPIPE);
  signal(SIGPIPE, before);
}

TEST_CASE("programs are found in the sbin beside a bin, and never where others can write") {
  const OnlyPath path;
  const auto bin = path.folder() / "bin";
  const auto sbin = path.folder() / "sbin";
  std::filesystem::create_directories(bin);
  std::filesystem::create_directories(sbin);
  std::filesystem::create_symlink("/bin/true", sbin / "tool");
  CHECK(find_program("tool").empty());
  setenv("PATH", ("relative:" + bin.string()).c_str(), 1);
  CHECK(find_program("tool") == sbin / "tool");
  std::filesystem::permissions(sbin, std::filesystem::perms::all);
  CHECK(find_program("tool").empty());
}

TEST_CASE("without PATH the system's own folders are searched") {
  const OnlyPath path;
  unsetenv("PATH");
  CHECK_FALSE(find_program("sh").empty());
}
