#include "analysis/diagram.h"

#include <random>

namespace rewall {
namespace {

// Three numbers of 3, 4 and 2 bits: every combination can be tried.
constexpr std::size_t kLevels = 3;
const std::vector<unsigned> kBits{3, 4, 2};

template <class Of>
void for_all(const Of& of) {
  for (Number a = 0; a < 8; ++a)
    for (Number b = 0; b < 16; ++b)
      for (Number c = 0; c < 4; ++c) of(std::array<Number, kLevels>{a, b, c});
}

using Box = std::array<NumberSet, kLevels>;

bool is_in(const Box& box, const std::array<Number, kLevels>& numbers) {
  for (std::size_t level = 0; level < kLevels; ++level)
    if (!box[level].contains(numbers[level])) return false;
  return true;
}

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  std::uint32_t below(std::uint32_t n) {
    return std::uniform_int_distribution<std::uint32_t>(0, n - 1)(random_);
  }

  Box box() {
    Box out;
    for (std::size_t level = 0; level < kLevels; ++level) {
      const auto all = std::uint32_t{1} << kBits[level];
      std::vector<NumberRange> ranges;
      for (std::uint32_t n = below(3) + 1; n > 0; --n) {
        const auto first = below(all);
        ranges.push_back({first, first + below(all - first)});
      }
      out[level] = below(3) == 0 ? NumberSet::all(kBits[level]) : NumberSet(ranges);
    }
    return out;
  }

 private:
  std::mt19937 random_;
};

Diagram diagram_of(Diagrams& diagrams, const Box& box, Diagram in = Diagrams::yes(),
                   Diagram out = Diagrams::no()) {
  for (std::size_t level = kLevels; level-- > 0;) in = diagrams.test(level, box[level], in, out);
  return in;
}

// A list of rules, of which the first that matches decides.
struct List {
  std::vector<std::pair<Box, Leaf>> rules{};
  Leaf operator()(const std::array<Number, kLevels>& numbers) const {
    for (const auto& [box, outcome] : rules)
      if (is_in(box, numbers)) return outcome;
    return 0;
  }
};

List random_list(Dice& dice) {
  List out;
  for (auto n = dice.below(9); n > 0; --n) {
    auto box = dice.box();
    out.rules.emplace_back(std::move(box), dice.below(4));
  }
  return out;
}

// Leaf 9 is that of a rule which does not match; neighbours are put together, as in a balanced tree.
Diagram diagram_of(Diagrams& diagrams, const List& list) {
  std::vector<Diagram> parts{Diagrams::constant(9)};
  for (const auto& [box, outcome] : list.rules)
    parts.push_back(diagram_of(diagrams, box, Diagrams::constant(outcome), Diagrams::constant(9)));
  while (parts.size() > 1) {
    std::vector<Diagram> fewer;
    for (std::size_t i = 0; i < parts.size(); i += 2)
      fewer.push_back(i + 1 < parts.size() ? diagrams.replace(parts[i], 9, parts[i + 1]) : parts[i]);
    parts = std::move(fewer);
  }
  return diagrams.replace(parts[0], 9, Diagrams::constant(0));
}

}  // namespace

TEST_CASE("a diagram of a list of rules answers as the list does, for every packet") {
  Dice dice(1);
  for (int round = 0; round < 300; ++round) {
    Diagrams diagrams(kBits);
    const auto list = random_list(dice);
    const auto f = diagram_of(diagrams, list);
    bool equal = true;
    for_all([&](const auto& numbers) { equal = equal && diagrams.value(f, numbers) == list(numbers); });
    REQUIRE(equal);
  }
}

TEST_CASE("two lists have one diagram exactly when they answer alike") {
  Dice dice(2);
  Diagrams diagrams(kBits);
  std::map<std::vector<Leaf>, Diagram> known;
  std::set<Diagram> all;
  for (int round = 0; round < 2000; ++round) {
    auto list = random_list(dice);
    if (list.rules.size() > 2) list.rules.resize(2);
    const auto f = diagram_of(diagrams, list);
    std::vector<Leaf> answers;
    for_all([&](const auto& numbers) { answers.push_back(list(numbers)); });
    const auto [place, fresh] = known.emplace(answers, f);
    REQUIRE(place->second == f);
    REQUIRE(all.insert(f).second == fresh);
  }
}

TEST_CASE("both, either, complement, without, implies and choose are those of sets") {
  Dice dice(3);
  for (int round = 0; round < 200; ++round) {
    Diagrams diagrams(kBits);
    const auto make = [&] {
      return diagrams.either(diagram_of(diagrams, dice.box()), diagram_of(diagrams, dice.box()));
    };
    const auto a = make();
    const auto b = make();
    const auto c = make();
    const auto intersection = diagrams.both(a, b);
    const auto unity = diagrams.either(a, b);
    const auto negation = diagrams.complement(a);
    const auto minus = diagrams.without(a, b);
    const auto choice = diagrams.choose(a, b, c);
    bool right = true;
    bool implied = true;
    for_all([&](const auto& numbers) {
      const auto is = [&](Diagram f) { return diagrams.value(f, numbers) == 1; };
      right = right && is(intersection) == (is(a) && is(b)) && is(unity) == (is(a) || is(b)) &&
              is(negation) == !is(a) && is(minus) == (is(a) && !is(b)) &&
              is(choice) == (is(a) ? is(b) : is(c));
      implied = implied && (!is(a) || is(b));
    });
    REQUIRE(right);
    REQUIRE(diagrams.implies(a, b) == implied);
    REQUIRE(diagrams.implies(intersection, a));
    REQUIRE(diagrams.complement(negation) == a);
  }
}

