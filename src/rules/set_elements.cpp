#include "rules/set_elements.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cstdint>
#include <optional>

#include "core/format.h"
#include "core/text.h"
#include "rules/sets.h"
#include "rules/symbols.h"
#include "rules/tokenizer.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

constexpr std::uint64_t kMostMembers = 65536;

using Spellings = std::optional<std::vector<std::string>>;

std::uint32_t to_number(const std::array<std::uint8_t, 16>& bytes) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8U | bytes[i];
  return number;
}

std::string dotted(std::uint32_t address) {
  return format("{}.{}.{}.{}", address >> 24U, address >> 16U & 0xffU, address >> 8U & 0xffU,
                address & 0xffU);
}

// ADDRESS, ADDRESS/BITS or FIRST-LAST of IPv4.
std::optional<Interval> read_addresses(std::string_view text) {
  const auto dash = text.find('-');
  if (dash != std::string_view::npos) {
    const auto first = read_host(text.substr(0, dash), Family::ipv4);
    const auto last = read_host(text.substr(dash + 1), Family::ipv4);
    if (!first || !last || text.find('/') != std::string_view::npos) return std::nullopt;
    const Interval interval{to_number(first->bits), to_number(last->bits)};
    return Interval{std::min(interval.first, interval.last), std::max(interval.first, interval.last)};
  }
  const auto network = read_host(text, Family::ipv4);
  if (!network) return std::nullopt;
  const auto first = to_number(network->bits);
  return Interval{first, first | ~to_number(network->mask)};
}

// The one address or network of IPv6.
Spellings spell_six(std::string_view text, bool network) {
  const auto address = read_host(text, Family::ipv6);
  if (!address) return std::nullopt;
  auto out = to_text(*address, Family::ipv6);
  if (out.ends_with("/128")) out.resize(out.size() - 4);
  if (!network && out.find('/') != std::string::npos) return std::nullopt;
  return std::vector{std::move(out)};
}

Spellings spell_addresses(const Set& set, std::string_view text) {
  if (set.options.find("family inet6") != std::string::npos) return spell_six(text, false);
  const auto interval = read_addresses(text);
  if (!interval) return std::nullopt;
  const auto bits = read_number(option_of(set.options, "netmask"), 32).value_or(32);
  const auto step = std::uint64_t{1} << (32 - bits);
  const auto first = interval->first / step * step;
  if ((interval->last - first) / step >= kMostMembers) return std::nullopt;
  std::vector<std::string> out;
  for (auto at = first; at <= interval->last; at += step)
    out.push_back(dotted(static_cast<std::uint32_t>(at)));
  return out;
}

Spellings spell_networks(const Set& set, std::string_view text) {
  if (set.options.find("family inet6") != std::string::npos) return spell_six(text, true);
  const auto interval = read_addresses(text);
  if (!interval) return std::nullopt;
  std::vector<std::string> out;
  // The largest network that begins here and does not go beyond the end, again and again.
  for (std::uint64_t at = interval->first; at <= interval->last;) {
    int bits = at == 0 ? 0 : 32 - std::countr_zero(static_cast<std::uint32_t>(at));
    while (at + (std::uint64_t{1} << (32 - bits)) - 1 > interval->last) ++bits;
    const auto address = dotted(static_cast<std::uint32_t>(at));
    out.push_back(bits == 32 ? address : format("{}/{}", address, bits));
    at += std::uint64_t{1} << (32 - bits);
  }
  return out;
}

// [PROTOCOL:]PORT[-PORT], numbers or names; of a bitmap without the protocol.
Spellings spell_ports(std::string_view text, bool bitmap) {
  static constexpr std::array<std::pair<unsigned, std::string_view>, 4> kProtocols = {
      {{6, "tcp"}, {17, "udp"}, {132, "sctp"}, {136, "udplite"}}};
  std::string_view protocol = "tcp";
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    const auto number = protocol_number(text.substr(0, colon));
    const auto* found =
        std::ranges::find(kProtocols, number.value_or(0), [](const auto& row) { return row.first; });
    if (found == kProtocols.end()) return std::nullopt;
    protocol = found->second;
    text.remove_prefix(colon + 1);
  }
  auto first = port_number(text);
  auto last = first;
  if (!first && text.starts_with('[') && text.ends_with(']')) {
    first = last = port_number(text.substr(1, text.size() - 2));
  } else if (const auto dash = text.find('-'); !first && dash != std::string_view::npos) {
    first = port_number(text.substr(0, dash));
    last = port_number(text.substr(dash + 1));
  }
  if (!first || !last) return std::nullopt;
  std::vector<std::string> out;
  for (std::uint32_t port = std::min(*first, *last); port <= std::max(*first, *last); ++port)
    out.push_back(bitmap ? format("{}", port) : format("{}:{}", protocol, port));
  return out;
}

