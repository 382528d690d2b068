#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include "analysis/walk_state.h"
#include "core/format.h"

namespace rewall {
namespace {

// Sets up to this size are taken apart number by number.
constexpr std::uint64_t kSmall = 4096;
// So many members of a set are looked at one by one where the packet's fields are not single numbers.
constexpr std::size_t kMostNear = 64;
// A mask makes ranges while they are this few.
constexpr int kMostFreeBits = 6;

constexpr Number bit_of(Field field) {
  return Number{1} << static_cast<unsigned>(field);
}

constexpr Number kOfConnection = bit_of(Field::status) | bit_of(Field::direction) |
                                 bit_of(Field::original_source) | bit_of(Field::original_destination) |
                                 bit_of(Field::original_source_port) |
                                 bit_of(Field::original_destination_port) | bit_of(Field::reply_source) |
                                 bit_of(Field::reply_destination) | bit_of(Field::reply_source_port) |
                                 bit_of(Field::reply_destination_port) | bit_of(Field::connection_mark);

NumberSet one_state(ConnectionState state) {
  return NumberSet::one(static_cast<Number>(state));
}

bool matches(Number number, const Possible& possible) {
  if ((number & possible.known_mask) != possible.known) return false;
  return std::ranges::none_of(
      possible.excluded, [number](const Possible::Bits& bits) { return (number & bits.mask) == bits.value; });
}

template <class Visit>
void each_number(const NumberSet& set, Visit visit) {
  for (const auto& range : set.ranges())
    for (Number number = range.first;; ++number) {
      visit(number);
      if (number == range.last) break;
    }
}

// Constraints of a small set become the set itself.
void simplify(Possible& possible) {
  if ((possible.known_mask == 0 && possible.excluded.empty()) || !is_small(possible.set, kSmall)) return;
  std::vector<NumberRange> left;
  each_number(possible.set, [&](Number number) {
    if (matches(number, possible)) left.push_back({number, number});
  });
  possible = Possible{.set = NumberSet(std::move(left))};
}

int ones(Number number) {
  return std::popcount(static_cast<std::uint64_t>(number)) +
         std::popcount(static_cast<std::uint64_t>(number >> 64U));
}

// How many free bits stand above the lowest bit of the mask: 0 for the mask of a network.
int scattered(Number mask, unsigned bits) {
  const auto lowest = mask & (Number{0} - mask);
  return ones(greatest_number(bits) & ~mask & ~(lowest - 1));
}

WalkQuestion about(std::uint32_t variable, NumberSet numbers, bool usual) {
  return WalkQuestion{.kind = WalkQuestion::Kind::numbers,
                      .variable = variable,
                      .numbers = std::make_shared<const NumberSet>(std::move(numbers)),
                      .usual = usual};
}

Number size_of(const NumberSet& set) {
  Number size = 0;
  for (const auto& range : set.ranges()) size += range.last - range.first + (size == 0 ? 0 : 1);
  return size;
}

// The numbers that packets have unless something is special: no mark, a new connection, a SYN.
std::optional<Number> usual_number(Field field) {
  switch (field) {
    case Field::mark:
    case Field::connection_mark:
    case Field::fragment:
    case Field::direction:
    case Field::extensions:
    case Field::bridge_in:
    case Field::bridge_out:
    case Field::packet_type:
    case Field::tos:
      return 0;
    case Field::state:
      return static_cast<Number>(ConnectionState::fresh);
    case Field::tcp_flags:
      return 2;
    default:
      return std::nullopt;
  }
}

bool usually(Field field, const NumberSet& all, const NumberSet& yes) {
  const auto usual = usual_number(field);
  if (usual && all.contains(*usual)) return yes.contains(*usual);
  return size_of(both(all, yes)) > size_of(without(all, yes));
}

}  // namespace

bool is_small(const NumberSet& set, std::uint64_t most) {
  std::uint64_t size = 0;
  for (const auto& range : set.ranges()) {
    const auto width = range.last - range.first;
    if (width >= most) return false;
    size += static_cast<std::uint64_t>(width) + 1;
    if (size > most) return false;
  }
  return true;
}

// ---- variables and views

void Evaluator::start(WalkState& state, const Packet& packet) {
  state.variables.reserve(kFields + 8);
  for (std::size_t i = 0; i < kFields; ++i) {
    const auto field = static_cast<Field>(i);
    names_.emplace_back(words_of(field));
    kinds_.push_back(field);
    state.variables.push_back(std::make_shared<const Possible>(Possible{.set = packet[field]}));
    state.set_view(field, View::of_variable(static_cast<std::uint32_t>(i)));
  }
}

std::uint32_t Evaluator::make_variable(WalkState& state, const std::string& words, Field field,
                                       NumberSet set) {
  const auto next = static_cast<std::uint32_t>(names_.size());
  auto [known, fresh] = variable_numbers_.try_emplace(words, next);
  auto number = known->second;
  // A second one by the same rule on the same way is another one.
  if (!fresh && number < state.variables.size() && state.variables[number]) {
    number = next;
    fresh = true;
  }
  if (fresh) {
    names_.push_back(words);
    kinds_.push_back(field);
    made_.push_back(set);
  }
  made_[number - kFields] = set;
  if (state.variables.size() <= number) state.variables.resize(number + 1);
  state.variables[number] = std::make_shared<const Possible>(Possible{.set = std::move(set)});
  return number;
}

std::optional<Number> Evaluator::number_of_view(const View& view, const WalkState& state) const {
  auto number = view.constant;
  for (const auto& term : view.terms) {
    const auto& possible = *state.variables[term.variable];
    if (possible.set.is_one()) {
      number ^= possible.set.ranges()[0].first & term.mask;
    } else if ((term.mask & ~possible.known_mask) == 0) {
      number ^= possible.known & term.mask;
    } else {
      return std::nullopt;
    }
  }
  return number;
}

NumberSet Evaluator::numbers_of(const View& view, Field field, const WalkState& state) const {
  if (const auto number = number_of_view(view, state)) return NumberSet::one(*number);
  const auto bits = number_of_bits(field, family_);
  const auto all = greatest_number(bits);
  if (view.terms.size() == 1) {
    const auto& term = view.terms[0];
    const auto& possible = *state.variables[term.variable];
    const bool plain = (term.mask & all) == all && view.constant == 0;
    if (plain && possible.known_mask == 0) return possible.set;
    if (is_small(possible.set, kSmall)) {
      std::vector<NumberRange> ranges;
      each_number(possible.set, [&](Number number) {
        const auto shown = (number & term.mask) ^ view.constant;
        ranges.push_back({shown, shown});
      });
      return NumberSet(std::move(ranges));
    }
    if (plain) {
      const auto masked = masked_numbers(possible.known, possible.known_mask, bits);
      return masked ? both(*masked, possible.set) : possible.set;
    }
  }
  // The bits that are known, and any others.
  Number open = 0;
  Number known = view.constant;
  for (const auto& term : view.terms) {
    const auto& possible = *state.variables[term.variable];
    open |= term.mask & ~possible.known_mask;
    known ^= term.mask & possible.known;
  }
  const auto masked = masked_numbers(known, all & ~open, bits);
  return masked ? *masked : whole(field, family_);
}

NumberRange Evaluator::hull_of(const View& view, Field field, const WalkState& state) const {
  if (const auto number = number_of_view(view, state)) return {*number, *number};
  const auto all = greatest_number(number_of_bits(field, family_));
  if (view.terms.size() != 1 || view.constant != 0 || (view.terms[0].mask & all) != all) return {0, all};
  const auto& ranges = state.variables[view.terms[0].variable]->set.ranges();
  return {ranges.front().first, ranges.back().last};
}

const std::string& Evaluator::words(const WalkQuestion& question) const {
  return question.kind == WalkQuestion::Kind::unknown ? unknowns_[question.variable]
                                                      : names_[question.variable];
}

bool Evaluator::exact(const WalkState& state) const {
  for (std::size_t i = 0; i < state.variables.size(); ++i) {
    if (!state.variables[i]) continue;
    const auto& possible = *state.variables[i];
    if (possible.known_mask != 0 || !possible.excluded.empty()) return false;
    if (i >= kFields && possible.set != made_[i - kFields]) return false;
  }
  return true;
}

bool Evaluator::apply(const WalkQuestion& question, bool yes, WalkState& state) const {
  if (question.kind == WalkQuestion::Kind::unknown) {
    state.answers = std::make_shared<const WalkAnswer>(WalkAnswer{question.variable, yes, state.answers});
    return true;
  }
  auto possible = *state.variables[question.variable];
  if (question.kind == WalkQuestion::Kind::numbers) {
    possible.set = yes ? both(possible.set, *question.numbers) : without(possible.set, *question.numbers);
  } else if (yes || ones(question.mask) == 1) {
    possible.known_mask |= question.mask;
    possible.known =
        (possible.known & ~question.mask) | (yes ? question.value : question.mask & ~question.value);
  } else {
    possible.excluded.push_back({question.mask, question.value});
  }
  simplify(possible);
  const bool there = !possible.impossible();
  state.variables[question.variable] = std::make_shared<const Possible>(std::move(possible));
  return there;
}

// ---- conditions

Truth Evaluator::test(const Condition& condition, WalkState& state, WalkQuestion& question) {
  auto truth = Truth::no;
  switch (condition.kind) {
    case Condition::Kind::in:
    case Condition::Kind::masked: {
      truth = prepare(condition.field, state, question);
      if (truth == Truth::open) return truth;
      const auto& view = state.view(condition.field);
      truth = condition.kind == Condition::Kind::in
                  ? test_numbers(view, condition.field, condition.numbers, state, question)
                  : test_bits(view, condition.field, condition.mask, condition.value, state, question);
      break;
    }
    case Condition::Kind::all_of:
    case Condition::Kind::any_of:
      truth = test_parts(condition, state, question);
      break;
    case Condition::Kind::lookup:
      truth = test_lookup(condition, state, question);
      break;
    case Condition::Kind::unknown:
      truth = ask_condition(condition, state, question);
      break;
  }
  if (!condition.negated) return truth;
  if (truth == Truth::open) {
    // What people expect of an unknown is that the rule does not match.
    if (question.kind == WalkQuestion::Kind::unknown) question.usual = !question.usual;
    return truth;
  }
  return truth == Truth::yes ? Truth::no : Truth::yes;
}

Truth Evaluator::test_parts(const Condition& condition, WalkState& state, WalkQuestion& question) {
  const auto decides = condition.kind == Condition::Kind::all_of ? Truth::no : Truth::yes;
  bool open = false;
  for (const auto& part : condition.parts) {
    WalkQuestion of_part;
    const auto truth = test(part, state, of_part);
    if (truth == decides) return decides;
    if (truth == Truth::open && !open) {
      open = true;
      question = std::move(of_part);
    }
  }
  if (open) return Truth::open;
  return decides == Truth::no ? Truth::yes : Truth::no;
}

Truth Evaluator::test_numbers(const View& view, Field field, const NumberSet& numbers, const WalkState& state,
                              WalkQuestion& question) {
  if (const auto number = number_of_view(view, state))
    return numbers.contains(*number) ? Truth::yes : Truth::no;
  const auto bits = number_of_bits(field, family_);
  const auto all = greatest_number(bits);
  if (view.terms.size() == 1) {
    const auto& term = view.terms[0];
    const auto& possible = *state.variables[term.variable];
    if ((term.mask & all) == all && view.constant == 0) {
      const auto yes = both(possible.set, numbers);
      if (yes.empty()) return Truth::no;
      if (yes == possible.set) return Truth::yes;
      if (numbers.is_one() && !matches(numbers.ranges()[0].first, possible)) return Truth::no;
      question = about(term.variable, numbers, usually(kinds_[term.variable], possible.set, numbers));
      return Truth::open;
    }
    if (is_small(possible.set, kSmall)) {
      std::vector<NumberRange> before;
      each_number(possible.set, [&](Number number) {
        if (numbers.contains((number & term.mask) ^ view.constant)) before.push_back({number, number});
      });
      NumberSet yes(std::move(before));
      if (yes.empty()) return Truth::no;
      if (yes == possible.set) return Truth::yes;
      const bool usual = usually(kinds_[term.variable], possible.set, yes);
      question = about(term.variable, std::move(yes), usual);
      return Truth::open;
    }
  }
  if (numbers.is_one()) return test_bits(view, field, all, numbers.ranges()[0].first, state, question);
  if (numbers == whole(field, family_)) return Truth::yes;
  if (numbers.empty()) return Truth::no;
  return ask(std::string(words_of(field)) + ' ' + values_text(field, numbers, family_), 0, state, question);
}

Truth Evaluator::test_bits(const View& view, Field field, Number mask, Number value, const WalkState& state,
                           WalkQuestion& question) {
  if ((value & ~mask) != 0) return Truth::no;
  Number variable = 0;
  bool overlaps = false;
  for (const auto& term : view.terms) {
    overlaps = overlaps || (variable & term.mask & mask) != 0;
    variable |= term.mask;
  }
  const auto wanted = value ^ (view.constant & mask);
  if ((wanted & mask & ~variable) != 0) return Truth::no;
  if (overlaps) {
    if (const auto number = number_of_view(view, state))
      return (*number & mask) == value ? Truth::yes : Truth::no;
    return ask(format("{} {:#x}/{:#x}", words_of(field), static_cast<std::uint64_t>(value),
                      static_cast<std::uint64_t>(mask)),
               0, state, question);
  }
  auto truth = Truth::yes;
  for (const auto& term : view.terms) {
    const auto part = mask & term.mask;
    if (part == 0) continue;
    WalkQuestion of_term;
    const auto here = test_variable_bits(term.variable, field, part, wanted & part, state, of_term);
    if (here == Truth::no) return here;
    if (here == Truth::open && truth == Truth::yes) {
      truth = here;
      question = std::move(of_term);
    }
  }
  return truth;
}

Truth Evaluator::test_variable_bits(std::uint32_t variable, Field field, Number mask, Number value,
                                    const WalkState& state, WalkQuestion& question) {
  const auto& possible = *state.variables[variable];
  if (((possible.known ^ value) & mask & possible.known_mask) != 0) return Truth::no;
  if ((mask & ~possible.known_mask) == 0) return Truth::yes;
  const auto known_mask = possible.known_mask | mask;
  const auto known = possible.known | value;
  for (const auto& bits : possible.excluded)
    if ((bits.mask & ~known_mask) == 0 && (known & bits.mask) == bits.value) return Truth::no;
  const auto bits = number_of_bits(field, family_);
  const auto fits = [&](Number number) { return (number & mask) == value; };
  if (is_small(possible.set, kSmall)) {
    std::vector<NumberRange> yes;
    std::uint64_t all = 0;
    each_number(possible.set, [&](Number number) {
      ++all;
      if (fits(number)) yes.push_back({number, number});
    });
    if (yes.empty()) return Truth::no;
    if (yes.size() == all) return Truth::yes;
    NumberSet numbers(std::move(yes));
    const bool usual = usually(kinds_[variable], possible.set, numbers);
    question = about(variable, std::move(numbers), usual);
    return Truth::open;
  }
  if (scattered(mask, bits) <= kMostFreeBits) {
    const auto numbers = masked_numbers(value, mask, bits);
    const auto yes = both(possible.set, *numbers);
    if (yes.empty()) return Truth::no;
    if (yes == possible.set) return Truth::yes;
    // Some bits of it may be known already: then a set does not tell what is left.
    if (possible.known_mask == 0 && possible.excluded.empty()) {
      question = about(variable, *numbers, usually(kinds_[variable], possible.set, *numbers));
      return Truth::open;
    }
  }
  const auto usual = usual_number(kinds_[variable]);
  question = WalkQuestion{.kind = WalkQuestion::Kind::bits,
                          .variable = variable,
                          .mask = mask,
                          .value = value,
                          .usual = usual && fits(*usual)};
  return Truth::open;
}

Truth Evaluator::ask(const std::string& words, std::uint64_t which, const WalkState& state,
                     WalkQuestion& question) {
  const auto [known, fresh] = unknown_numbers_.try_emplace(
      which == 0 ? words : format("{} #{:x}", words, which), static_cast<std::uint32_t>(unknowns_.size()));
  if (fresh) unknowns_.push_back(words);
  for (const auto* answer = state.answers.get(); answer != nullptr; answer = answer->before.get())
    if (answer->unknown == known->second) return answer->yes ? Truth::yes : Truth::no;
  question = WalkQuestion{.kind = WalkQuestion::Kind::unknown, .variable = known->second};
  return Truth::open;
}

Truth Evaluator::ask_condition(const Condition& condition, const WalkState& state, WalkQuestion& question) {
  std::uint64_t which = 0;
  const auto mix = [&which](std::uint64_t number) { which = (which ^ number) * 0xff51afd7ed558ccdU + 1; };
  if (condition.stateful) {
    mix(reinterpret_cast<std::uintptr_t>(&condition));
    mix(state.callers ? state.callers->id : 0);
    mix(static_cast<std::uint64_t>(state.hook));
  }
  // Behind a translation the same words ask about another packet.
  for (const auto field : condition.fields) {
    const auto& view = state.view(field);
    const bool untouched =
        view.terms.size() == 1 && view.terms[0].variable == static_cast<std::uint32_t>(field);
    if (untouched) continue;
    mix(static_cast<std::uint64_t>(field) + 1);
    mix(static_cast<std::uint64_t>(view.constant));
    for (const auto& term : view.terms) mix(term.variable);
  }
  return ask(condition.words, which, state, question);
}

// ---- sets

Truth Evaluator::test_lookup(const Condition& condition, WalkState& state, WalkQuestion& question) {
  const auto* members = parts_.members(condition.set, condition.of_nomatch);
  const auto words = condition.words.empty() ? "--match-set " + condition.set : condition.words;
  for (const auto* changed = state.changed_sets.get(); changed != nullptr; changed = changed->before.get())
    if (changed->name == condition.set)
      return ask(words, reinterpret_cast<std::uintptr_t>(changed), state, question);
  Condition fallback = unknown(words, condition.fields);
  if (members == nullptr || !members->known()) return ask_condition(fallback, state, question);
  const auto truth = test_members(condition, *members, state, question);
  if (truth != Truth::no || !members->open()) return truth;
  return ask_condition(fallback, state, question);
}

// get_port() of ip_set_getport.c needs one protocol. Where the packets have several they are told apart.
Truth Evaluator::set_protocol(WalkState& state, WalkQuestion& question, std::uint8_t& protocol, bool& there) {
  static constexpr std::array<Number, 6> kPorted = {6, 17, 1, 58, 132, 136};
  const auto& view = state.view(Field::protocol);
  const auto number = number_of_view(view, state);
  if (!number) {
    for (const auto each : kPorted) {
      const auto truth = test_numbers(view, Field::protocol, NumberSet::one(each), state, question);
      if (truth == Truth::open) return truth;
    }
    return Truth::no;
  }
  protocol = static_cast<std::uint8_t>(*number);
  there = true;
  if (std::ranges::find(kPorted, *number) == kPorted.end()) return Truth::yes;
  const auto truth =
      test_numbers(state.view(Field::fragment), Field::fragment, NumberSet::one(0), state, question);
  if (truth == Truth::open) return truth;
  there = truth == Truth::yes;
  return Truth::yes;
}

Truth Evaluator::test_members(const Condition& condition, const SetMembers& members, WalkState& state,
                              WalkQuestion& question) {
  std::uint8_t protocol = 0;
  if (members.has_port()) {
    bool there = true;
    if (members.is_port_map()) {
      const auto knows = test_numbers(state.view(Field::protocol), Field::protocol,
                                      NumberSet({{6, 6}, {17, 17}}), state, question);
      if (knows != Truth::yes) return knows;
      const auto first =
          test_numbers(state.view(Field::fragment), Field::fragment, NumberSet::one(0), state, question);
      if (first != Truth::yes) return first;
    } else {
      const auto truth = set_protocol(state, question, protocol, there);
      if (truth == Truth::open) return truth;
      if (truth == Truth::no)
        return ask_condition(unknown(condition.words, condition.fields), state, question);
      if (!there) return Truth::no;
    }
  }
  if (const auto* numbers = members.numbers()) {
    const auto field = condition.fields[0];
    return test_numbers(state.view(field), field, *numbers, state, question);
  }
  return test_near(members, condition, state, question, protocol);
}

Truth Evaluator::test_near(const SetMembers& members, const Condition& condition, WalkState& state,
                           WalkQuestion& question, std::uint8_t protocol) {
  const bool icmp = members.has_port() && (protocol == 1 || protocol == 58);
  const bool ported = protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
  std::vector<View> views;
  std::vector<Number> values;
  std::vector<NumberRange> ranges;
  for (std::size_t i = 0; i < members.dimensions(); ++i) {
    const auto field = condition.fields[i];
    auto view = state.view(field);
    if (i == members.port_part() && !ported) view = View::of_constant(0);
    if (i == members.port_part() && icmp) {
      const auto type = number_of_view(state.view(Field::icmp_type), state);
      const auto code = number_of_view(state.view(Field::icmp_code), state);
      if (!type || !code) return ask_condition(unknown(condition.words, condition.fields), state, question);
      view = View::of_constant((*type << 8) | *code);
    }
    if (const auto number = number_of_view(view, state)) values.push_back(*number);
    const auto range = hull_of(view, field, state);
    // No interface is in no set (hash_netiface4_kadt).
    if ((field == Field::in_interface || field == Field::out_interface) && range.last == 0) return Truth::no;
    ranges.push_back(range);
    views.push_back(std::move(view));
  }
  if (values.size() == members.dimensions())
    return members.contains(values, protocol) ? Truth::yes : Truth::no;
  const auto near = members.near(ranges, kMostNear);
  if (!near) return ask_condition(unknown(condition.words, condition.fields), state, question);
  bool open = false;
  for (const auto* member : *near) {
    if (members.has_port() && member->protocol != protocol) continue;
    auto all = Truth::yes;
    for (std::size_t i = 0; i < views.size() && all != Truth::no; ++i) {
      WalkQuestion of_part;
      const auto range = members.range_of(*member, i);
      const auto part = test_numbers(views[i], condition.fields[i], NumberSet({range}), state, of_part);
      if (part == Truth::yes) continue;
      if (part == Truth::open && all == Truth::yes && !open) question = std::move(of_part);
      all = part;
    }
    if (all == Truth::yes) return all;
    open = open || all == Truth::open;
  }
  return open ? Truth::open : Truth::no;
}

// ---- connections

Truth Evaluator::from_loopback(WalkState& state, WalkQuestion& question) {
  return test_numbers(state.view(Field::in_interface), Field::in_interface,
                      NumberSet::one(interface_number("lo")), state, question);
}

bool Evaluator::is_whole(Field field, const WalkState& state) const {
  const auto& view = state.view(field);
  if (view.terms.size() != 1 || view.terms[0].variable != static_cast<std::uint32_t>(field)) return false;
  const auto& possible = *state.variables[view.terms[0].variable];
  return possible.set == whole(field, family_) && possible.known_mask == 0 && possible.excluded.empty();
}

// What somebody said against it stays.
void Evaluator::narrow(WalkState& state, Field field, const NumberSet& set) {
  const auto variable = static_cast<std::uint32_t>(field);
  auto possible = *state.variables[variable];
  possible.set = both(possible.set, set);
  simplify(possible);
  if (!possible.impossible())
    state.variables[variable] = std::make_shared<const Possible>(std::move(possible));
}

// A packet from the loopback interface keeps the connection that it had on its way out.
Truth Evaluator::tracked(WalkState& state, WalkQuestion& question) {
  if (state.tracked) return Truth::yes;
  if (state.untracked || state.hook != Hook::prerouting) return Truth::no;
  const auto truth = from_loopback(state, question);
  if (truth == Truth::yes) {
    state.set_view(Field::state, View::of_variable(static_cast<std::uint32_t>(Field::state)));
    state.tracked = true;
  }
  return truth;
}

Truth Evaluator::prepare(Field field, WalkState& state, WalkQuestion& question) {
  const bool of_connection = (kOfConnection & bit_of(field)) != 0;
  if (!of_connection && field != Field::state) return Truth::yes;
  if (tracked(state, question) == Truth::open) return Truth::open;
  if (!of_connection || !state.tracked || state.untracked || state.as_first) return Truth::yes;
  if (const auto truth = settle(state, question); truth == Truth::open) return truth;
  const bool of_tuple =
      field != Field::status && field != Field::direction && field != Field::connection_mark;
  return of_tuple ? settle_direction(state, question) : Truth::yes;
}

Truth Evaluator::settle(WalkState& state, WalkQuestion& question) {
  if (state.settled) return Truth::yes;
  const auto& view = state.view(Field::state);
  for (const auto each : {ConnectionState::fresh, ConnectionState::established, ConnectionState::related}) {
    const auto truth = test_numbers(view, Field::state, one_state(each), state, question);
    if (truth == Truth::open) return truth;
    if (truth == Truth::no) continue;
    if (each == ConnectionState::fresh) settle_fresh(state);
    if (each == ConnectionState::established) settle_established(state);
    break;
  }
  state.settled = true;
  return Truth::yes;
}

void Evaluator::settle_fresh(WalkState& state) {
  narrow(state, Field::direction, NumberSet::one(0));
  narrow(state, Field::status, NumberSet::one(0));
  narrow(state, Field::connection_mark, NumberSet::one(0));
  const auto show = [&](Field field, Field as) {
    if (is_whole(field, state)) state.set_view(field, View::of_variable(static_cast<std::uint32_t>(as)));
  };
  const auto share = [&](Field field, Field as) {
    if (is_whole(field, state)) state.set_view(field, state.view(as));
  };
  show(Field::original_source, Field::source);
  show(Field::original_destination, Field::destination);
  show(Field::original_source_port, Field::source_port);
  show(Field::original_destination_port, Field::destination_port);
  share(Field::reply_source, Field::destination);
  share(Field::reply_destination, Field::source);
  share(Field::reply_source_port, Field::destination_port);
  share(Field::reply_destination_port, Field::source_port);
  state.directed = true;
}

void Evaluator::settle_established(WalkState& state) {
  constexpr Number kSeen = StatusBit::seen_reply | StatusBit::confirmed;
  narrow(state, Field::status, *masked_numbers(kSeen, kSeen, number_of_bits(Field::status, family_)));
}

// The tuple of a connection is that of its packets, before NAT, in the one direction or in the other.
Truth Evaluator::settle_direction(WalkState& state, WalkQuestion& question) {
  if (state.directed) return Truth::yes;
  const auto& view = state.view(Field::state);
  const auto established =
      test_numbers(view, Field::state, one_state(ConnectionState::established), state, question);
  if (established != Truth::yes) return established == Truth::open ? Truth::open : Truth::yes;
  const auto reply =
      test_numbers(state.view(Field::direction), Field::direction, NumberSet::one(1), state, question);
  if (reply == Truth::open) return reply;
  const auto show = [&](Field field, Field as) {
    if (is_whole(field, state)) state.set_view(field, View::of_variable(static_cast<std::uint32_t>(as)));
  };
  const bool back = reply == Truth::yes;
  show(back ? Field::reply_source : Field::original_source, Field::source);
  show(back ? Field::reply_destination : Field::original_destination, Field::destination);
  show(back ? Field::reply_source_port : Field::original_source_port, Field::source_port);
  show(back ? Field::reply_destination_port : Field::original_destination_port, Field::destination_port);
  state.directed = true;
  return Truth::yes;
}

}  // namespace rewall
