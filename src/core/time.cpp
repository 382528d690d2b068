#include "core/time.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>
#include <vector>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

Error bad_time(std::string_view text) {
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

// "2 hours ago", "2.hours.ago"
std::optional<std::int64_t> seconds_ago(std::string_view text) {
  std::string spaced(text);
  for (char& c : spaced) {
    if (c == '.' || c == '_') c = ' ';
  }
  std::vector<std::string_view> words;
  for (const auto word : split(spaced, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  if (words.size() != 3 || words[2] != "ago") return std::nullopt;
  const auto count = words[0] == "a" || words[0] == "an" ? std::optional<std::int64_t>{1} : number(words[0]);
  const auto unit = unit_seconds(words[1]);
  if (!count || !unit || *count < 0 || *count > 1'000'000'000) return std::nullopt;
  return *count * *unit;
}

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

std::optional<Time> calendar_time(const std::string& text) {
  for (const char* pattern :
       {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    std::tm parts{};
    parts.tm_isdst = -1;
    const char* rest = ::strptime(text.c_str(), pattern, &parts);
    if (rest == nullptr) continue;
    const auto zone = trim(rest);
    // mktime(3) makes the 1st of March of the 30th of February.
    std::tm calendar = parts;
    ::timegm(&calendar);
    if (calendar.tm_mday != parts.tm_mday || calendar.tm_hour != parts.tm_hour) return std::nullopt;
    if (zone.empty()) return local(std::mktime(&parts));
    if (const auto offset = parse_offset(zone)) return Time{::timegm(&parts) - *offset * 60, *offset};
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

Result<Time> parse_time(std::string_view text, Time from) {
  text = trim(text);
  if (text == "now") return from;
  if (text == "yesterday") return local(from.seconds - 86400);
  if (text.starts_with('@')) {
    const auto seconds = number(text.substr(1));
    if (seconds && *seconds >= 0 && *seconds <= kLastSecond) return local(*seconds);
    return bad_time(text);
  }
  if (const auto back = seconds_ago(text)) return local(from.seconds - *back);
  if (const auto time = calendar_time(std::string(text))) return *time;
  return bad_time(text);
}

}  // namespace rewall