Spellings spell_mark(const Set& set, std::string_view text) {
  const auto mark = read_number(text, 0xffffffff);
  if (!mark) return std::nullopt;
  const auto mask = read_number(option_of(set.options, "markmask"), 0xffffffff).value_or(0xffffffff);
  return std::vector{format("0x{:08x}", *mark & mask)};
}

Spellings spell_part(const Set& set, std::string_view part, std::string_view text) {
  if (part == "ip") return spell_addresses(set, text);
  if (part == "net") return spell_networks(set, text);
  if (part == "port") return spell_ports(text, set.type.starts_with("bitmap:"));
  if (part == "mark") return spell_mark(set, text);
  std::vector<std::string> out{std::string(text)};
  if (part == "mac")
    std::ranges::transform(out[0], out[0].begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

Spellings spell_element(const Set& set, std::string_view element) {
  const auto parts = split(std::string_view(set.type).substr(set.type.find(':') + 1), ',');
  const auto words = split(element, ',');
  if (words.size() > parts.size() || is_list(set)) return std::nullopt;
  std::vector<std::string> out{""};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto spelled = spell_part(set, parts[i], words[i]);
    if (!spelled || out.size() * spelled->size() > kMostMembers) return std::nullopt;
    std::vector<std::string> longer;
    for (const auto& begin : out)
      for (const auto& end : *spelled) longer.push_back(i == 0 ? end : begin + ',' + end);
    out = std::move(longer);
  }
  return out;
}

// The options of a member in the order of ipset save, each with a blank before it.
std::string spell_options(std::string_view text) {
  static constexpr std::array<std::string_view, 9> kOrder = {
      "timeout", "nomatch", "wildcard", "packets", "bytes", "comment", "skbmark", "skbprio", "skbqueue"};
  std::vector<std::pair<std::size_t, std::string>> options;
  Tokenizer words(text, Quoting::ipset);
  while (const auto word = words.next()) {
    const auto* found = std::ranges::find(kOrder, word->raw);
    std::string option = format(" {}", word->raw);
    if (word->raw != "nomatch" && word->raw != "wildcard") {
      const auto value = words.next();
      if (!value || found == kOrder.end()) return format(" {}", text);
      const bool bare = word->is("comment") && !value->quoted;
      auto said = value->raw;
      if (word->is("skbmark") && said.ends_with("/0xffffffff"))
        said.remove_suffix(11);  // ipset leaves it out
      option += bare ? format(" \"{}\"", said) : format(" {}", said);
    }
    options.emplace_back(found - kOrder.begin(), std::move(option));
  }
  std::ranges::stable_sort(options, {}, &std::pair<std::size_t, std::string>::first);
  std::string out;
  for (const auto& [place, option] : options) out += option;
  return out;
}

// Four numbers as dotted() says them, and nothing else: most members of most sets.
bool is_plain_address(std::string_view text) {
  std::size_t parts = 0;
  while (!text.empty() && parts < 4) {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0 || digits > 3 || (digits > 1 && text[0] == '0') ||
        (digits == 3 && text.substr(0, 3) > "255"))
      return false;
    text.remove_prefix(digits);
    ++parts;
    if (parts < 4 && !text.starts_with('.')) return false;
    text.remove_prefix(parts < 4 ? 1 : 0);
  }
  return parts == 4 && text.empty();
}

}  // namespace

bool is_spelled_out(const Set& set, std::string_view member) {
  const bool of_addresses = set.type == "hash:net" || set.type == "hash:ip";
  return of_addresses && option_of(set.options, "netmask").empty() && is_plain_address(member);
}

std::vector<std::string> spelled_out(const Set& set, std::string_view member) {
  const auto element = element_of(member);
  const auto rest = trim(member.substr(element.size()));
  const auto options = rest.empty() ? std::string() : spell_options(rest);
  auto elements = spell_element(set, element).value_or(std::vector{std::string(element)});
  for (auto& one : elements) one += options;
  return elements;
}

std::string spelled_options(std::string_view type, std::string_view options) {
  std::string out;
  Tokenizer words(options, Quoting::ipset);
  while (const auto word = words.next()) {
    const bool range = word->is("range") && type.starts_with("bitmap:ip");
    if (!out.empty()) out += ' ';
    out += word->raw;
    if (!range) continue;
    const auto value = words.next().value_or(Tokenizer::Word{});
    const auto addresses = read_addresses(value.raw);
    out += addresses ? format(" {}-{}", dotted(addresses->first), dotted(addresses->last))
                     : format(" {}", value.raw);
  }
  return out;
}

}  // namespace rewall
