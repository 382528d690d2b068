// Rates, quantities and times.

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <ctime>

#include "core/format.h"
#include "core/text.h"
#include "rules/normalize_parts.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

// COUNT[/UNIT], as parse_rate() of libxt_limit.c and libxt_hashlimit.c reads it.
struct Rate {
  std::uint64_t count = 0;
  std::uint64_t seconds = 1;
};

std::optional<Rate> read_rate(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kUnits = {
      {{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}}};
  const auto slash = text.find('/');
  const auto count = leading_number(text);
  const auto unit = slash == std::string_view::npos ? std::string_view("second") : text.substr(slash + 1);
  if (!count || *count == 0 || unit.empty()) return std::nullopt;
  for (const auto& [name, seconds] : kUnits) {
    // "sec" and "min" are beginnings of the names.
    if (equal_ignoring_case(name.substr(0, unit.size()), unit)) return Rate{*count, seconds};
  }
  return std::nullopt;
}

constexpr std::uint64_t kGreatest32 = 0xffffffff;
constexpr unsigned kByteShift = 4;  // XT_HASHLIMIT_BYTE_SHIFT

std::uint64_t factor_of(char unit) {
  return unit == 'm' ? 1U << 20U : unit == 'k' ? 1U << 10U : 1U;
}

// NUMBER[k|m]b/s: what a byte costs, as bytes_to_cost() of libxt_hashlimit.c.
std::optional<std::uint64_t> read_cost_of_bytes(std::string_view text) {
  const auto unit = text.find("b/s");
  const auto count = leading_number(text);
  if (unit == std::string_view::npos || unit == 0 || !count || *count == 0 || *count > kGreatest32)
    return std::nullopt;
  return kGreatest32 / (((*count * factor_of(text[unit - 1])) >> kByteShift) % kGreatest32 + 1);
}

std::uint64_t bytes_of_cost(std::uint64_t cost) {
  return ((cost == 0 ? kGreatest32 : kGreatest32 / cost) - 1) << kByteShift;
}

// NUMBER[k|m][b].
std::optional<std::uint64_t> read_burst(std::string_view text) {
  const auto end = std::min(text.find_first_of("kmb"), text.size());
  const auto number = read_number(text.substr(0, end), kGreatest32);
  if (!number) return std::nullopt;
  return *number * (end < text.size() ? factor_of(text[end]) : 1);
}

// A burst counts in what a second brings.
void normalize_bytes(Match& match, Option& rate, std::uint64_t cost) {
  rate.values = {format("{}b", cost)};
  auto* burst = find_option(match.options, "--hashlimit-burst");
  const auto bytes = burst == nullptr ? std::nullopt : read_burst(burst->values[0]);
  const auto second = std::max<std::uint64_t>(bytes_of_cost(cost), 1);
  if (bytes) burst->values = {format("{}", (*bytes + second - 1) / second)};
  // XT_HASHLIMIT_BYTE_EXPIRE_BURST and XT_HASHLIMIT_BYTE_EXPIRE, in milliseconds.
  add_default(match.options, "--hashlimit-htable-expire", burst == nullptr ? "15000" : "60000");
}

// "8:0" is 08:00:00; the number of seconds.
std::optional<std::string> read_time_of_day(std::string_view text) {
  const auto words = split(text, ':');
  if (words.size() < 2 || words.size() > 3) return std::nullopt;
  std::uint64_t seconds = 0;
  for (const auto word : words) {
    const auto number = leading_number(word);
    if (!number || *number > 59) return std::nullopt;
    seconds = seconds * 60 + *number;
  }
  return format("{}", words.size() == 2 ? seconds * 60 : seconds);
}

