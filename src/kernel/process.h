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

/// A program to run: no shell, an absolute path, every word as it is.
struct Command {
  std::vector<std::string> words{};        ///< words[0] is an absolute path
  std::string input{};                     ///< its standard input
  std::vector<std::string> environment{};  ///< "NAME=value", beside the clean ones
  /// Gets each piece of its standard output as it comes.
  std::function<void(std::string_view)> listener{};
  /// The same of its standard error.
  std::function<void(std::string_view)> error_listener{};
  /// How many bytes a file may have that it writes (RLIMIT_FSIZE, setrlimit(2)); 0: any.
  std::uint64_t biggest_file = 0;
  bool gives_way = false;     ///< to whatever else there is to do (nice(1))
  bool ends_with_us = false;  ///< SIGTERM, with all that it started, when this process is killed
  std::chrono::milliseconds deadline{std::chrono::seconds{60}};
};

/// How a program ended. Both pipes were read to their end: `out` is complete, and so is `err` below 128 KiB,
/// above it the first and the last 64 KiB.
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

/// Runs programs side by side and waits for all. They get a clean environment (PATH, LC_ALL=C, HOME), no
/// descriptors but their three pipes, no terminal that they could ask (setsid(2)), and the network namespace
/// of the calling thread. With -vv their words are logged. The error (of kind `kind`) is for one that could
/// not be started; an outcome says the rest.
Result<std::vector<Outcome>> run_side_by_side(std::vector<Command> commands, ErrorKind kind);
Result<Outcome> run(Command command, ErrorKind kind);

/// Starts a program that outlives this process, its terminal and its session (setsid(2)): in `/`, with
/// nothing but /dev/null as its input and output, the clean environment and the network namespace of the
/// calling thread. The error (of kind `kind`) is for one that could not be started.
Result<pid_t> start_detached(const Command& command, ErrorKind kind);

/// While it lives, every program that is started keeps the descriptor open: a lock on it (flock(2)) is free
/// only when they are all gone, though this process be killed before. One at a time.
class HandedOn {
 public:
  explicit HandedOn(int fd);
  HandedOn(const HandedOn&) = delete;
  HandedOn& operator=(const HandedOn&) = delete;
  ~HandedOn();
};

/// The absolute path of a program in root's PATH: absolute entries of $PATH, and for each `.../bin` the
/// `.../sbin` beside it (cron's PATH has no sbin), the system's own where $PATH is unset. Entries that others
/// can write are passed over. Empty when it is nowhere.
std::string find_program(const std::string& name);

}  // namespace rewall
