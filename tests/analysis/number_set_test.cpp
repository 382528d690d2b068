#include "analysis/number_set.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>

using namespace rewall;

namespace {

using Numbers = std::set<unsigned>;
constexpr unsigned kEnd = 40;

NumberSet set_of(const Numbers& numbers) {
  std::vector<NumberRange> ranges;
  for (const auto number : numbers) ranges.push_back({number, number});
  return NumberSet(std::move(ranges));
}

Numbers numbers_of(const NumberSet& set) {
  Numbers numbers;
  for (unsigned number = 0; number < kEnd; ++number)
    if (set.contains(number)) numbers.insert(number);
  return numbers;
}

// No range overlaps or touches the next, and all are in order.
bool in_form(const NumberSet& set) {
  for (std::size_t i = 0; i < set.ranges().size(); ++i) {
    const auto& range = set.ranges()[i];
    if (range.first > range.last) return false;
    if (i > 0 && range.first <= set.ranges()[i - 1].last + 1) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("ranges that touch or overlap become one, in order") {
  CHECK(NumberSet({{5, 7}, {1, 2}, {3, 3}}).ranges() == std::vector<NumberRange>{{1, 3}, {5, 7}});
  CHECK(NumberSet({{1, 9}, {2, 3}}).ranges() == std::vector<NumberRange>{{1, 9}});
  const Number greatest = greatest_number(128);
  CHECK(NumberSet({{0, greatest}, {4, 5}}).ranges() == std::vector<NumberRange>{{0, greatest}});
  CHECK(NumberSet({{7, greatest}, {greatest, greatest}, {0, 6}}) == NumberSet::all(128));
}

TEST_CASE("a set of one number is told from others") {
  CHECK(NumberSet::one(7).is_one());
  CHECK_FALSE(NumberSet::range(7, 8).is_one());
  CHECK_FALSE(NumberSet().is_one());
  CHECK(NumberSet().empty());
}

TEST_CASE("sets of numbers up to 128 bits are cut at their ends") {
  const Number greatest = greatest_number(128);
  const auto all = NumberSet::all(128);
  CHECK(without(all, NumberSet::one(0)) == NumberSet::range(1, greatest));
  CHECK(without(all, NumberSet::one(greatest)) == NumberSet::range(0, greatest - 1));
  CHECK(without(all, all).empty());
  CHECK(without(NumberSet::all(16), NumberSet::range(22, 22)) == NumberSet({{0, 21}, {23, 65535}}));
  CHECK(both(all, NumberSet::range(3, greatest)) == NumberSet::range(3, greatest));
}

TEST_CASE("both, either and without are those of sets of single numbers") {
  std::mt19937 random(18);
  for (int round = 0; round < 4000; ++round) {
    Numbers a;
    Numbers b;
    const auto dense = 1 + random() % 9;
    for (unsigned number = 0; number < kEnd; ++number) {
      if (random() % 10 < dense) a.insert(number);
      if (random() % 10 < dense) b.insert(number);
    }
    Numbers in_both;
    Numbers in_either = a;
    Numbers in_a_alone;
    in_either.insert(b.begin(), b.end());
    for (const auto number : a) (b.count(number) != 0 ? in_both : in_a_alone).insert(number);
    const auto left = set_of(a);
    const auto right = set_of(b);
    REQUIRE(numbers_of(left) == a);
    REQUIRE(numbers_of(both(left, right)) == in_both);
    REQUIRE(numbers_of(either(left, right)) == in_either);
    REQUIRE(numbers_of(without(left, right)) == in_a_alone);
    REQUIRE((in_form(left) && in_form(both(left, right)) && in_form(either(left, right)) &&
             in_form(without(left, right))));
  }
}

TEST_CASE("the numbers under a mask are those that the mask leaves free") {
  std::mt19937 random(19);
  for (int round = 0; round < 2000; ++round) {
    const Number mask = random() % 256;
    const Number value = random() % 256;
    const auto numbers = masked_numbers(value, mask, 8);
    REQUIRE(numbers);
    REQUIRE(in_form(*numbers));
    for (unsigned number = 0; number < 256; ++number)
      REQUIRE(numbers->contains(number) == ((number & mask) == (value & mask)));
  }
  CHECK(masked_numbers(0x0a000000, 0xff000000, 32) == NumberSet::range(0x0a000000, 0x0affffff));
  CHECK(masked_numbers(5, greatest_number(128), 128) == NumberSet::one(5));
  CHECK(masked_numbers(5, 0, 128) == NumberSet::all(128));
}

TEST_CASE("numbers under a mask are given up where they are too many ranges") {
  CHECK_FALSE(masked_numbers(1, 1, 32));
  CHECK(masked_numbers(0x10000, 0x10000, 32)->ranges().size() == 32768);
}