// YYYY[-MM[-DD[Thh[:mm[:ss]]]]] as seconds, by mktime(3) as libxt_time.c: the 31st of a shorter month is a
// day of the next.
std::optional<std::string> read_date(std::string_view text) {
  static constexpr std::string_view kSeparators = "--T::";
  std::array<std::uint64_t, 6> parts = {1970, 1, 1, 0, 0, 0};
  std::size_t read = 0;
  while (read < parts.size()) {
    const auto end =
        read < kSeparators.size() ? std::min(text.find(kSeparators[read]), text.size()) : text.size();
    const auto word = text.substr(0, end);
    if (word.empty() || word.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    const auto number = leading_number(word);
    if (!number || *number > 9999) return std::nullopt;
    parts[read++] = *number;
    if (end == text.size()) break;
    text.remove_prefix(end + 1);
  }
  std::tm date{};
  date.tm_year = static_cast<int>(parts[0]) - 1900;
  date.tm_mon = static_cast<int>(parts[1]) - 1;
  date.tm_mday = static_cast<int>(parts[2]);
  date.tm_hour = static_cast<int>(parts[3]);
  date.tm_min = static_cast<int>(parts[4]);
  date.tm_sec = static_cast<int>(parts[5]);
  return format("{}", static_cast<std::int64_t>(timegm(&date)));
}

std::optional<std::uint32_t> read_day(std::string_view text, std::uint32_t greatest) {
  static constexpr std::array<std::string_view, 7> kDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  const auto named = [text](std::string_view day) {
    return equal_ignoring_case(day.substr(0, 2), text.substr(0, 2));
  };
  const auto found = greatest == kDays.size() ? std::ranges::find_if(kDays, named) : kDays.end();
  if (found != kDays.end()) return static_cast<std::uint32_t>(found - kDays.begin() + 1);
  const auto number = read_number(text, greatest);
  return number && *number > 0 ? std::optional(static_cast<std::uint32_t>(*number)) : std::nullopt;
}

// The days that are left, as numbers from 1; all of them are no condition.
void normalize_days(std::vector<Option>& options, std::string_view name, std::uint32_t greatest) {
  auto* option = find_option(options, name);
  if (option == nullptr) return;
  Intervals days;
  for (const auto word : split(option->values[0], ',')) {
    const auto day = read_day(word, greatest);
    if (!day) return;
    days.push_back({*day, *day});
  }
  days = merged(std::move(days));
  if (option->negated) {
    days.insert(days.begin(), {0, 0});
    days = complement(merged(std::move(days)), greatest);
  }
  if (days == Intervals{{1, greatest}}) {
    std::erase_if(options, [name](const Option& one) { return one.name == name; });
    return;
  }
  *option = Option{.name = option->name, .values = {to_text(days)}};
}

// NUMBER[s|ms|us] in microseconds, as RATEEST_get_time().
std::optional<double> read_microseconds(const std::string& text) {
  using Unit = std::pair<std::string_view, double>;
  static constexpr std::array<Unit, 10> kUnits = {{{"", 1},
                                                   {"s", 1e6},
                                                   {"sec", 1e6},
                                                   {"secs", 1e6},
                                                   {"ms", 1e3},
                                                   {"msec", 1e3},
                                                   {"msecs", 1e3},
                                                   {"us", 1},
                                                   {"usec", 1},
                                                   {"usecs", 1}}};
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !(number >= 0) || number > 1e9) return std::nullopt;
  const auto found =
      std::ranges::find_if(kUnits, [end](const Unit& unit) { return equal_ignoring_case(unit.first, end); });
  if (found == kUnits.end()) return std::nullopt;
  return std::floor(number * found->second);
}

// NUMBER[bit|kbit|KBps|...] in bits a second, as rateest_get_rate() reads it and, rounded,
// rateest_print_rate() prints it: nobody sees the rest.
std::optional<std::string> read_bandwidth(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !(number >= 0)) return std::nullopt;
  std::string unit(end);
  double scale = 1;
  if (unit.size() > 3) {
    const auto power =
        std::string_view("kmgt").find(static_cast<char>(std::tolower(static_cast<unsigned char>(unit[0]))));
    const bool binary = unit[1] == 'i' && unit.size() == 5;
    if (power == std::string_view::npos) return std::nullopt;
    scale = std::pow(binary ? 1024 : 1000, static_cast<double>(power) + 1);
    unit.erase(0, binary ? 2 : 1);
  }
  if (equal_ignoring_case(unit, "Bps"))
    scale *= 8;
  else if (!unit.empty() && !equal_ignoring_case(unit, "bit"))
    return std::nullopt;
  const double bytes = std::floor(number * scale / 8);
  if (bytes > static_cast<double>(kGreatest32)) return std::nullopt;
  const double bits = bytes * 8;
  const double step = bits >= 1e9 ? 1e6 : bits >= 1e6 ? 1e3 : 1;
  return format("{:.0f}", std::nearbyint(bits / step) * step);
}

// A value of `bps` or `pps`; 0 for none, as the kernel has it.
std::string rate_of(const Option* option, bool packets) {
  if (option == nullptr || option->values.empty()) return "0";
  const auto& text = option->values[0];
  if (!packets) return read_bandwidth(text).value_or(text);
  const auto number = read_number(text, kGreatest32);
  return number ? format("{}", *number) : text;
}

}  // namespace

void normalize_limit(Match& match, Family) {
  static constexpr std::uint64_t kScale = 10000;  // XT_LIMIT_SCALE
  add_default(match.options, "--limit", "3/hour");
  add_default(match.options, "--limit-burst", "5");
  auto* limit = find_option(match.options, "--limit");
  if (const auto rate = read_rate(limit->values[0]))
    limit->values = {format("{}", kScale * rate->seconds / rate->count)};
}

