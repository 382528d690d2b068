#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "core/file.h"

namespace rewall {

/// Held by a process for as long as it does its work: a lock (flock(2)) on a file that names it.
class PidLock {
 public:
  PidLock(PidLock&&) noexcept = default;
  PidLock& operator=(PidLock&&) = delete;
  ~PidLock();

  /// Absent while another process has it, and goes on to have it for `wait`.
  static std::optional<PidLock> begin(const std::filesystem::path& path, const std::string& id,
                                      std::chrono::milliseconds wait = {});
  /// The process that has it, where it is at this work; else 0.
  static pid_t process(const std::filesystem::path& path, const std::string& id);

  /// For the programs that do its work, to hold it too.
  int descriptor() const { return fd_.get(); }

 private:
  explicit PidLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace rewall
