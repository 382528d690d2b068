#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace rewall {

/// A value of a field of a packet: ports, marks, addresses, and names of interfaces (see interface_number()).
__extension__ using Number = unsigned __int128;

/// The greatest number of so many bits, 1 to 128.
constexpr Number greatest_number(unsigned bits) {
  return bits >= 128 ? ~Number{0} : (Number{1} << bits) - 1;
}

/// Numbers FIRST to LAST, both included.
struct NumberRange {
  Number first = 0;
  Number last = 0;
  bool operator==(const NumberRange&) const = default;
};

/// A set of numbers: sorted ranges, of which none overlaps or touches the next. A value.
class NumberSet {
 public:
  NumberSet() = default;  ///< no number
  /// Any ranges, in any order.
  explicit NumberSet(std::vector<NumberRange> ranges);
  static NumberSet one(Number number) { return NumberSet({{number, number}}); }
  static NumberSet range(Number first, Number last) { return NumberSet({{first, last}}); }
  /// All numbers of so many bits.
  static NumberSet all(unsigned bits) { return NumberSet({{0, greatest_number(bits)}}); }

  const std::vector<NumberRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  /// True when the set holds exactly one number, which is then ranges()[0].first.
  bool is_one() const { return ranges_.size() == 1 && ranges_[0].first == ranges_[0].last; }
  bool contains(Number number) const;
  bool operator==(const NumberSet&) const = default;

 private:
  std::vector<NumberRange> ranges_{};
};

NumberSet both(const NumberSet& a, const NumberSet& b);     ///< the numbers in a and in b
NumberSet either(const NumberSet& a, const NumberSet& b);   ///< the numbers in a or in b
NumberSet without(const NumberSet& a, const NumberSet& b);  ///< the numbers in a that are not in b

/// The numbers of so many bits with number & mask == value & mask. Absent where these are more than 65,536
/// ranges.
std::optional<NumberSet> masked_numbers(Number value, Number mask, unsigned bits);

}  // namespace rewall