void normalize_hashlimit(Match& match, Family family) {
  static constexpr std::uint64_t kScale = 1000000;  // XT_HASHLIMIT_SCALE_v2
  for (const auto* mask : {"--hashlimit-srcmask", "--hashlimit-dstmask"}) {
    auto* option = find_option(match.options, mask);
    if (option != nullptr) set_value(option, read_prefix(option->values[0], family));
    remove_default(match.options, mask, family == Family::ipv4 ? 32 : 128);
  }
  remove_default(match.options, "--hashlimit-htable-gcinterval", 1000);
  for (auto& option : match.options) {
    if (!option.negated || (option.name != "--hashlimit-upto" && option.name != "--hashlimit-above"))
      continue;
    option.name = option.name == "--hashlimit-upto" ? "--hashlimit-above" : "--hashlimit-upto";
    option.negated = false;
  }
  auto* limit = find_option(match.options, "--hashlimit-upto");
  if (limit == nullptr) limit = find_option(match.options, "--hashlimit-above");
  if (limit == nullptr) return;
  const bool by_rate = find_option(match.options, "--hashlimit-rate-match") != nullptr;
  if (const auto cost = read_cost_of_bytes(limit->values[0])) {
    normalize_bytes(match, *limit, *cost);
    if (by_rate) add_default(match.options, "--hashlimit-rate-interval", "1");
  } else if (const auto rate = read_rate(limit->values[0])) {
    const auto whole = kScale * rate->seconds / rate->count;
    limit->values = {format("{}", by_rate ? whole / rate->seconds : whole)};
    if (by_rate) add_default(match.options, "--hashlimit-rate-interval", format("{}", rate->seconds));
    add_default(match.options, "--hashlimit-burst", "5");
    add_default(match.options, "--hashlimit-htable-expire", format("{}", rate->seconds * 1000));
  }
  auto* interval = find_option(match.options, "--hashlimit-rate-interval");
  const auto seconds = interval == nullptr ? std::nullopt : leading_number(interval->values[0]);
  if (seconds) interval->values = {format("{}", *seconds)};
}

void normalize_time(Match& match, Family) {
  for (auto& option : match.options) {
    const bool time = option.name == "--timestart" || option.name == "--timestop";
    const bool date = option.name == "--datestart" || option.name == "--datestop";
    if (time) set_value(&option, read_time_of_day(option.values[0]));
    if (date) set_value(&option, read_date(option.values[0]));
    if (option.name == "--localtz") option.name = "--kerneltz";
  }
  remove_flag(match.options, "--utc");
  add_default(match.options, "--timestart", "0");
  add_default(match.options, "--timestop", "86399");
  // The first and the last second that the kernel can tell.
  remove_default(match.options, "--datestart", 0);
  remove_default(match.options, "--datestop", 0x7fffffff);
  normalize_days(match.options, "--weekdays", 7);
  normalize_days(match.options, "--monthdays", 31);
}

// The first value counts where differences are compared, the second unless two estimators are.
void normalize_rateest_match(Match& match, Family) {
  const bool delta = find_option(match.options, "--rateest-delta") != nullptr;
  const bool two = find_option(match.options, "--rateest2") != nullptr;
  for (const bool packets : {false, true}) {
    const std::string name = packets ? "--rateest-pps" : "--rateest-bps";
    auto* first = find_option(match.options, name + '1');
    auto* second = find_option(match.options, name + '2');
    if (first == nullptr && second == nullptr) continue;
    const auto value = format("{} {}", delta ? rate_of(first, packets) : "-",
                              delta || !two ? rate_of(second, packets) : "-");
    remove_flag(match.options, name + '1');
    remove_flag(match.options, name + '2');
    match.options.push_back(Option{.name = name, .values = {value}});
  }
}

// The kernel keeps both as powers of two (RATEEST_final_check).
void normalize_rateest(Target& target, Family) {
  static constexpr double kQuarter = 250000;
  auto* interval = find_option(target.options, "--rateest-interval");
  auto* average = find_option(target.options, "--rateest-ewmalog");
  if (interval == nullptr || average == nullptr) return;
  const auto step = read_microseconds(interval->values[0]);
  const auto time = read_microseconds(average->values[0]);
  if (!step || !time) return;
  int power = 0;
  while (power <= 5 && *step > std::ldexp(kQuarter, power)) ++power;
  int log = 1;
  while (log < 32 && *step / -std::log(1.0 - std::ldexp(1.0, -log)) <= *time) ++log;
  interval->values = {format("{}", power)};
  average->values = {format("{}", log)};
}

}  // namespace rewall
