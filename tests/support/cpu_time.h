#pragma once

#include <time.h>

#include <chrono>
#include <functional>

namespace rewall {

/// The processor time that the calling thread takes for some work: it does not depend on what else runs.
inline std::chrono::milliseconds cpu_time(const std::function<void()>& work) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  const auto begin = now();
  work();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now() - begin);
}

}  // namespace rewall
