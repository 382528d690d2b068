#include "rules/normalize.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include "core/format.h"
#include "core/text.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return out;
}

std::string sorted_list(std::string_view text) {
  std::vector<std::string> items;
  for (const auto item : split(text, ',')) items.push_back(upper(trim(item)));
  std::ranges::sort(items);
  items.erase(std::unique(items.begin(), items.end()), items.end());
  return join(items, ",");
}

// "user", "0", "0-99".
std::optional<std::string> read_ids(const std::string& text, bool group) {
  const auto dash = text.find('-');
  const auto first = read_number(text.substr(0, dash), 0xffffffff);
  const auto last = dash == std::string::npos ? first : read_number(text.substr(dash + 1), 0xffffffff);
  if (first && last) return format("{}-{}", *first, *last);
  const auto number = group ? group_number(text) : user_number(text);
  if (!number) return std::nullopt;
  return format("{}-{}", *number, *number);
}

std::optional<std::string> read_mac(std::string_view text) {
  std::string out;
  const auto bytes = split(text, ':');
  if (bytes.size() != 6) return std::nullopt;
  for (const auto byte : bytes) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(byte.data(), byte.data() + byte.size(), value, 16);
    if (error != std::errc{} || end != byte.data() + byte.size() || value > 255) return std::nullopt;
    out += format("{:02X}", value);
  }
  return out;
}

template <class Value, class Show>
std::optional<std::string> shown(const std::optional<Value>& value, Show show) {
  if (!value) return std::nullopt;
  return show(*value);
}

std::optional<std::string> read_one(const OptionSpec& spec, const std::string& value, Family family) {
  const auto as_number = [](auto number) { return format("{}", number); };
  const auto as_range = [](const Interval& range) { return to_text(Intervals{range}); };
  switch (spec.kind) {
    case ValueKind::number:
      return shown(read_number(value), as_number);
    case ValueKind::list:
      return quote_word(sorted_list(value));
    case ValueKind::protocol:
      return shown(protocol_number(value), as_number);
    case ValueKind::port:
    case ValueKind::ports:
      return shown(read_ports(value), [](const Intervals& ports) { return to_text(ports); });
    case ValueKind::range8:
      return shown(read_range(value, 0xff), as_range);
    case ValueKind::range16:
      return shown(read_range(value, 0xffff), as_range);
    case ValueKind::range32:
      return shown(read_range(value, 0xffffffff), as_range);
    case ValueKind::address:
      return shown(read_address(value, family),
                   [family](const Address& address) { return to_text(address, family); });
    case ValueKind::address_range:
      return read_address_range(value, family);
    case ValueKind::mark:
      return shown(read_mark(value), [](Mark mark) { return to_text(mark); });
    case ValueKind::mac:
      return read_mac(value);
    case ValueKind::id:
      return read_ids(value, spec.group);
    default:
      return quote_word(value);
  }
}

Option* find_option(std::vector<Option>& options, std::string_view name) {
  const auto found = std::ranges::find(options, name, &Option::name);
  return found == options.end() ? nullptr : &*found;
}

void add_default(std::vector<Option>& options, std::string name, std::string value) {
  if (find_option(options, name) == nullptr)
    options.push_back(Option{.name = std::move(name), .values = {std::move(value)}});
}

void add_flag(std::vector<Option>& options, std::string name) {
  options.push_back(Option{.name = std::move(name)});
}

// Replaces the first value when it can be read.
void set_value(Option* option, const std::optional<std::string>& value) {
  if (option != nullptr && value) option->values = {*value};
}

// PACKETS/UNIT as the kernel keeps it: what one packet costs, in parts of a second.
std::optional<std::string> read_rate(std::string_view text, std::uint64_t scale) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kUnits = {
      {{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}}};
  const auto slash = text.find('/');
  const auto rate = read_number(text.substr(0, slash), 0xffffffff);
  const auto unit = slash == std::string_view::npos ? std::string_view("second") : text.substr(slash + 1);
  if (!rate || *rate == 0 || unit.empty()) return std::nullopt;
  for (const auto& [name, seconds] : kUnits) {
    // "sec" and "min" are beginnings of the names.
    if (equal_ignoring_case(name.substr(0, unit.size()), unit)) return format("{}", scale * seconds / *rate);
  }
  return std::nullopt;
}

