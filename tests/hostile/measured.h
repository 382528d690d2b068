#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace rewall {

/// How a program ended, and what it took by itself: none of what the programs took that it started.
struct Measured {
  int status = -1;
  std::string out{};
  std::string err{};
  std::size_t peak = 0;  ///< bytes, the most that was resident (VmHWM of proc(5))
  std::chrono::milliseconds cpu{};
};

/// Runs a program in `folder` to its end and measures it at its last moment (PTRACE_O_TRACEEXIT of
/// ptrace(2)). `environment` is added to this process's own ("NAME=value"). Its outputs go to files in
/// `folder`.
Measured measure(const std::vector<std::string>& words, const std::string& folder,
                 const std::vector<std::string>& environment);

}  // namespace rewall
