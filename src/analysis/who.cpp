#include "analysis/who.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::size_t kMostClauses = 16;  // that are looked for
constexpr std::size_t kShownClauses = 4;
constexpr std::size_t kShownRanges = 4;
constexpr std::string_view kEveryone = "everyone";
constexpr std::string_view kEveryoneBut = "everyone but ";

std::string text_of(Field field, const NumberSet& numbers, Family family) {
  if (field == Field::source || field == Field::destination) return addresses_text(numbers, family);
  return values_text(field, numbers, family);
}

// The first ranges in words, and how many more there are.
std::string first_of(Field field, const NumberSet& numbers, Family family) {
  const auto& ranges = numbers.ranges();
  if (ranges.size() <= kShownRanges) return text_of(field, numbers, family);
  const NumberSet first(std::vector<NumberRange>(ranges.begin(), ranges.begin() + kShownRanges - 1));
  return format("{} and {} more", text_of(field, first, family), ranges.size() - kShownRanges + 1);
}

// Addresses that the world has: 2000::/3, and of IPv4 all but private ones (RFC 1918, RFC 6598, RFC 3927).
NumberSet public_addresses(Family family) {
  if (family == Family::ipv6) return NumberSet::range(Number{0x2} << 124U, (Number{0x4} << 124U) - 1);
  return without(NumberSet::range(0x01000000, 0xdfffffff), NumberSet({{0x0a000000, 0x0affffff},
                                                                      {0x64400000, 0x647fffff},
                                                                      {0x7f000000, 0x7fffffff},
                                                                      {0xa9fe0000, 0xa9feffff},
                                                                      {0xac100000, 0xac1fffff},
                                                                      {0xc0a80000, 0xc0a8ffff}}));
}

// The numbers with the gaps that nobody asks for: a network without this host's own address is the network.
NumberSet filled(const NumberSet& numbers, const NumberSet& asked) {
  if (numbers.empty()) return numbers;
  const auto around = NumberSet::range(numbers.ranges().front().first, numbers.ranges().back().last);
  auto out = numbers;
  const auto gaps = without(around, numbers);
  for (const auto& gap : gaps.ranges()) {
    const auto whole_gap = NumberSet::range(gap.first, gap.last);
    if (both(whole_gap, asked).empty()) out = either(out, whole_gap);
  }
  return out;
}

// How many unknown conditions the words name.
std::size_t conditions_in(std::string_view words) {
  std::size_t found = 0;
  for (const std::string_view word : {", if ", ", unless "})
    for (auto at = words.find(word); at != std::string_view::npos; at = words.find(word, at + 1)) ++found;
  return found;
}

double count(const NumberSet& numbers) {
  double sum = 0;
  for (const auto& [first, last] : numbers.ranges()) sum += static_cast<double>(last - first) + 1;
  return sum;
}

}  // namespace

Who::Who(VerdictDiagram& verdicts, Diagram among, NumberSet towards_world)
    : verdicts_(verdicts),
      diagrams_(verdicts.diagrams()),
      among_(among),
      towards_world_(std::move(towards_world)) {}

// The numbers of a level that the words leave unsaid.
NumberSet Who::of(std::size_t level) {
  const auto field = verdicts_.field_of(level);
  if (!field) return NumberSet::range(0, 1);
  auto node = among_;
  while (!Diagrams::is_constant(node) && diagrams_.level(node) <= level) {
    Diagram next = Diagrams::no();
    for (const auto& [numbers, to] : diagrams_.ways(node)) {
      if (to == Diagrams::no()) continue;
      if (diagrams_.level(node) == level) return numbers;
      next = to;
    }
    node = next;
  }
  return verdicts_.asked(*field);
}

bool Who::collect(Diagram set, Clause& above, std::vector<Clause>& out) {
  if (set == Diagrams::no()) return true;
  if (set == Diagrams::yes()) {
    if (out.size() == kMostClauses) return false;
    out.push_back(above);
    return true;
  }
  const auto level = diagrams_.level(set);
  for (auto& [numbers, to] : diagrams_.ways(set)) {
    above.emplace_back(level, std::move(numbers));
    const bool whole = collect(to, above, out);
    above.pop_back();
    if (!whole) return false;
  }
  return true;
}

Diagram Who::diagram(const Clause& clause) {
  auto out = Diagrams::yes();
  for (auto test = clause.rbegin(); test != clause.rend(); ++test)
    out = diagrams_.test(test->first, test->second, out);
  return out;
}

// The clause without what the set does not ask for.
Who::Clause Who::widened(Clause clause, Diagram set) {
  for (std::size_t i = 0; i < clause.size();) {
    auto wider = clause;
    wider.erase(wider.begin() + static_cast<std::ptrdiff_t>(i));
    if (diagrams_.implies(diagrams_.both(diagram(wider), among_), set))
      clause = std::move(wider);
    else
      ++i;
  }
  return clause;
}

Who::Clauses Who::clauses(Diagram set) {
  Clauses out;
  std::vector<Clause> found;
  Clause above;
  out.more = !collect(set, above, found);
  auto rest = set;
  for (auto& clause : found) {
    if (diagrams_.both(diagram(clause), rest) == Diagrams::no()) continue;
    auto wide = widened(std::move(clause), set);
    rest = diagrams_.without(rest, diagram(wide));
    out.all.push_back(std::move(wide));
  }
  out.more = out.more && rest != Diagrams::no();
  return out;
}