void normalize_limit(Match& match, Family) {
  static constexpr std::uint64_t kScale = 10000;  // XT_LIMIT_SCALE
  add_default(match.options, "--limit", "3/hour");
  add_default(match.options, "--limit-burst", "5");
  auto* limit = find_option(match.options, "--limit");
  set_value(limit, read_rate(limit->values[0], kScale));
}

// "512kb/s", "1mb": bytes.
std::optional<std::string> read_bytes(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = read_number(text.substr(0, digits), 0xffffffff);
  auto unit = text.substr(digits);
  if (unit.ends_with("/s")) unit.remove_suffix(2);
  if (!number) return std::nullopt;
  if (unit == "b") return format("{}b", *number);
  if (unit == "kb") return format("{}b", *number << 10);
  if (unit == "mb") return format("{}b", *number << 20);
  return std::nullopt;
}

void remove_default(std::vector<Option>& options, std::string_view name, std::string_view value) {
  std::erase_if(options,
                [&](const Option& option) { return option.name == name && option.values[0] == value; });
}

void normalize_hashlimit(Match& match, Family family) {
  for (const auto* mask : {"--hashlimit-srcmask", "--hashlimit-dstmask"}) {
    remove_default(match.options, mask, family == Family::ipv4 ? "32" : "128");
  }
  remove_default(match.options, "--hashlimit-htable-gcinterval", "1000");
  for (const auto* name : {"--hashlimit-upto", "--hashlimit-above", "--hashlimit-burst"}) {
    auto* option = find_option(match.options, name);
    if (option != nullptr) set_value(option, read_bytes(option->values[0]));
  }
  static constexpr std::uint64_t kScale = 1000000;  // XT_HASHLIMIT_SCALE_v2
  if (find_option(match.options, "--hashlimit-rate-match") != nullptr) return;
  for (const auto* name : {"--hashlimit-upto", "--hashlimit-above"}) {
    auto* rate = find_option(match.options, name);
    if (rate == nullptr) continue;
    const auto cost = read_rate(rate->values[0], kScale);
    set_value(rate, cost);
    // A rate of bytes has no burst of its own.
    if (cost) add_default(match.options, "--hashlimit-burst", "5");
    return;
  }
}

void normalize_connlimit(Match& match, Family family) {
  for (auto& option : match.options) {
    if (option.negated && option.name == "--connlimit-above")
      option = Option{.name = "--connlimit-upto", .values = option.values};
  }
  add_default(match.options, "--connlimit-mask", family == Family::ipv4 ? "32" : "128");
  auto* mask = find_option(match.options, "--connlimit-mask");
  const auto whole = read_address((family == Family::ipv4 ? "0.0.0.0/" : "::/") + mask->values[0], family);
  if (whole) mask->values = {to_text(*whole, family)};
  if (find_option(match.options, "--connlimit-daddr") == nullptr &&
      find_option(match.options, "--connlimit-saddr") == nullptr) {
    add_flag(match.options, "--connlimit-saddr");
  }
}

void normalize_recent(Match& match, Family family) {
  add_default(match.options, "--name", "DEFAULT");
  add_default(match.options, "--mask",
              family == Family::ipv4 ? "255.255.255.255" : "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  if (find_option(match.options, "--rdest") == nullptr &&
      find_option(match.options, "--rsource") == nullptr) {
    add_flag(match.options, "--rsource");
  }
}

void normalize_statistic(Match& match, Family) {
  auto* probability = find_option(match.options, "--probability");
  if (probability == nullptr) return;
  const auto& text = probability->values[0];
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > 1) return;
  // libxt_statistic.c: the kernel compares 31 bits.
  set_value(probability, format("{}", std::lround(0x80000000 * value)));
}