TEST_CASE("several outcomes are replaced at once, by diagrams that ask for any level") {
  Dice dice(4);
  for (int round = 0; round < 200; ++round) {
    Diagrams diagrams(kBits);
    const auto f = random_list(dice);
    const auto g = random_list(dice);
    const auto h = random_list(dice);
    const auto made = diagrams.replace(diagram_of(diagrams, f),
                                       {{1, diagram_of(diagrams, g)}, {2, diagram_of(diagrams, h)}});
    bool right = true;
    for_all([&](const auto& numbers) {
      const auto first = f(numbers);
      const auto wanted = first == 1 ? g(numbers) : first == 2 ? h(numbers) : first;
      right = right && diagrams.value(made, numbers) == wanted;
    });
    REQUIRE(right);
  }
}

TEST_CASE("what is possible is what some choice of the later numbers allows") {
  Dice dice(5);
  for (int round = 0; round < 100; ++round) {
    Diagrams diagrams(kBits);
    const auto a = diagrams.either(diagram_of(diagrams, dice.box()), diagram_of(diagrams, dice.box()));
    for (std::size_t first = 0; first <= kLevels; ++first) {
      const auto found = diagrams.possible(a, first);
      bool right = true;
      for_all([&](const auto& numbers) {
        bool some = false;
        for_all([&](const auto& others) {
          some = some ||
                 (std::equal(numbers.begin(), numbers.begin() + static_cast<long>(first), others.begin()) &&
                  diagrams.value(a, others) == 1);
        });
        right = right && (diagrams.value(found, numbers) == 1) == some;
      });
      REQUIRE(right);
    }
  }
}

TEST_CASE("the share of a set is the part of all packets in it") {
  Diagrams diagrams(kBits);
  CHECK(diagrams.share(Diagrams::yes()) == 1);
  CHECK(diagrams.share(Diagrams::no()) == 0);
  CHECK(diagrams.share(diagrams.test(0, NumberSet::range(0, 3))) == 0.5);
  CHECK(diagrams.share(diagram_of(
            diagrams, {NumberSet::one(5), NumberSet::range(4, 7), NumberSet::all(2)})) == 1.0 / 32);
}

TEST_CASE("numbers of 128 bits have their greatest one") {
  Diagrams diagrams({128, 128});
  const auto greatest = greatest_number(128);
  const auto f = diagrams.test(0, NumberSet::one(greatest));
  const auto at = [&](Number a, Number b) { return diagrams.value(f, std::array<Number, 2>{a, b}); };
  CHECK(at(greatest, 0) == 1);
  CHECK(at(greatest - 1, greatest) == 0);
  CHECK(at(0, greatest) == 0);
  CHECK(diagrams.test(1, NumberSet::all(128)) == Diagrams::yes());
  CHECK(diagrams.complement(diagrams.test(1, NumberSet::range(0, greatest - 1))) ==
        diagrams.test(1, NumberSet::one(greatest)));
}

TEST_CASE("a node has its edges in order, and together those that lead to one place") {
  Diagrams diagrams({16});
  const auto f = diagrams.test(0, NumberSet({{22, 22}, {80, 81}}), Diagrams::constant(7), Diagrams::no());
  const auto ways = diagrams.ways(f);
  REQUIRE(ways.size() == 2);
  CHECK(ways[0] == std::pair(NumberSet({{0, 21}, {23, 79}, {82, 65535}}), Diagrams::no()));
  CHECK(ways[1] == std::pair(NumberSet({{22, 22}, {80, 81}}), Diagrams::constant(7)));
  CHECK(diagrams.edges(f).size() == 5);
  CHECK(diagrams.leaves(f) == std::vector<Leaf>{0, 7});
}

TEST_CASE("diagrams that are kept stay the same functions, and others are forgotten") {
  Dice dice(6);
  Diagrams diagrams(kBits);
  std::vector<List> lists;
  std::vector<Diagram> kept;
  for (int i = 0; i < 50; ++i) {
    lists.push_back(random_list(dice));
    kept.push_back(diagram_of(diagrams, lists.back()));
  }
  const auto before = diagrams.total_edges();
  std::vector<Diagram*> roots;
  for (auto& f : kept) roots.push_back(&f);
  diagrams.keep(roots);
  CHECK(diagrams.total_edges() < before);
  bool equal = true;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    for_all(
        [&](const auto& numbers) { equal = equal && diagrams.value(kept[i], numbers) == lists[i](numbers); });
    equal = equal && diagram_of(diagrams, lists[i]) == kept[i];
  }
  CHECK(equal);
}

TEST_CASE("a level that is added stands behind all others") {
  Diagrams diagrams({4});
  const auto level = diagrams.add_level(1);
  CHECK(level == 1);
  const auto f = diagrams.test(0, NumberSet::one(3), diagrams.test(level, NumberSet::one(1)));
  CHECK(diagrams.value(f, std::array<Number, 2>{3, 1}) == 1);
  CHECK(diagrams.value(f, std::array<Number, 2>{3, 0}) == 0);
}

}  // namespace rewall