// Sets of the ruleset by their names, then addresses.
std::string Who::names(Field field, NumberSet numbers) {
  const auto family = verdicts_.family();
  std::vector<std::string> names;
  const auto unsaid = of(verdicts_.level_of(field));
  if (field == Field::source) {
    for (const auto& [name, members] : verdicts_.source_sets()) {
      const auto own = both(*members, unsaid);
      if (own.empty() || !without(own, numbers).empty()) continue;
      names.push_back("the set " + name);
      numbers = without(numbers, own);
    }
  }
  if (!numbers.empty()) names.push_back(first_of(field, filled(numbers, unsaid), family));
  return join(names, ", ");
}

std::string Who::sources(const NumberSet& numbers) {
  const auto missing = without(of(verdicts_.level_of(Field::source)), numbers);
  if (missing.empty()) return std::string(kEveryone);
  auto plain = names(Field::source, numbers);
  auto others = format("{}{}", kEveryoneBut, names(Field::source, missing));
  const bool fewer = missing.ranges().size() < numbers.ranges().size() || count(missing) < count(numbers);
  return fewer && others.size() < plain.size() + 12 ? others : plain;
}

std::string Who::words(std::size_t level, const NumberSet& numbers) {
  const auto field = verdicts_.field_of(level);
  if (!field) return (numbers.contains(1) ? ", if " : ", unless ") + verdicts_.words_of(level);
  const auto missing = without(of(level), numbers);
  const bool but = missing.ranges().size() < numbers.ranges().size();
  const auto which = names(*field, but ? missing : numbers);
  switch (*field) {
    case Field::in_interface:
      return (but ? " not in on " : " in on ") + which;
    case Field::out_interface:
      return (but ? " not out by " : " out by ") + which;
    case Field::destination:
      return (but ? " to all but " : " to ") + which;
    default:
      return format(" with {}{} {}", but ? "! " : "", rewall::words_of(*field), which);
  }
}

std::string Who::words(const Clause& clause) {
  std::string who{kEveryone};
  std::string rest;
  for (const auto& [level, numbers] : clause) {
    if (verdicts_.field_of(level) == Field::source)
      who = sources(numbers);
    else
      rest += words(level, numbers);
  }
  // "everyone but A in on eth1" leaves out A on eth1 alone.
  if (rest.empty() || !who.starts_with(kEveryoneBut)) return who + rest;
  return format("{}{}{}but {}", kEveryone, rest, rest.find(", ") == std::string::npos ? " " : ", ",
                who.substr(kEveryoneBut.size()));
}

std::string Who::words(const Clauses& clauses, std::string_view between) {
  std::vector<std::string> all;
  for (const auto& clause : clauses.all) {
    if (all.size() == kShownClauses) break;
    all.push_back(words(clause));
  }
  const auto more = clauses.all.size() - all.size();
  if (clauses.more) return join(all, between) + "; and more";
  return join(all, between) + (more > 0 ? format("; and {} more", more) : "");
}

std::string Who::words(Diagram set) {
  if (set == Diagrams::no()) return "nobody";
  if (set == among_) return "everyone";
  auto plain = words(clauses(set));
  const auto missing = clauses(diagrams_.without(among_, set));
  if (missing.more || missing.all.size() > kShownClauses) return plain;
  auto others = words(missing, ", and ");
  // An exception to an exception, and two conditions of one, are not said in few words.
  if (others.find(" but ") != std::string::npos || conditions_in(others) > 1) return plain;
  if (missing.all.size() == 1 && others.starts_with(kEveryone)) {
    others.erase(0, kEveryone.size());
    if (others.starts_with(", if "))
      others = "everyone, unless " + others.substr(5);
    else if (others.starts_with(", unless "))
      others = "everyone, if " + others.substr(9);
    else
      others = "everyone but those" + others;
  } else {
    others = format("{}{}", kEveryoneBut, others);
  }
  return others.size() < plain.size() ? others : plain;
}

std::vector<std::string> Who::depends_on(Diagram set) {
  std::set<std::string> words;
  std::vector<Diagram> waiting{set};
  std::unordered_set<Diagram> seen;
  while (!waiting.empty()) {
    const auto node = waiting.back();
    waiting.pop_back();
    if (Diagrams::is_constant(node) || !seen.insert(node).second) continue;
    if (!verdicts_.field_of(diagrams_.level(node))) words.insert(verdicts_.words_of(diagrams_.level(node)));
    for (const auto& [numbers, to] : diagrams_.ways(node)) waiting.push_back(to);
  }
  return {words.begin(), words.end()};
}

bool Who::world(Diagram set) {
  const auto source = verdicts_.level_of(Field::source);
  const auto in_interface = verdicts_.level_of(Field::in_interface);
  const auto possible = diagrams_.possible(set, source + 1);
  const auto all = public_addresses(verdicts_.family());
  std::vector<Diagram> waiting{possible};
  std::unordered_set<Diagram> seen;
  while (!waiting.empty()) {
    const auto node = waiting.back();
    waiting.pop_back();
    if (node == Diagrams::yes()) return true;
    if (Diagrams::is_constant(node) || !seen.insert(node).second) continue;
    for (const auto& [numbers, to] : diagrams_.ways(node)) {
      if (diagrams_.level(node) == in_interface && both(numbers, towards_world_).empty()) continue;
      if (diagrams_.level(node) != source)
        waiting.push_back(to);
      else if (to == Diagrams::yes() && count(both(numbers, all)) > count(all) / 2)
        return true;
    }
  }
  return false;
}

}  // namespace rewall
