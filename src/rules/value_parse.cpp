#include "rules/value_parse.h"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/format.h"
#include "core/text.h"
#include "rules/symbols.h"

namespace rewall {
namespace {

constexpr std::size_t bytes_of(Family family) {
  return family == Family::ipv4 ? 4 : 16;
}

// A missing number of a.b.c.d is 0, as in iptables' own reader (xtables_numeric_to_ipaddr).
std::optional<std::array<std::uint8_t, 16>> read_dotted(std::string_view text, bool whole) {
  const auto numbers = split(text, '.');
  if (numbers.size() > 4 || (whole && numbers.size() < 4)) return std::nullopt;
  std::array<std::uint8_t, 16> bits{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto number = read_number(numbers[i], 255);
    if (!number) return std::nullopt;
    bits[i] = static_cast<std::uint8_t>(*number);
  }
  return bits;
}

std::optional<std::array<std::uint8_t, 16>> read_bits(std::string_view text, Family family, bool whole) {
  if (family == Family::ipv4) return read_dotted(text, whole);
  std::array<std::uint8_t, 16> bits{};
  if (inet_pton(AF_INET6, std::string(text).c_str(), bits.data()) != 1) return std::nullopt;
  return bits;
}

std::array<std::uint8_t, 16> mask_of_prefix(std::size_t prefix) {
  std::array<std::uint8_t, 16> mask{};
  for (std::size_t i = 0; i < prefix; ++i)
    mask[i / 8] = static_cast<std::uint8_t>(mask[i / 8] | (0x80U >> (i % 8)));
  return mask;
}

std::optional<std::array<std::uint8_t, 16>> read_mask(std::string_view text, Family family) {
  const auto prefix = read_number(text, bytes_of(family) * 8);
  return prefix ? mask_of_prefix(*prefix) : read_bits(text, family, true);
}

std::string show(const std::array<std::uint8_t, 16>& bits, Family family) {
  if (family == Family::ipv4) return format("{}.{}.{}.{}", bits[0], bits[1], bits[2], bits[3]);
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(AF_INET6, bits.data(), text, sizeof text);
  return text;
}

std::optional<Address> masked(const std::optional<std::array<std::uint8_t, 16>>& bits,
                              const std::optional<std::array<std::uint8_t, 16>>& mask) {
  if (!bits || !mask) return std::nullopt;
  Address address{.mask = *mask};
  for (std::size_t i = 0; i < 16; ++i) address.bits[i] = static_cast<std::uint8_t>((*bits)[i] & (*mask)[i]);
  return address;
}

}  // namespace

Intervals merged(Intervals intervals) {
  std::ranges::sort(intervals);
  Intervals out;
  for (const auto& interval : intervals) {
    if (!out.empty() && std::uint64_t{out.back().last} + 1 >= interval.first) {
      out.back().last = std::max(out.back().last, interval.last);
    } else {
      out.push_back(interval);
    }
  }
  return out;
}

Intervals complement(const Intervals& intervals, std::uint32_t greatest) {
  Intervals out;
  std::uint32_t next = 0;
  for (const auto& interval : intervals) {
    if (interval.first > next) out.push_back({next, interval.first - 1});
    if (interval.last >= greatest) return out;
    next = interval.last + 1;
  }
  out.push_back({next, greatest});
  return out;
}

bool overlap(const Intervals& a, const Intervals& b) {
  return std::ranges::any_of(a, [&b](const Interval& x) {
    return std::ranges::any_of(b, [&x](const Interval& y) { return x.first <= y.last && y.first <= x.last; });
  });
}

std::string to_text(const Intervals& intervals) {
  std::string out;
  for (const auto& interval : intervals) {
    if (!out.empty()) out += ',';
    out += interval.first == interval.last ? format("{}", interval.first)
                                           : format("{}-{}", interval.first, interval.last);
  }
  return out.empty() ? "none" : out;
}

std::optional<Intervals> read_ports(std::string_view text) {
  Intervals ports;
  for (const auto item : split(text, ',')) {
    const auto colon = item.find(':');
    const auto first_text = item.substr(0, colon);
    const auto last_text = colon == std::string_view::npos ? first_text : item.substr(colon + 1);
    if (item.empty()) return std::nullopt;
    const auto first = first_text.empty() ? std::optional<std::uint16_t>(0) : port_number(first_text);
    const auto last = last_text.empty() ? std::optional<std::uint16_t>(65535) : port_number(last_text);
    if (!first || !last || *first > *last) return std::nullopt;
    ports.push_back({*first, *last});
  }
  return merged(std::move(ports));
}

std::optional<Interval> read_range(std::string_view text, std::uint32_t greatest) {
  const auto colon = text.find(':');
  const auto first_text = text.substr(0, colon);
  const auto last_text = colon == std::string_view::npos ? first_text : text.substr(colon + 1);
  if (text.empty()) return std::nullopt;
  const auto first = first_text.empty() ? std::optional<std::uint64_t>(0) : read_number(first_text, greatest);
  const auto last =
      last_text.empty() ? std::optional<std::uint64_t>(greatest) : read_number(last_text, greatest);
  if (!first || !last || *first > *last) return std::nullopt;
  return Interval{static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*last)};
}

