#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace rewall {

/// A moment as git stores it: seconds since 1970-01-01 UTC, and how many minutes east of UTC the clock was
/// set that took it.
struct Time {
  std::int64_t seconds = 0;
  int offset = 0;
  auto operator<=>(const Time&) const = default;
};

Time now();
/// The time since the machine started, sleep included. No one can set this clock (CLOCK_BOOTTIME,
/// clock_gettime(2)).
std::chrono::milliseconds boot_time();
/// The time until `end` in whole milliseconds, at least 1: for many system calls 0 means no deadline.
std::chrono::milliseconds time_left(std::chrono::steady_clock::time_point end);
/// That moment, with this host's offset from UTC.
Time local(std::int64_t seconds);

/// `2026-11-22T17:20:01+01:00` (RFC 3339).
std::string rfc3339(Time time);
/// "just now", "2 hours ago", "3 weeks ago"; "in the future" when `time` is after `from`.
std::string ago(Time time, Time from);

/// Formats of git's --date. relative: as ago(); iso_strict: as rfc3339(); local: in this host's zone, which
/// it does not name; unix_seconds: since 1970.
enum class DateFormat { relative, iso, iso_strict, rfc, shortened, local, unix_seconds };

/// Reads git's name of a format. Kind usage: there is none of that name.
Result<DateFormat> parse_date_format(std::string_view name);

/// The time in that format; `from` is the present for `relative`.
std::string written(Time time, DateFormat format, Time from);

/// A length of time for people, whole seconds upwards: "45 s", "9 min 30 s", "2 h 5 min".
std::string time_text(std::chrono::milliseconds length);

/// Reads a length of time: `90s`, `10m` or `10min`, `1h`, `2d`, `500ms`. Kind usage: no such length, a number
/// without its unit, or more than a year.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// Reads a moment as people write it, seen at `from`, with the words of git: `2026-11-22`, `2026-11-22
/// 17:20[:01]`, RFC 3339, `22 Nov 2026`, `@1700000000`, `now`, `yesterday`, `2 hours ago`, `2.hours.ago`,
/// `last week`, `monday`, `today`, `17:20` (the last one), `yesterday noon`. A day of a calendar without a
/// time is its midnight. Errors are of kind usage.
Result<Time> parse_time(std::string_view text, Time from);

}  // namespace rewall
