#include "core/time.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>
#include <utility>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

Error bad_time(std::string_view text) {
  if (text.size() == 4 && text.find_first_not_of("0123456789") == std::string_view::npos)
    return Error{.kind = ErrorKind::usage, .message = format("'{}' is not a time", text)}.hinted(
        format("write a year with its month and day: {}-01-01", text));
  return Error{.kind = ErrorKind::usage, .message = format("'{}' is not a time", escape(text))}.hinted(
      "write it like '2026-11-22 17:20', '2 hours ago', 'yesterday' or '@1700000000'");
}

constexpr std::int64_t kLastSecond = 253402300799;  // of the year 9999: git writes four digits

struct Unit {
  std::string_view name;
  std::int64_t seconds;
};
constexpr std::array<Unit, 7> kUnits{{{"year", 31557600},
                                      {"month", 2629800},
                                      {"week", 604800},
                                      {"day", 86400},
                                      {"hour", 3600},
                                      {"minute", 60},
                                      {"second", 1}}};

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> unit_seconds(std::string_view word) {
  if (word.ends_with('s')) word.remove_suffix(1);
  for (const auto& unit : kUnits) {
    if (word == unit.name || (word == "min" && unit.name == "minute") ||
        (word == "sec" && unit.name == "second")) {
      return unit.seconds;
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> count_of(std::string_view word) {
  static constexpr std::array<std::string_view, 11> kNumbers{
      "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
  if (word == "a" || word == "an" || word == "last") return 1;
  const auto* found = std::ranges::find(kNumbers, word);
  return found != kNumbers.end() ? std::optional<std::int64_t>(found - kNumbers.begin()) : number(word);
}

std::optional<int> weekday(std::string_view word) {
  static constexpr std::array<std::string_view, 7> kDays{"sunday",   "monday", "tuesday", "wednesday",
                                                         "thursday", "friday", "saturday"};
  for (std::size_t i = 0; word.size() >= 3 && i < kDays.size(); ++i)
    if (kDays[i].starts_with(word)) return static_cast<int>(i);
  return std::nullopt;
}

/// A time of day, as far as it is said.
struct Clock {
  int hour = 0;
  int minute = 0;
  int second = 0;
};

std::optional<Clock> clock_time(std::string_view word) {
  if (word == "noon") return Clock{.hour = 12};
  if (word == "midnight" || word == "today") return Clock{};
  if (word == "tea") return Clock{.hour = 17};
  const auto parts = split(word, ':');
  if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
  std::array<std::int64_t, 3> values{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto value = parts[i].size() <= 2 ? number(parts[i]) : std::nullopt;
    if (!value || *value < 0 || *value > (i == 0 ? 23 : 59)) return std::nullopt;
    values[i] = *value;
  }
  return Clock{static_cast<int>(values[0]), static_cast<int>(values[1]), static_cast<int>(values[2])};
}

/// Reads a moment word by word: "2 hours ago", "2.hours.ago", "last monday", "yesterday noon", "17:20".
class SpokenTime {
 public:
  explicit SpokenTime(Time from) : from_(from.seconds) {}

  std::optional<Time> read(std::string_view text) {
    std::string spaced = lower(text);
    std::ranges::replace_if(
        spaced, [](char c) { return c == '.' || c == '_' || c == ','; }, ' ');
    bool any = false;
    for (const auto word : split(spaced, ' ')) {
      if (word.empty()) continue;
      if (!take(word)) return std::nullopt;
      any = true;
    }
    if (!any || count_ || back_ > 300 * kYear) return std::nullopt;
    return at();
  }

 private:
  static constexpr std::int64_t kDay = 86400;
  static constexpr std::int64_t kYear = 31557600;

  bool take(std::string_view word) {
    if (word == "ago") return back_ > 0 || counted_;
    if (const auto clock = clock_time(word)) {
      if (clock_) return false;
      clock_ = clock;
      day_said_ = day_said_ || word == "today";
      return !count_;
    }
    if (word == "yesterday") return go_back(1, kDay);
    if (const auto unit = unit_seconds(word); unit && count_)
      return go_back(*std::exchange(count_, {}), *unit);
    if (const auto day = weekday(word)) return go_to(*day);
    if (!count_) {
      count_ = count_of(word);
      if (count_) return *count_ >= 0 && *count_ <= 1'000'000'000;
      return go_back_length(word);
    }
    return false;
  }

  bool go_back(std::int64_t count, std::int64_t unit) {
    counted_ = true;
    day_said_ = day_said_ || unit >= kDay;
    back_ += count * unit;
    return back_ <= 300 * kYear;
  }

  // "90s", "2d", as rewall's own lengths.
  bool go_back_length(std::string_view word) {
    const auto length = parse_duration(word);
    return length && go_back(std::chrono::duration_cast<std::chrono::seconds>(*length).count(), 1);
  }

  // The last such day before today; "last" adds nothing to it.
  bool go_to(int day) {
    if (count_ && *count_ != 1) return false;
    count_.reset();
    const std::time_t moment = from_ - back_;
    std::tm parts{};
    ::localtime_r(&moment, &parts);
    const int days = (parts.tm_wday - day + 6) % 7 + 1;
    return go_back(days, kDay);
  }

  std::optional<Time> at() const {
    const std::time_t moment = from_ - back_;
    if (!clock_) return local(moment);
    std::tm parts{};
    ::localtime_r(&moment, &parts);
    parts.tm_hour = clock_->hour;
    parts.tm_min = clock_->minute;
    parts.tm_sec = clock_->second;
    parts.tm_isdst = -1;
    std::time_t then = std::mktime(&parts);
    if (then > from_ && !day_said_) {
      --parts.tm_mday;
      parts.tm_isdst = -1;
      then = std::mktime(&parts);
    }
    return local(then);
  }

  std::int64_t from_;
  std::int64_t back_ = 0;
  bool counted_ = false;
  bool day_said_ = false;
  std::optional<std::int64_t> count_{};  ///< of the unit that comes next
  std::optional<Clock> clock_{};
};

// Minutes east of UTC from "Z", "+01:00" or "+0100"; what is left of `text` is taken as the offset.
std::optional<int> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() < 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto hours = number(text.substr(1, 2));
  const auto minutes = number(text.substr(text.size() - 2));
  if (!hours || !minutes || text.size() > 6 || *hours > 14 || *minutes > 59) return std::nullopt;
  const int offset = static_cast<int>(*hours * 60 + *minutes);
  return text[0] == '-' ? -offset : offset;
}

// What stands behind a day: nothing, a time of day, and how far that is from UTC.
std::optional<Time> with_clock(std::tm parts, std::string_view rest) {
  rest = trim(rest);
  auto zone = rest;
  const auto clock_end = rest.find_first_not_of("0123456789:");
  if (const auto clock = clock_time(rest.substr(0, clock_end))) {
    parts.tm_hour = clock->hour;
    parts.tm_min = clock->minute;
    parts.tm_sec = clock->second;
    zone = clock_end == std::string_view::npos ? std::string_view() : trim(rest.substr(clock_end));
  }
  // mktime(3) makes the 1st of March of the 30th of February.
  std::tm calendar = parts;
  ::timegm(&calendar);
  if (calendar.tm_mday != parts.tm_mday || calendar.tm_hour != parts.tm_hour) return std::nullopt;
  if (zone.empty()) return local(std::mktime(&parts));
  if (const auto offset = parse_offset(zone)) return Time{::timegm(&parts) - *offset * 60, *offset};
  return std::nullopt;
}

std::optional<Time> calendar_time(const std::string& text, Time from) {
  for (const char* pattern : {"%Y-%m-%dT", "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%a, %d %b %Y",
                              "%d %b %Y", "%b %d %Y", "%b %d, %Y"}) {
    std::tm parts{};
    parts.tm_isdst = -1;
    const char* rest = ::strptime(text.c_str(), pattern, &parts);
    if (rest == nullptr) continue;
    if (auto time = with_clock(parts, rest)) return time;
  }
  // git's own: Sun Nov 22 17:20:01 2026 +0100
  std::tm parts{};
  parts.tm_isdst = -1;
  if (const char* rest = ::strptime(text.c_str(), "%a %b %d %H:%M:%S %Y", &parts))
    return with_clock(parts, rest);
  // The last day of that name.
  for (const char* pattern : {"%d %b", "%b %d"}) {
    parts = {};
    const std::time_t present = from.seconds;
    const char* rest = ::strptime(text.c_str(), pattern, &parts);
    if (rest == nullptr) continue;
    std::tm today{};
    ::localtime_r(&present, &today);
    parts.tm_isdst = -1;
    parts.tm_year = today.tm_year;
    auto time = with_clock(parts, rest);
    if (time && time->seconds <= from.seconds) return time;
    --parts.tm_year;
    if (time) return with_clock(parts, rest);
  }
  return std::nullopt;
}

}  // namespace

std::chrono::milliseconds time_left(std::chrono::steady_clock::time_point end) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(1));
}