std::optional<Address> read_address(std::string_view text, Family family) {
  const auto slash = text.find('/');
  const auto mask = slash == std::string_view::npos ? mask_of_prefix(bytes_of(family) * 8)
                                                    : read_mask(text.substr(slash + 1), family);
  if (mask && *mask == Address{}.mask) return Address{};
  return masked(read_bits(text.substr(0, slash), family, false), mask);
}

std::optional<Address> read_host(std::string_view text, Family family) {
  const auto slash = text.find('/');
  const auto host = text.substr(0, slash);
  auto bits = family == Family::ipv6 ? read_bits(host, family, true) : std::nullopt;
  in_addr address{};
  if (family == Family::ipv4 && inet_aton(std::string(host).c_str(), &address) == 1) {
    bits.emplace();
    std::memcpy(bits->data(), &address, sizeof address);
  }
  return masked(bits, slash == std::string_view::npos ? mask_of_prefix(bytes_of(family) * 8)
                                                      : read_mask(text.substr(slash + 1), family));
}

std::string to_text(const Address& address, Family family) {
  std::size_t prefix = 0;
  for (const auto byte : address.mask) prefix += static_cast<std::size_t>(std::popcount(byte));
  if (address.mask == mask_of_prefix(prefix)) return format("{}/{}", show(address.bits, family), prefix);
  return format("{}/{}", show(address.bits, family), show(address.mask, family));
}

bool disjoint(const Address& a, const Address& b) {
  for (std::size_t i = 0; i < 16; ++i) {
    if (((a.bits[i] ^ b.bits[i]) & a.mask[i] & b.mask[i]) != 0) return true;
  }
  return false;
}

bool within(const Address& inner, const Address& outer) {
  for (std::size_t i = 0; i < 16; ++i) {
    if ((outer.mask[i] & ~inner.mask[i]) != 0) return false;
  }
  return !disjoint(inner, outer);
}

std::optional<std::string> read_address_range(std::string_view text, Family family) {
  const auto dash = text.find('-');
  const auto first = read_bits(text.substr(0, dash), family, true);
  const auto last = dash == std::string_view::npos ? first : read_bits(text.substr(dash + 1), family, true);
  if (!first || !last) return std::nullopt;
  return first == last ? show(*first, family) : format("{}-{}", show(*first, family), show(*last, family));
}

std::optional<Mark> read_mark(std::string_view text, std::uint32_t whole) {
  const auto slash = text.find('/');
  const auto value = read_number(text.substr(0, slash), 0xffffffff);
  const auto mask = slash == std::string_view::npos ? std::optional<std::uint64_t>(whole)
                                                    : read_number(text.substr(slash + 1), 0xffffffff);
  if (!value || !mask) return std::nullopt;
  return Mark{static_cast<std::uint32_t>(*value), static_cast<std::uint32_t>(*mask)};
}

std::string to_text(Mark mark) {
  return format("{:#x}/{:#x}", mark.value, mark.mask);
}

}  // namespace rewall
