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

/// Sorts and joins intervals that overlap or touch.
Intervals merged(Intervals intervals);
/// The numbers from 0 to `greatest` that are in none of the intervals, which are merged().
Intervals complement(const Intervals& intervals, std::uint32_t greatest);
bool overlap(const Intervals& a, const Intervals& b);
/// "22,80-90"; "none" when empty.
std::string to_text(const Intervals& intervals);

/// Reads "22", "22:80", ":80", "22:" and comma lists of these, with numbers or names of services(5). Nothing
/// for any other text.
std::optional<Intervals> read_ports(std::string_view text);
/// Reads "3", "3:4", ":4", "3:". Nothing for any other text, and for numbers above `greatest`.
std::optional<Interval> read_range(std::string_view text, std::uint32_t greatest);

/// An address and its mask, most significant byte first; IPv4 uses the first 4. Bits outside the mask are
/// zero.
struct Address {
  std::array<std::uint8_t, 16> bits{};
  std::array<std::uint8_t, 16> mask{};
  bool operator==(const Address&) const = default;

  bool any() const { return mask == std::array<std::uint8_t, 16>{}; }
};

/// Reads ADDRESS[/PREFIX] or ADDRESS/MASK as -s and -d do, with "10/8", "0/0" and "10.1.2.3/255.0.0.0";
/// before a mask of no bits stands anything ("any/0"). Nothing for other host names.
std::optional<Address> read_address(std::string_view text, Family family);
/// The same as most options read it: a missing number of a.b.c.d stands before the last (inet_aton(3)).
std::optional<Address> read_host(std::string_view text, Family family);
std::string to_text(const Address& address, Family family);
/// True when no address is in both networks.
bool disjoint(const Address& a, const Address& b);
/// True when every address of `inner` is in `outer`.
bool within(const Address& inner, const Address& outer);

/// ADDRESS[-ADDRESS] in the one spelling that all its spellings share; nothing for any other text.
std::optional<std::string> read_address_range(std::string_view text, Family family);

struct Mark {
  std::uint32_t value = 0;
  std::uint32_t mask = 0;
};
/// Reads VALUE[/MASK]. `whole` is the mask of a value without one.
std::optional<Mark> read_mark(std::string_view text, std::uint32_t whole = 0xffffffff);
std::string to_text(Mark mark);

}  // namespace rewall