// As parse_hex_string in libxt_string.c: bytes between bars are hexadecimal, elsewhere a backslash keeps the
// next.
std::optional<std::string> read_hex_string(std::string_view text) {
  std::string out;
  bool hexadecimal = false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '|') {
      hexadecimal = !hexadecimal;
      ++i;
      while (hexadecimal && i < text.size() && text[i] == ' ') ++i;
    } else if (hexadecimal) {
      unsigned byte = 0;
      if (i + 2 > text.size()) return std::nullopt;
      const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
      if (error != std::errc{} || end != text.data() + i + 2) return std::nullopt;
      out += static_cast<char>(byte);
      i += 2;
      if (i < text.size() && text[i] == ' ') ++i;
    } else if (c == '\\') {
      if (i + 1 >= text.size()) return std::nullopt;
      out += text[i + 1];
      i += 2;
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

std::string in_hexadecimal(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

void normalize_string(Match& match, Family) {
  for (auto& option : match.options) {
    std::optional<std::string> bytes;
    if (option.name == "--string") bytes = option.values[0];
    if (option.name == "--hex-string") bytes = read_hex_string(option.values[0]);
    if (bytes)
      option = Option{.name = "bytes", .negated = option.negated, .values = {in_hexadecimal(*bytes)}};
  }
  add_default(match.options, "--from", "0");
  add_default(match.options, "--to", "65535");
}

// iptables takes the beginning of a state's name (libxt_conntrack.c).
void normalize_conntrack(Match& match, Family) {
  static constexpr std::array<std::string_view, 7> kStates = {"INVALID",   "NEW",  "ESTABLISHED", "RELATED",
                                                              "UNTRACKED", "SNAT", "DNAT"};
  auto* states = find_option(match.options, "--ctstate");
  if (states == nullptr) return;
  std::vector<std::string> full;
  for (const auto word : split(states->values[0], ',')) {
    const auto begins = [word](std::string_view state) {
      return equal_ignoring_case(state.substr(0, word.size()), word);
    };
    const auto found = word.empty() ? kStates.end() : std::ranges::find_if(kStates, begins);
    full.emplace_back(found == kStates.end() ? word : *found);
  }
  states->values = {join(full, ",")};
}

void normalize_state(Match& match, Family family) {
  match.name = "conntrack";
  for (auto& option : match.options) option.name = "--ctstate";
  normalize_conntrack(match, family);
}

std::optional<unsigned> read_tcp_flags(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, unsigned>, 8> kFlags = {
      {{"FIN", 1}, {"SYN", 2}, {"RST", 4}, {"PSH", 8}, {"ACK", 16}, {"URG", 32}, {"ALL", 63}, {"NONE", 0}}};
  unsigned flags = 0;
  for (const auto word : split(text, ',')) {
    const auto found = std::ranges::find_if(
        kFlags, [word](const auto& flag) { return equal_ignoring_case(flag.first, word); });
    if (found == kFlags.end()) return std::nullopt;
    flags |= found->second;
  }
  return flags;
}

void normalize_tcp(Match& match, Family) {
  for (auto& option : match.options) {
    if (option.name == "--syn")
      option = Option{.name = "--tcp-flags", .negated = option.negated, .values = {"FIN,SYN,RST,ACK", "SYN"}};
    if (option.name != "--tcp-flags") continue;
    const auto mask = read_tcp_flags(option.values[0]);
    const auto wanted = read_tcp_flags(option.values[1]);
    if (mask && wanted) option.values = {format("{:#04x}", *mask), format("{:#04x}", *wanted)};
  }
}

void normalize_icmp(Match& match, Family) {
  const auto family = match.name == "icmp" ? Family::ipv4 : Family::ipv6;
  for (auto& option : match.options) {
    const auto type = icmp_type(option.values[0], family);
    if (!type) continue;
    option.values = {type->any ? "any" : format("{}/{}-{}", type->type, type->first_code, type->last_code)};
  }
}

std::optional<std::string> read_tos(std::string_view text) {
  if (const auto named = tos_value(text)) return to_text(Mark{*named, 0x3f});
  return shown(read_mark(text, 0xff), [](Mark mark) { return to_text(mark); });
}

void normalize_tos(Match& match, Family) {
  for (auto& option : match.options) set_value(&option, read_tos(option.values[0]));
}

void normalize_dscp(std::vector<Option>& options, std::string_view by_class, std::string_view by_number) {
  auto* option = find_option(options, by_class);
  if (option == nullptr) return;
  const auto value = dscp_class(option->values[0]);
  if (value)
    *option =
        Option{.name = std::string(by_number), .negated = option->negated, .values = {format("{}", *value)}};
}

void normalize_dscp_match(Match& match, Family) {
  normalize_dscp(match.options, "--dscp-class", "--dscp");
}

void normalize_pkttype(Match& match, Family) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOther = {
      {{"BCAST", "BROADCAST"}, {"MCAST", "MULTICAST"}, {"HOST", "UNICAST"}, {"MULTIC", "MULTICAST"}}};
  for (auto& option : match.options) {
    auto type = upper(option.values[0]);
    const auto found = std::ranges::find(kOther, type, &std::pair<std::string_view, std::string_view>::first);
    option.values = {found == kOther.end() ? type : std::string(found->second)};
  }
}

// FROM:TO, FROM: and FROM alone, which goes without end.
void normalize_connbytes(Match& match, Family) {
  auto* option = find_option(match.options, "--connbytes");
  if (option == nullptr) return;
  const auto& text = option->values[0];
  const auto colon = std::min(text.find(':'), text.size());
  const auto from = colon == 0 ? std::optional<std::uint64_t>(0) : read_number(text.substr(0, colon));
  const auto to_words = colon < text.size() ? text.substr(colon + 1) : std::string{};
  const auto to = to_words.empty() ? std::optional<std::uint64_t>(UINT64_MAX) : read_number(to_words);
  if (from && to) option->values = {format("{}:{}", *from, *to)};
}

// The kernel keeps a mask of nodes; node 1 is bit 0.
void normalize_cluster(Match& match, Family) {
  for (auto& option : match.options) {
    if (option.name != "--cluster-local-node") continue;
    const auto node = read_number(option.values[0], 32);
    if (!node || *node == 0) continue;
    option = Option{.name = "--cluster-local-nodemask",
                    .negated = option.negated,
                    .values = {format("{}", std::uint64_t{1} << (*node - 1))}};
  }
}

// The parts of one transformation have no order; `--next` begins another one.
void normalize_policy(Match& match, Family) {
  const auto is_next = [](const Option& option) { return option.name == "--next"; };
  for (auto begin = match.options.begin(); begin != match.options.end();) {
    const auto end = std::find_if(begin, match.options.end(), is_next);
    std::sort(begin, end, [](const Option& a, const Option& b) { return a.name < b.name; });
    begin = end == match.options.end() ? end : end + 1;
  }
}

void normalize_sctp(Match& match, Family) {
  auto* chunks = find_option(match.options, "--chunk-types");
  if (chunks == nullptr) return;
  auto types = split(chunks->values[1], ',');
  std::ranges::sort(types);
  chunks->values[1] = join(std::vector<std::string>(types.begin(), types.end()), ",");
}

// Every number in one base.
void normalize_u32(Match& match, Family) {
  for (auto& option : match.options) {
    std::string out;
    std::string_view text = option.values[0];
    while (!text.empty()) {
      const auto digits =
          text[0] >= '0' && text[0] <= '9' ? text.find_first_not_of("0123456789abcdefABCDEFxX") : 0;
      const auto length = std::min(digits, text.size());
      const auto number = length > 0 ? read_number(text.substr(0, length)) : std::nullopt;
      const auto taken = std::max<std::size_t>(length, 1);
      out += number ? format("{:#x}", *number) : std::string(text.substr(0, taken));
      text.remove_prefix(taken);
    }
    std::erase(out, ' ');
    option.values = {out};
  }
}

// hh:mm[:ss] as seconds.
std::optional<std::string> read_time_of_day(std::string_view text) {
  const auto words = split(text, ':');
  if (words.size() < 2 || words.size() > 3) return std::nullopt;
  std::uint64_t seconds = 0;
  for (const auto word : words) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc{} || end != word.data() + word.size() || number > 59) return std::nullopt;
    seconds = seconds * 60 + number;
  }
  return format("{}", words.size() == 2 ? seconds * 60 : seconds);
}

