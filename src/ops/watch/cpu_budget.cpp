#include "ops/watch/cpu_budget.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>

#include "core/time.h"

namespace rewall {
namespace {

std::chrono::microseconds time_of(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

constexpr double kMostSaved = 60e6;  // microseconds, of a whole core

}  // namespace

std::chrono::microseconds processor_time() {
  return time_of(RUSAGE_SELF) + time_of(RUSAGE_CHILDREN);
}

CpuBudget::Reading CpuBudget::Reading::take() {
  return {.time = boot_time(), .spent = processor_time()};
}

CpuBudget::CpuBudget(double share, const Reading& now)
    : share_(share), last_(now), left_(share * kMostSaved) {}

std::chrono::milliseconds CpuBudget::wait(const Reading& now) {
  left_ += share_ * 1e3 * static_cast<double>((now.time - last_.time).count());
  left_ = std::min(left_, share_ * kMostSaved) - static_cast<double>((now.spent - last_.spent).count());
  last_ = now;
  if (left_ >= 0) return {};
  return std::chrono::milliseconds(static_cast<std::int64_t>(-left_ / share_ / 1e3) + 1);
}

}  // namespace rewall
