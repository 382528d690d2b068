#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/result.h"

namespace rewall {

/// The numbers that watch writes to the file of `watch.metrics`, for the textfile collector of node_exporter.
struct Metrics {
  std::uint64_t snapshots = 0;
  std::uint64_t lost = 0;             ///< how often the kernel dropped notifications
  std::uint64_t failures = 0;         ///< how many tries to record failed
  std::int64_t last_snapshot = 0;     ///< seconds since 1970; 0: none yet
  std::int64_t unrecorded_since = 0;  ///< since when a change could not be recorded; 0: all are recorded
};

/// The text format of Prometheus: for each number a HELP line, a TYPE line and the value.
std::string print_metrics(const Metrics& metrics, std::chrono::microseconds processor_time);

/// Writes the numbers to a file that everybody may read: the collector is not root, and the folders above
/// that of the file may be its own (open_own_folder()).
Status write_metrics(const std::string& path, const Metrics& metrics);

}  // namespace rewall
