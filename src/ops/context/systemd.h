#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "kernel/process.h"

namespace rewall {

/// What a service tells its manager (sd_notify(3)): lines like "READY=1". Nothing where nobody listens.
void notify_manager(std::string_view lines);

/// How often the manager wants to hear "WATCHDOG=1" of this process: half of WATCHDOG_USEC
/// (sd_watchdog_enabled(3)); absent where it does not.
std::optional<std::chrono::milliseconds> watchdog_interval();

/// True where systemd is the service manager, in this network namespace: its units live in that one.
bool at_systemd();

/// Has systemd run a program, as a transient unit (systemd-run(1)) that outlives whatever service this
/// process is a part of, and is not shut in with it. `options` are systemd-run's. Everybody can read what
/// they and the command's environment say. False, and said, where that cannot be.
bool start_unit(std::vector<std::string> options, const Command& command);

/// "NAME=value" as a file of EnvironmentFile= has them (systemd.exec(5)): others need not read that.
std::string environment_file(const std::vector<std::string>& variables);

/// Processor time of this process and of its children that have ended (getrusage(2)).
std::chrono::microseconds processor_time();

/// How much processor time may be spent: `share` of it, for a minute ahead at most.
class CpuBudget {
 public:
  explicit CpuBudget(double share);
  /// How long to wait until there is some again; zero while there is.
  std::chrono::milliseconds wait();

 private:
  double share_;
  std::chrono::milliseconds last_;
  std::chrono::microseconds spent_;
  double left_;  ///< microseconds
};

/// What `watch.metrics` holds, for the textfile collector of node_exporter (its text format).
struct Metrics {
  std::uint64_t snapshots = 0;
  std::uint64_t lost = 0;             ///< notifications were
  std::uint64_t failures = 0;         ///< tries to record that failed
  std::int64_t last_snapshot = 0;     ///< seconds since 1970; 0: none yet
  std::int64_t unrecorded_since = 0;  ///< a change that could not be recorded so far; 0: none
};
Status write_metrics(const std::string& path, const Metrics& metrics);

}  // namespace rewall