Time local(std::int64_t seconds) {
  const std::time_t moment = seconds;
  std::tm parts{};
  ::localtime_r(&moment, &parts);
  return {seconds, static_cast<int>(parts.tm_gmtoff / 60)};
}

std::chrono::milliseconds boot_time() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::milliseconds(time.tv_nsec / 1000000);
}

Time now() {
  return local(std::time(nullptr));
}

std::string rfc3339(Time time) {
  const std::time_t shifted = time.seconds + time.offset * 60;
  std::tm parts{};
  ::gmtime_r(&shifted, &parts);
  const int east = std::abs(time.offset);
  return format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, time.offset < 0 ? '-' : '+',
                east / 60, east % 60);
}

std::string ago(Time time, Time from) {
  const std::int64_t seconds = from.seconds - time.seconds;
  if (seconds < 0) return "in the future";
  if (seconds < 5) return "just now";
  for (const auto& unit : kUnits) {
    if (seconds >= unit.seconds)
      return counted(static_cast<std::size_t>(seconds / unit.seconds), unit.name) + " ago";
  }
  return "just now";
}

std::string time_text(std::chrono::milliseconds length) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(length).count();
  if (seconds < 60) return format("{} s", seconds);
  if (seconds < 3600)
    return seconds % 60 == 0 ? format("{} min", seconds / 60)
                             : format("{} min {} s", seconds / 60, seconds % 60);
  return seconds % 3600 < 60 ? format("{} h", seconds / 3600)
                             : format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 7> kSuffixes{{{"ms", 1},
                                                                                       {"s", 1000},
                                                                                       {"sec", 1000},
                                                                                       {"m", 60'000},
                                                                                       {"min", 60'000},
                                                                                       {"h", 3'600'000},
                                                                                       {"d", 86'400'000}}};
  const auto digits = text.substr(0, std::min(text.size(), text.find_first_not_of("0123456789")));
  const auto suffix = text.substr(digits.size());
  const auto count = number(digits);
  for (const auto& [word, factor] : kSuffixes) {
    if (count && suffix == word && *count <= 366LL * 86'400'000 / factor)
      return std::chrono::milliseconds(*count * factor);
  }
  if (count && suffix.empty())
    return Error{.kind = ErrorKind::usage, .message = format("'{0}' has no unit", digits)}.hinted(
        format("write {0}s for seconds, {0}m for minutes", digits));
  return Error{.kind = ErrorKind::usage, .message = format("'{}' is not a length of time", escape(text))}
      .hinted("write it like 90s, 10m or 1h, a year at most");
}

Result<DateFormat> parse_date_format(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, DateFormat>, 10> kNames{
      {{"relative", DateFormat::relative},
       {"iso", DateFormat::iso},
       {"iso8601", DateFormat::iso},
       {"iso-strict", DateFormat::iso_strict},
       {"iso8601-strict", DateFormat::iso_strict},
       {"rfc", DateFormat::rfc},
       {"rfc2822", DateFormat::rfc},
       {"short", DateFormat::shortened},
       {"local", DateFormat::local},
       {"unix", DateFormat::unix_seconds}}};
  for (const auto& [known, meant] : kNames)
    if (name == known) return meant;
  return Error{.kind = ErrorKind::usage, .message = format("'{}' is not a format of times", escape(name))}
      .hinted("the formats are relative, iso, iso-strict, rfc, short, local and unix");
}

std::string written(Time time, DateFormat how, Time from) {
  if (how == DateFormat::relative) return ago(time, from);
  if (how == DateFormat::iso_strict) return rfc3339(time);
  if (how == DateFormat::unix_seconds) return format("{}", time.seconds);
  if (how == DateFormat::local) time = rewall::local(time.seconds);
  const std::time_t shifted = time.seconds + time.offset * 60;
  std::tm parts{};
  ::gmtime_r(&shifted, &parts);
  const int east = std::abs(time.offset);
  const auto zone = format("{}{:02}{:02}", time.offset < 0 ? '-' : '+', east / 60, east % 60);
  auto day = format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
  if (how == DateFormat::shortened) return day;
  const auto clock = format("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec);
  if (how == DateFormat::iso) return format("{} {} {}", day, clock, zone);
  // Of no language: scripts read it.
  static constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto weekday_name = kDays[static_cast<std::size_t>(parts.tm_wday)];
  const auto month = kMonths[static_cast<std::size_t>(parts.tm_mon)];
  if (how == DateFormat::rfc)
    return format("{}, {:>2} {} {} {} {}", weekday_name, parts.tm_mday, month, parts.tm_year + 1900, clock,
                  zone);
  return format("{} {} {:>2} {} {}", weekday_name, month, parts.tm_mday, clock, parts.tm_year + 1900);
}

Result<Time> parse_time(std::string_view text, Time from) {
  text = trim(text);
  if (text == "now") return from;
  if (text == "never") return local(0);
  const bool marked = text.starts_with('@');
  // As git: a long number is seconds since 1970.
  const auto seconds = number(text.substr(marked ? 1 : 0));
  if (marked || (seconds && *seconds >= 100'000'000)) {
    if (seconds && *seconds >= 0 && *seconds <= kLastSecond) return local(*seconds);
    return bad_time(text);
  }
  if (const auto time = calendar_time(std::string(text), from)) return *time;
  if (const auto time = SpokenTime(from).read(text)) return *time;
  return bad_time(text);
}

}  // namespace rewall
