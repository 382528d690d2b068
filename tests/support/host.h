#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text.h"
#include "kernel/process.h"
#include "support/scratch_namespace.h"
#include "support/temporary_folder.h"

namespace rewall {

/// A host for one test: a network namespace and a folder of its own. Words are run by the real programs
/// inside.
class Host {
 public:
  Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  /// No test leaves a process behind, however it ends: neither a guard that waits for an hour, nor a watch.
  ~Host() { end_processes(); }

  std::string repository() const { return folder_.path() / "repo"; }
  const std::filesystem::path& folder() const { return folder_.path(); }

  /// A shell line, in the folder; the outcome as it is. `rewall` is the program under test, its repository
  /// this host's.
  Outcome sh(const std::string& line) const {
    // To look for leaks takes a third of the time of a short command: one line in eight does.
    static std::atomic<unsigned> lines = 0;
    const std::string setup = "cd " + shell_quote(folder_.path().string()) +
                              "; export REWALL_REPO=" + shell_quote(repository()) + "; rewall() { " +
                              shell_quote(REWALL_PROGRAM) + " \"$@\"; }; export TERM=dumb; " +
                              (++lines % 8 == 0 ? "" : "export ASAN_OPTIONS=detect_leaks=0; ");
    Outcome outcome;
    const auto ran = namespace_.run([&] {
      auto result = run({.words = {"/bin/bash", "-c", setup + line}, .deadline = std::chrono::minutes(10)},
                        ErrorKind::usage);
      if (!result) FAIL(result.error().message);
      outcome = *std::move(result);
    });
    if (!ran) FAIL(ran.error().message);
    return outcome;
  }

  /// The same, which must succeed: its standard output.
  std::string ok(const std::string& line) const {
    const auto outcome = sh(line);
    INFO(line << "\n" << outcome.out << outcome.err);
    REQUIRE(outcome.status == 0);
    return outcome.out;
  }

  /// The same, which must end with `status`: both outputs, one after the other.
  std::string ends(int status, const std::string& line) const {
    const auto outcome = sh(line);
    INFO(line << "\n" << outcome.out << outcome.err);
    REQUIRE(outcome.status == status);
    return outcome.out + outcome.err;
  }

  /// Waits for what another process does in its own time; `says` tells why it never came.
  void until(const std::string& condition, const std::string& says = "true") const {
    // To read a FIFO that nobody writes waits as sleep(1) does, and takes no process.
    const auto waited = sh("for ((i = 0; i < 500; ++i)); do if { " + condition +
                           "; } >/dev/null 2>&1; then exit 0; fi; read -rt .$((i < 40 ? 0 : 2))5 <>" +
                           shell_quote(silence()) + "; done; exit 1");
    if (waited.status != 0) FAIL("never came: " << condition << "\n" << sh(says).out);
  }

  /// Runs work inside; so do the threads that it starts.
  void inside(const std::function<void()>& work) const { REQUIRE(namespace_.run(work)); }

  void load_guide_firewall() const { ok("sh " REWALL_SOURCE_DIR "/tests/guide-firewall.sh"); }

  /// What iptables-save says, without comments and counters of chains.
  std::string rules() const {
    return ok(R"(iptables-save | sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]/[0:0]/')");
  }

 private:
  /// A FIFO of this process.
  static std::string silence() {
    static const TemporaryFolder folder;
    static const std::string path = folder.path() / "silence";
    ::mkfifo(path.c_str(), 0600);
    return path;
  }

  /// Kills whatever runs in the network namespace of the test, but for this process.
  void end_processes() const {
    std::error_code failed;
    std::filesystem::path ours;
    (void)namespace_.run([&] { ours = std::filesystem::read_symlink("/proc/thread-self/ns/net", failed); });
    if (ours.empty()) return;
    for (std::filesystem::directory_iterator entry("/proc", failed);
         !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
      std::error_code gone;
      const auto number = std::atoi(entry->path().filename().c_str());
      if (number > 0 && number != ::getpid() &&
          std::filesystem::read_symlink(entry->path() / "ns/net", gone) == ours)
        ::kill(number, SIGKILL);
    }
  }

  TemporaryFolder folder_{};
  ScratchNamespace namespace_ = scratch_namespace();
};

/// A shell line that makes the object of `expression` unreadable, as a power failure does.
inline std::string empty_object(const std::string& expression) {
  return "o=$(git -C repo rev-parse " + expression +
         "); o=repo/.git/objects/${o%${o#??}}/${o#??}; chmod u+w $o; : >$o; ";
}

inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace rewall
