#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "core/format.h"
#include "core/text.h"
#include "rules/normalize_parts.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

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
  name_of_class_to_number(target.options, "--set-dscp-class", "--set-dscp");
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
  remove_default(target.options, "--nflog-group", 0);
  remove_default(target.options, "--nflog-threshold", 0);
  std::erase_if(target.options, [](const Option& option) { return option.name == "--nflog-range"; });
}

void normalize_audit(Target& target, Family) {
  for (auto& option : target.options) option.values = {upper(option.values[0])};
}

void normalize_nfqueue(Target& target, Family) {
  if (find_option(target.options, "--queue-balance") == nullptr)
    add_default(target.options, "--queue-num", "0");
}

// A part of the tuple is its mask, as far as no mask of its own comes later.
void normalize_hmark(Target& target, Family family) {
  struct Part {
    std::string_view name;
    std::string_view option;
    std::string_view whole;
  };
  const std::string_view bits = family == Family::ipv4 ? "32" : "128";
  const std::array<Part, 6> parts = {{{"src", "--hmark-src-prefix", bits},
                                      {"dst", "--hmark-dst-prefix", bits},
                                      {"sport", "--hmark-sport-mask", "0xffff"},
                                      {"dport", "--hmark-dport-mask", "0xffff"},
                                      {"spi", "--hmark-spi-mask", "0xffffffff"},
                                      {"proto", "--hmark-proto-mask", "0xffff"}}};
  std::vector<Option> out;
  const auto put = [&out](Option option) {
    std::erase_if(out, [&](const Option& before) { return before.name == option.name; });
    out.push_back(std::move(option));
  };
  for (auto& option : target.options) {
    if (option.name != "--hmark-tuple") {
      if (option.name.ends_with("-prefix")) set_value(&option, read_prefix(option.values[0], family));
      put(std::move(option));
      continue;
    }
    for (const auto word : split(option.values[0], ',')) {
      const auto part = std::ranges::find(parts, word, &Part::name);
      if (part == parts.end()) {
        put(Option{.name = option.name, .values = {std::string(word)}});
      } else {
        put(Option{.name = std::string(part->option), .values = {std::string(part->whole)}});
      }
    }
  }
  target.options = std::move(out);
}

void normalize_tcpoptstrip(Target& target, Family) {
  using Kind = std::pair<std::string_view, std::uint64_t>;
  static constexpr std::array<Kind, 6> kKinds = {
      {{"wscale", 3}, {"mss", 2}, {"sack-permitted", 4}, {"sack", 5}, {"timestamp", 8}, {"md5", 19}}};
  for (auto& option : target.options) {
    std::set<std::uint64_t> kinds;
    bool readable = true;
    for (const auto word : split(option.values[0], ',')) {
      const auto named = std::ranges::find(kKinds, word, &Kind::first);
      const auto kind = named == kKinds.end() ? read_number(word, 255) : std::optional(named->second);
      if (kind) kinds.insert(*kind);
      readable = readable && kind;
    }
    if (!readable) continue;
    std::vector<std::string> numbers;
    for (const auto kind : kinds) numbers.push_back(format("{}", kind));
    option.values = {join(numbers, ",")};
  }
}

void normalize_led(Target& target, Family) {
  remove_default(target.options, "--led-delay", 0);
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
  } else if (text.starts_with(':') && !text.starts_with("::")) {
    span = {};
    ports = text.substr(1);
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

}  // namespace

TargetRule target_rule(std::string_view name) {
  static const std::map<std::string_view, TargetRule> rules = {
      {"AUDIT", normalize_audit},       {"CLASSIFY", normalize_classify},
      {"CONNMARK", normalize_connmark}, {"DNAT", normalize_nat},
      {"DSCP", normalize_dscp_target},  {"LOG", normalize_log},
      {"MARK", normalize_mark},         {"MASQUERADE", normalize_nat},
      {"NFLOG", normalize_nflog},       {"NFQUEUE", normalize_nfqueue},
      {"NOTRACK", normalize_notrack},   {"REDIRECT", normalize_nat},
      {"REJECT", normalize_reject},     {"SNAT", normalize_nat},
      {"TOS", normalize_tos_target},    {"TPROXY", normalize_tproxy},
      {"HMARK", normalize_hmark},       {"LED", normalize_led},
      {"RATEEST", normalize_rateest},   {"TCPOPTSTRIP", normalize_tcpoptstrip}};
  const auto found = rules.find(name);
  return found == rules.end() ? nullptr : found->second;
}

}  // namespace rewall
