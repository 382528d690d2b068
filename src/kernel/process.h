#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace rewall {

/// A program to run. No shell reads its words.
struct Command {
  std::vector<std::string> words{};        ///< words[0] is an absolute path
  std::string input{};                     ///< its standard input
  std::vector<std::string> environment{};  ///< "NAME=value", added to the clean environment
  /// Gets each piece of the standard output as it comes.
  std::function<void(std::string_view)> listener{};
  /// Gets each piece of the standard error as it comes.
  std::function<void(std::string_view)> error_listener{};
  /// The largest file that the program may write, in bytes (RLIMIT_FSIZE, setrlimit(2)); 0 for no limit.
  std::uint64_t biggest_file = 0;
  /// The most memory that the program, and each that it starts, may have of its own, in bytes (RLIMIT_DATA,
  /// setrlimit(2)); 0 for no limit.
  std::uint64_t most_memory = 0;
  /// The most of the standard output that is kept, in bytes; what is more is read and dropped. 0 for no
  /// limit.
  std::size_t most_output = 0;
  /// Processes that the program leaves behind may keep its output open: nobody waits for them.
  bool leaves_children = false;
  bool gives_way = false;     ///< runs with a lower priority (nice(1))
  bool ends_with_us = false;  ///< gets SIGTERM, with all its children, when this process is killed
  std::chrono::milliseconds deadline{std::chrono::seconds{60}};
};

/// How a program ended. `out` is complete, up to Command::most_output. `err` is complete up to 128 KiB; of
/// more it has the first and the last 64 KiB.
struct Outcome {
  int status = 0;          ///< exit status; 128 + signal when a signal ended it
  int signal = 0;          ///< 0 when it exited by itself
  bool timed_out = false;  ///< killed at its deadline
  std::chrono::milliseconds deadline{};
  std::string out{};
  std::string err{};

  bool ok() const { return status == 0 && !timed_out; }
  /// "exit status 2: iptables-restore: line 3 failed", "killed by signal 9", "gave no answer within 60 s".
  std::string text() const;
};

/// Runs programs side by side and waits for all of them. Each gets a clean environment (PATH, LC_ALL=C,
/// HOME), no descriptors but its three pipes, no terminal to ask on (setsid(2)), and the network namespace of
/// the calling thread. With -vv the command lines are logged. The error, of kind `kind`, is for a program
/// that could not be started (kind refused instead of kernel, where processes, memory or descriptors ran out:
/// the kernel refused no rules); the outcome of one that ran says how it ended.
Result<std::vector<Outcome>> run_side_by_side(std::vector<Command> commands, ErrorKind kind);
Result<Outcome> run(Command command, ErrorKind kind);

/// Starts a program that outlives this process, its terminal and its session (setsid(2)), and returns its
/// number. The program runs in `/`, with /dev/null as input and output, the clean environment and the network
/// namespace of the calling thread. The error, of kind `kind`, is for a program that could not be started.
Result<pid_t> start_detached(const Command& command, ErrorKind kind);

/// Hands a descriptor to every program that is started while the object lives. A lock on the descriptor
/// (flock(2)) is then held until all these programs have ended, even when this process is killed before. One
/// object at a time.
class HandedOn {
 public:
  explicit HandedOn(int fd);
  HandedOn(const HandedOn&) = delete;
  HandedOn& operator=(const HandedOn&) = delete;
  ~HandedOn();
};

/// The absolute path of a program; empty when it is not found. The search covers the absolute entries of
/// $PATH and, for each `.../bin`, the `.../sbin` beside it, because cron's PATH has no sbin; without $PATH
/// the system's own folders. Folders that other users can write to are ignored.
std::string find_program(const std::string& name);

}  // namespace rewall
