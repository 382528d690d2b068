#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// Numbers FIRST to LAST, both included.
struct Interval {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  auto operator<=>(const Interval&) const = default;
};

/// Sorted, without overlap, none touching the next.
using Intervals = std::vector<Interval>;

Intervals merged(Intervals intervals);
/// What is left of 0 to `greatest`.
Intervals complement(const Intervals& intervals, std::uint32_t greatest);
bool overlap(const Intervals& a, const Intervals& b);
std::string to_text(const Intervals& intervals);

/// "22", "22:80", ":80", "22:", and comma lists of these, names of services too; nothing when it is not that.
std::optional<Intervals> read_ports(std::string_view text);
/// "3", "3:4", ":4", "3:".
std::optional<Interval> read_range(std::string_view text, std::uint32_t greatest);

/// An address and its mask, most significant byte first; IPv4 uses the first 4. Bits outside the mask are
/// zero.
struct Address {
  std::array<std::uint8_t, 16> bits{};
  std::array<std::uint8_t, 16> mask{};
  bool operator==(const Address&) const = default;

  bool any() const { return mask == std::array<std::uint8_t, 16>{}; }
};

/// ADDRESS[/PREFIX] or ADDRESS/MASK as iptables reads it: "10/8", "0/0" and "10.1.2.3/255.0.0.0" too. No host
/// names.
std::optional<Address> read_address(std::string_view text, Family family);
std::string to_text(const Address& address, Family family);
/// True when no address is in both.
bool apart(const Address& a, const Address& b);
/// True when every address of `inner` is in `outer`.
bool within(const Address& inner, const Address& outer);

/// ADDRESS[-ADDRESS], in one spelling.
std::optional<std::string> read_span(std::string_view text, Family family);

struct Mark {
  std::uint32_t value = 0;
  std::uint32_t mask = 0;
};
/// VALUE[/MASK]; `whole` is the mask that is meant when there is none.
std::optional<Mark> read_mark(std::string_view text, std::uint32_t whole = 0xffffffff);
std::string to_text(Mark mark);

}  // namespace rewall