// YYYY[-MM[-DD[Thh[:mm[:ss]]]]] with all its parts.
std::optional<std::string> read_date(std::string_view text) {
  static constexpr std::string_view kLeast = "0000-01-01T00:00:00";
  static constexpr std::array<std::size_t, 6> kLengths = {4, 7, 10, 13, 16, 19};
  if (std::ranges::find(kLengths, text.size()) == kLengths.end()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = kLeast[i] >= '0' && kLeast[i] <= '9';
    if (digit != (text[i] >= '0' && text[i] <= '9') || (!digit && text[i] != kLeast[i])) return std::nullopt;
  }
  return std::string(text) + std::string(kLeast.substr(text.size()));
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

// The days that are left, as numbers from 1.
void normalize_days(Option* option, std::uint32_t greatest) {
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
  *option = Option{.name = option->name, .values = {to_text(days)}};
}

void normalize_time(Match& match, Family) {
  for (auto& option : match.options) {
    const bool time = option.name == "--timestart" || option.name == "--timestop";
    const bool date = option.name == "--datestart" || option.name == "--datestop";
    if (time) set_value(&option, read_time_of_day(option.values[0]));
    if (date) set_value(&option, read_date(option.values[0]));
  }
  add_default(match.options, "--timestart", "0");
  add_default(match.options, "--timestop", "86399");
  // The first and the last second that the kernel can tell.
  remove_default(match.options, "--datestart", "1970-01-01T00:00:00");
  remove_default(match.options, "--datestop", "2038-01-19T03:14:07");
  normalize_days(find_option(match.options, "--weekdays"), 7);
  normalize_days(find_option(match.options, "--monthdays"), 31);
}

using MatchRule = void (*)(Match&, Family);

MatchRule match_rule(std::string_view name) {
  static const std::map<std::string_view, MatchRule> rules = {{"cluster", normalize_cluster},
                                                              {"connbytes", normalize_connbytes},
                                                              {"connlimit", normalize_connlimit},
                                                              {"conntrack", normalize_conntrack},
                                                              {"dscp", normalize_dscp_match},
                                                              {"hashlimit", normalize_hashlimit},
                                                              {"icmp", normalize_icmp},
                                                              {"icmp6", normalize_icmp},
                                                              {"limit", normalize_limit},
                                                              {"pkttype", normalize_pkttype},
                                                              {"policy", normalize_policy},
                                                              {"recent", normalize_recent},
                                                              {"sctp", normalize_sctp},
                                                              {"state", normalize_state},
                                                              {"statistic", normalize_statistic},
                                                              {"string", normalize_string},
                                                              {"tcp", normalize_tcp},
                                                              {"time", normalize_time},
                                                              {"tos", normalize_tos},
                                                              {"u32", normalize_u32}};
  const auto found = rules.find(name);
  return found == rules.end() ? nullptr : found->second;
}

// --set-mark, --and-mark, ... as the kernel keeps them: (mark & ~MASK) ^ VALUE.
std::optional<Mark> as_xmark(std::string_view what, std::string_view text, std::uint32_t whole) {
  const auto mark = read_mark(text, whole);
  if (!mark) return std::nullopt;
  if (what == "set-x") return mark;
  if (what == "set") return Mark{mark->value, mark->value | mark->mask};
  if (what == "and") return Mark{0, ~mark->value & whole};
  if (what == "or") return Mark{mark->value, mark->value};
  if (what == "xor") return Mark{mark->value, 0};
  return std::nullopt;
}

void normalize_mark(Target& target, Family) {
  for (auto& option : target.options) {
    if (!option.name.ends_with("mark") || option.values.empty()) continue;
    const auto what = std::string_view(option.name).substr(2, option.name.size() - 6);
    const auto xmark =
        as_xmark(what.ends_with('-') ? what.substr(0, what.size() - 1) : what, option.values[0], 0xffffffff);
    if (xmark) option = Option{.name = "xmark", .values = {to_text(*xmark)}};
  }
}

void normalize_connmark(Target& target, Family family) {
  normalize_mark(target, family);
  const bool copies = find_option(target.options, "--save-mark") != nullptr ||
                      find_option(target.options, "--restore-mark") != nullptr;
  if (!copies) return;
  auto mask = std::string("0xffffffff");
  if (const auto* both = find_option(target.options, "--mask")) mask = both->values[0];
  std::erase_if(target.options, [](const Option& option) { return option.name == "--mask"; });
  add_default(target.options, "--nfmask", mask);
  add_default(target.options, "--ctmask", mask);
}

void normalize_tos_target(Target& target, Family) {
  for (auto& option : target.options) {
    const auto what = std::string_view(option.name).substr(2, option.name.size() - 6);
    const auto named = what == "set" ? tos_value(option.values[0]) : std::nullopt;
    const auto tos = named ? std::optional(Mark{*named, 0x3f})
                           : as_xmark(what == "set" ? "set-x" : what, option.values[0], 0xff);
    if (tos) option = Option{.name = "tos", .values = {to_text(*tos)}};
  }
}

void normalize_dscp_target(Target& target, Family) {
  normalize_dscp(target.options, "--set-dscp-class", "--set-dscp");
}

void normalize_reject(Target& target, Family family) {
  add_default(target.options, "--reject-with", std::string(default_reject_type(family)));
  for (auto& option : target.options) {
    if (const auto type = reject_type(option.values[0], family)) option.values = {std::string(*type)};
  }
}

void normalize_log(Target& target, Family) {
  add_default(target.options, "--log-level", "4");
  auto* level = find_option(target.options, "--log-level");
  if (const auto number = log_level(level->values[0])) level->values = {format("{}", *number)};
}

// The kernel's own zeroes are not printed, and --nflog-range has never had an effect
// (iptables-extensions(8)).
void normalize_nflog(Target& target, Family) {
  remove_default(target.options, "--nflog-group", "0");
  remove_default(target.options, "--nflog-threshold", "0");
  std::erase_if(target.options, [](const Option& option) { return option.name == "--nflog-range"; });
}

void normalize_audit(Target& target, Family) {
  for (auto& option : target.options) option.values = {upper(option.values[0])};
}

void normalize_nfqueue(Target& target, Family) {
  if (find_option(target.options, "--queue-balance") == nullptr)
    add_default(target.options, "--queue-num", "0");
}

void normalize_notrack(Target& target, Family) {
  target.name = "CT";
  add_flag(target.options, "--notrack");
}

void normalize_tproxy(Target& target, Family family) {
  add_default(target.options, "--on-ip", family == Family::ipv4 ? "0.0.0.0" : "::");
  add_default(target.options, "--tproxy-mark", "0x0/0x0");
}

// MAJOR:MINOR, hexadecimal without 0x.
void normalize_classify(Target& target, Family) {
  for (auto& option : target.options) {
    const auto halves = split(option.values[0], ':');
    if (halves.size() != 2) continue;
    const auto major = read_number("0x" + std::string(halves[0]), 0xffff);
    const auto minor = read_number("0x" + std::string(halves[1]), 0xffff);
    if (major && minor) option.values = {format("{:x}:{:x}", *major, *minor)};
  }
}

// FIRST[-LAST][/BASE], names or numbers.
std::optional<std::string> read_nat_ports(std::string_view text) {
  const auto slash = text.find('/');
  const auto range = text.substr(0, slash);
  // A service's name may hold a dash (ftp-data), so the whole is tried first.
  auto first = port_number(range);
  auto last = first;
  for (auto dash = range.find('-'); !first && dash != std::string_view::npos;
       dash = range.find('-', dash + 1)) {
    first = port_number(range.substr(0, dash));
    last = port_number(range.substr(dash + 1));
    if (!last) first.reset();
  }
  if (!first || !last) return std::nullopt;
  auto out = *first == *last ? format("{}", *first) : format("{}-{}", *first, *last);
  if (slash == std::string_view::npos) return out;
  const auto base = port_number(text.substr(slash + 1));
  return base ? std::optional(format("{}/{}", out, *base)) : std::nullopt;
}

// [ADDRESS[-ADDRESS]][:PORTS], brackets around IPv6 addresses that ports follow.
std::optional<std::string> read_nat(std::string_view text, Family family) {
  std::string_view span = text;
  std::string_view ports;
  if (family == Family::ipv4) {
    const auto colon = std::min(text.find(':'), text.size());
    span = text.substr(0, colon);
    ports = text.substr(std::min(colon + 1, text.size()));
  } else if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    span = text.substr(1, end - 1);
    ports = text.substr(end + 1);
    if (ports.starts_with(':')) ports.remove_prefix(1);
  }
  const auto addresses = span.empty() ? std::optional<std::string>("") : read_address_range(span, family);
  const auto wanted = ports.empty() ? std::optional<std::string>("") : read_nat_ports(ports);
  if (!addresses || !wanted) return std::nullopt;
  return format("{} port {}", *addresses, *wanted);
}

