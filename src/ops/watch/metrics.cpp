#include "ops/watch/metrics.h"

#include <string_view>

#include "core/file.h"
#include "core/format.h"
#include "core/trust.h"
#include "ops/watch/cpu_budget.h"

namespace rewall {

std::string print_metrics(const Metrics& metrics, std::chrono::microseconds processor_time) {
  std::string text;
  const auto add = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    text += format("# HELP {} {}\n# TYPE {} {}\n{} {}\n", name, help, name, type, name, value);
  };
  add("rewall_watch_snapshots_total", "counter", "Snapshots that watch made since it began.",
      metrics.snapshots);
  add("rewall_watch_last_snapshot_timestamp_seconds", "gauge", "When it made the newest; 0: none yet.",
      metrics.last_snapshot);
  add("rewall_watch_failures_total", "counter", "Tries to record a change that failed.", metrics.failures);
  add("rewall_watch_unrecorded_since_timestamp_seconds", "gauge",
      "Since when a change waits that could not be recorded; 0: none does.", metrics.unrecorded_since);
  add("rewall_watch_lost_notifications_total", "counter",
      "How often the kernel had more to tell than there was room for.", metrics.lost);
  add("rewall_watch_cpu_seconds_total", "counter", "Processor time of watch and the programs that it ran.",
      static_cast<double>(processor_time.count()) / 1e6);
  return text;
}

Status write_metrics(const std::string& path, const Metrics& metrics) {
  const std::filesystem::path file(path);
  const auto folder = TRY(open_own_folder(file.parent_path()));
  auto written =
      write_file(path_in(folder, file.filename()), print_metrics(metrics, processor_time()), 0644, Sync::no);
  if (written) return {};
  return Error{.kind = ErrorKind::repository, .message = format("{}: cannot be written", path)};
}

}  // namespace rewall
