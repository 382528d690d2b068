#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace rewall {

/// A moment as git keeps it: seconds since 1970 and the minutes east of UTC where it was taken.
struct Time {
  std::int64_t seconds = 0;
  int offset = 0;
  auto operator<=>(const Time&) const = default;
};

Time now();
/// Since the machine was started, sleep included (CLOCK_BOOTTIME, clock_gettime(2)): nobody sets it.
std::chrono::milliseconds boot_time();
/// Until `end`, in whole milliseconds; at least one, as none means no end to many a call.
std::chrono::milliseconds time_left(std::chrono::steady_clock::time_point end);
/// The same moment with this host's offset.
Time local(std::int64_t seconds);

/// `2026-11-22T17:20:01+01:00` (RFC 3339).
std::string rfc3339(Time time);
/// "just now", "2 hours ago", "3 weeks ago"; "in the future" where it is.
std::string ago(Time time, Time from);

/// `90s`, `10m`, `1h`, `2d`, `500ms`; a bare number is seconds. Error kind usage.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// What people write for a moment: `2026-11-22`, `2026-11-22 17:20[:01]`, RFC 3339, `@1700000000`, `now`,
/// `yesterday`, `2 hours ago`, `2.hours.ago`. Error kind usage.
Result<Time> parse_time(std::string_view text, Time from);

}  // namespace rewall
