#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "core/file.h"

namespace rewall {

/// The lock of a process that does some work alone: an flock(2) on a file that names the process and the
/// work. The process holds the lock while the object lives; the file stays afterwards.
class PidLock {
 public:
  PidLock(PidLock&&) noexcept = default;
  PidLock& operator=(PidLock&&) = delete;
  ~PidLock();

  /// Takes the lock for the work `id` (at most 20 bytes) and waits at most `wait` for it. Absent where
  /// another process holds the lock, or the file cannot be written.
  static std::optional<PidLock> begin(const std::filesystem::path& path, const std::string& id,
                                      std::chrono::milliseconds wait = {});
  /// The process that holds the lock for the work `id`; 0 where none does.
  static pid_t process(const std::filesystem::path& path, const std::string& id);

  /// Waits at most 30 s until a process does the work `id`, which `child` is about to begin (0: not a child
  /// of this process). Empty where one does, else why none does.
  static std::string await(const std::filesystem::path& path, const std::string& id, pid_t child);
  /// Kills the process that does the work `id`, a stopped one, and waits until it is gone. A frozen process
  /// of the first version of control groups stays until somebody lets it go on: it sees then that its work is
  /// done.
  static void end_process(const std::filesystem::path& path, const std::string& id);

  /// The locked file, to hand to programs that hold the lock too (HandedOn, kernel/process.h).
  int descriptor() const { return fd_.get(); }

 private:
  explicit PidLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace rewall
