#pragma once

#include <chrono>

namespace rewall {

/// Processor time of this process and of its children that have ended (getrusage(2)).
std::chrono::microseconds processor_time();

/// Limits the processor time of a process to a share of one core. The budget saves unspent time for up to a
/// minute.
class CpuBudget {
 public:
  /// The clock and the processor time, read at one moment.
  struct Reading {
    std::chrono::milliseconds time{};   ///< of boot_time()
    std::chrono::microseconds spent{};  ///< of processor_time()
    static Reading take();
  };

  /// `share`: above 0, at most 1. The budget begins full.
  explicit CpuBudget(double share, const Reading& now = Reading::take());
  /// How long to pause until the budget has time again; zero while it has.
  std::chrono::milliseconds wait(const Reading& now = Reading::take());

 private:
  double share_;
  Reading last_;
  double left_;  ///< microseconds; below zero: spent in advance
};

}  // namespace rewall