void normalize_nat(Target& target, Family family) {
  for (auto& option : target.options) {
    if (option.name == "--to-destination" || option.name == "--to-source")
      set_value(&option, read_nat(option.values[0], family));
    if (option.name == "--to-ports") set_value(&option, read_nat_ports(option.values[0]));
  }
}

using TargetRule = void (*)(Target&, Family);

TargetRule target_rule(std::string_view name) {
  static const std::map<std::string_view, TargetRule> rules = {
      {"AUDIT", normalize_audit},     {"CLASSIFY", normalize_classify}, {"CONNMARK", normalize_connmark},
      {"DNAT", normalize_nat},        {"DSCP", normalize_dscp_target},  {"LOG", normalize_log},
      {"MARK", normalize_mark},       {"MASQUERADE", normalize_nat},    {"NFLOG", normalize_nflog},
      {"NFQUEUE", normalize_nfqueue}, {"NOTRACK", normalize_notrack},   {"REDIRECT", normalize_nat},
      {"REJECT", normalize_reject},   {"SNAT", normalize_nat},          {"TOS", normalize_tos_target},
      {"TPROXY", normalize_tproxy}};
  const auto found = rules.find(name);
  return found == rules.end() ? nullptr : found->second;
}

}  // namespace

Match normal_form(Match match, Family family) {
  if (!match.known) return match;
  if (const auto rule = match_rule(match.name)) rule(match, family);
  return match;
}

Target normal_form(Target target, Family family) {
  if (!target.known) return target;
  if (const auto rule = target_rule(target.name)) rule(target, family);
  return target;
}

std::string normal_value(const OptionSpec* spec, const Option& option, Family family) {
  if (spec != nullptr && option.values.size() == 1) {
    return read_one(*spec, option.values[0], family).value_or('?' + quote_word(option.values[0]));
  }
  std::string out;
  for (const auto& value : option.values) {
    if (!out.empty()) out += ' ';
    out += quote_word(value);
  }
  return out;
}

}  // namespace rewall
