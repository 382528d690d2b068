#include "analysis/condition_diagram.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "analysis/conditions.h"
#include "analysis/model_parts.h"
#include "core/format.h"

namespace rewall {
namespace {

constexpr Leaf kNextMember = 2;

std::array<std::size_t, kFields> places_of(const std::vector<Field>& fields) {
  std::array<std::size_t, kFields> places{};
  for (std::size_t i = 0; i < fields.size(); ++i) places[static_cast<std::size_t>(fields[i])] = i;
  return places;
}

std::vector<Field> all_fields(const std::vector<Field>& first) {
  auto fields = first;
  for (std::size_t i = 0; i < kFields; ++i)
    if (std::ranges::find(first, static_cast<Field>(i)) == first.end())
      fields.push_back(static_cast<Field>(i));
  return fields;
}

std::vector<unsigned> bits_of(const std::vector<Field>& fields, Family family) {
  std::vector<unsigned> bits;
  for (const auto field : fields) bits.push_back(number_of_bits(field, family));
  return bits;
}

// See numbers_before().
class Preimage {
 public:
  Preimage(const NumberSet& after, Number keep, Number flip, std::size_t most)
      : after_(after.ranges()), keep_(keep), flip_(flip), most_(most) {}

  // The numbers of `bits` bits that become those from `base` on: ranges in their order. Absent for too many.
  std::optional<std::vector<NumberRange>> of(Number base, unsigned bits) const {
    const auto free = bits == 0 ? Number{0} : greatest_number(bits);
    const auto found = std::ranges::lower_bound(after_, base, {}, &NumberRange::last);
    if (found == after_.end() || found->first > (base | free)) return std::vector<NumberRange>{};
    if (found->first <= base && found->last >= (base | free)) return std::vector<NumberRange>{{0, free}};
    const auto bit = Number{1} << (bits - 1);
    auto low = of(base | (flip_ & bit), bits - 1);
    if (!low) return std::nullopt;
    // A bit that is not kept makes no difference.
    const auto high = (keep_ & bit) == 0 ? low : of(base | (~flip_ & bit), bits - 1);
    if (!high) return std::nullopt;
    for (const auto& [first, last] : *high) {
      if (!low->empty() && low->back().last + 1 == (first | bit))
        low->back().last = last | bit;
      else
        low->push_back({first | bit, last | bit});
    }
    if (low->size() > most_) return std::nullopt;
    return low;
  }

 private:
  const std::vector<NumberRange>& after_;
  Number keep_;
  Number flip_;
  std::size_t most_;
};

// The numbers that become one of `after` by a shift that ends at 0 and 255.
NumberSet before_shift(const NumberSet& after, int shift) {
  std::vector<NumberRange> ranges;
  for (int number = 0; number <= 255; ++number) {
    const auto becomes = static_cast<Number>(std::clamp(number + shift, 0, 255));
    const auto before = static_cast<Number>(number);
    if (after.contains(becomes)) ranges.push_back({before, before});
  }
  return NumberSet(std::move(ranges));
}

std::string field_key(const std::vector<Field>& fields, const PacketState& state) {
  PacketState relevant;
  for (const auto field : fields) relevant.set(field, state.value(field));
  return relevant.changed.empty() ? std::string() : "\n" + relevant.key();
}

}  // namespace

std::optional<NumberSet> numbers_before(const NumberSet& after, Number keep, Number flip, unsigned bits,
                                        std::size_t most) {
  const auto above = bits < 128 ? flip & ~greatest_number(bits) : Number{0};
  auto ranges = Preimage(after, keep, flip, most).of(above, bits);
  if (!ranges) return std::nullopt;
  return NumberSet(*std::move(ranges));
}

ConditionDiagrams::ConditionDiagrams(const Model& model, const Packet& packets,
                                     const std::vector<Field>& order)
    : model_(model),
      packets_(packets),
      level_of_(places_of(all_fields(order))),
      field_of_(all_fields(order)),
      diagrams_(bits_of(field_of_, packets.family)) {
  for (std::size_t i = 0; i < kFields; ++i)
    domain_[i] = both(packets.fields[i], whole(static_cast<Field>(i), packets.family));
}

std::optional<Field> ConditionDiagrams::field_of(std::size_t level) const {
  return level < kFields ? std::optional(field_of_[level]) : std::nullopt;
}

std::size_t ConditionDiagrams::unknown_level(const std::string& key, std::string words) {
  const auto [place, fresh] = unknowns_.emplace(key, 0);
  if (fresh) {
    place->second = diagrams_.add_level(1);
    words_.push_back(std::move(words));
  }
  return place->second;
}

Diagram ConditionDiagrams::unknown(const std::string& words, const std::string& key) {
  return diagrams_.test(unknown_level(key.empty() ? words : key, words), NumberSet::one(1));
}

ConditionDiagrams::Atom ConditionDiagrams::of_level(std::size_t level, bool negated) const {
  return {.kind = Atom::Kind::test, .level = level, .numbers = NumberSet::one(negated ? 0 : 1)};
}

ConditionDiagrams::Atom ConditionDiagrams::in_domain(Field field, NumberSet numbers) const {
  if (numbers.empty()) return {.kind = Atom::Kind::no};
  if (numbers == domain_[static_cast<std::size_t>(field)]) return {.kind = Atom::Kind::yes};
  return {.kind = Atom::Kind::test, .level = level_of(field), .numbers = std::move(numbers)};
}

// Of the numbers that packets have which are asked about, at least one.
unsigned ConditionDiagrams::used_bits(Field field) const {
  const auto& domain = domain_[static_cast<std::size_t>(field)];
  const auto bits = number_of_bits(field, packets_.family);
  unsigned used = 1;
  while (used < bits && !domain.empty() && domain.ranges().back().last > greatest_number(used)) ++used;
  return used;
}

// What the field is now; one number where the packets that are asked about have one.
FieldValue ConditionDiagrams::value(Field field, const PacketState& state) const {
  auto value = state.value(field);
  const auto& domain = domain_[static_cast<std::size_t>(value.of)];
  if (value.kind != FieldValue::Kind::masked || !domain.is_one()) return value;
  auto number = (domain.ranges().front().first & value.keep) ^ value.flip;
  if (value.shift != 0)
    number = static_cast<Number>(std::clamp(static_cast<int>(number) + value.shift, 0, 255));
  return FieldValue::one(number);
}

ConditionDiagrams::Atom ConditionDiagrams::atom(Field field, const NumberSet& wanted, bool negated,
                                                const PacketState& state, std::string_view words) {
  const auto value = this->value(field, state);
  const auto unclear = [&] {
    auto shown = words.empty()
                     ? format("{} {}", rewall::words_of(field), values_text(field, wanted, packets_.family))
                     : std::string(words);
    if (shown.starts_with("! ")) shown.erase(0, 2);
    return of_level(unknown_level(format("{}\n{}", shown, field_key({field}, state)), shown), negated);
  };
  if (value.kind == FieldValue::Kind::unknown) return unclear();
  if (value.kind == FieldValue::Kind::one_of) {
    const auto inside = both(value.numbers, wanted);
    if (inside.empty()) return {.kind = negated ? Atom::Kind::yes : Atom::Kind::no};
    if (inside == value.numbers) return {.kind = negated ? Atom::Kind::no : Atom::Kind::yes};
    return unclear();
  }
  const auto bits = number_of_bits(value.of, packets_.family);
  const auto all = greatest_number(bits);
  const auto& domain = domain_[static_cast<std::size_t>(value.of)];
  NumberSet numbers = wanted;
  if (value.shift != 0) {
    numbers = before_shift(wanted, value.shift);
  } else if ((value.keep & all) != all || value.flip != 0) {
    auto before = numbers_before(wanted, value.keep, value.flip, used_bits(value.of));
    if (!before) return unclear();
    numbers = *std::move(before);
  }
  return in_domain(value.of, negated ? without(domain, numbers) : both(domain, numbers));
}

ConditionDiagrams::Atom ConditionDiagrams::masked_atom(const Condition& condition, const PacketState& state) {
  const auto bits = number_of_bits(condition.field, packets_.family);
  if ((condition.value & ~condition.mask) != 0 || (condition.value & ~greatest_number(bits)) != 0)
    return {.kind = condition.negated ? Atom::Kind::yes : Atom::Kind::no};
  const auto value = this->value(condition.field, state);
  if (value.kind == FieldValue::Kind::one_of && value.numbers.is_one()) {
    const bool is = (value.numbers.ranges().front().first & condition.mask) == condition.value;
    return {.kind = is != condition.negated ? Atom::Kind::yes : Atom::Kind::no};
  }
  const bool as_it_came = value == FieldValue::as_it_came(condition.field);
  if (!as_it_came && value.kind == FieldValue::Kind::masked && value.shift == 0) {
    // The same of the field as it came.
    auto before = condition;
    before.field = value.of;
    before.mask = condition.mask & greatest_number(bits) & value.keep;
    before.value = condition.value ^ (value.flip & condition.mask & greatest_number(bits));
    return masked_atom(before, PacketState{});
  }
  // Bits that none of the packets has make no holes.
  const auto used = as_it_came ? greatest_number(used_bits(condition.field)) : greatest_number(bits);
  if ((condition.value & ~used) != 0) return {.kind = condition.negated ? Atom::Kind::yes : Atom::Kind::no};
  const auto numbers =
      masked_numbers(condition.value, condition.mask & used, as_it_came ? used_bits(condition.field) : bits);
  if (numbers) return atom(condition.field, *numbers, condition.negated, state, condition.words);
  const auto words =
      condition.words.empty() ? std::string(rewall::words_of(condition.field)) : condition.words;
  const auto key =
      format("{}\n{:x}.{:x} {:x}.{:x}{}", static_cast<int>(condition.field),
             static_cast<std::uint64_t>(condition.mask >> 64U), static_cast<std::uint64_t>(condition.mask),
             static_cast<std::uint64_t>(condition.value >> 64U), static_cast<std::uint64_t>(condition.value),
             field_key({condition.field}, state));
  return of_level(unknown_level(key, words.starts_with("! ") ? words.substr(2) : words), condition.negated);
}

std::optional<bool> ConditionDiagrams::assumed(const Condition& condition, const PacketState& state) const {
  if (state.changed.contains(Field::destination) || state.changed.contains(Field::source))
    return std::nullopt;
  const auto found = assumed_.find(condition.words);
  return found != assumed_.end() ? std::optional(found->second) : std::nullopt;
}

ConditionDiagrams::Atom ConditionDiagrams::unknown_atom(const Condition& condition, const PacketState& state,
                                                        const void* rule) {
  if (const auto answer = assumed(condition, state))
    return {.kind = *answer != condition.negated ? Atom::Kind::yes : Atom::Kind::no};
  auto key = condition.words + field_key(condition.fields, state);
  if (condition.stateful) key += format("\n{}", rule);
  return of_level(unknown_level(key, condition.words), condition.negated);
}

ConditionDiagrams::Atom ConditionDiagrams::atom_of(const Condition& condition, const PacketState& state,
                                                   const void* rule) {
  switch (condition.kind) {
    case Condition::Kind::in:
      return atom(condition.field, condition.numbers, condition.negated, state, condition.words);
    case Condition::Kind::masked:
      return masked_atom(condition, state);
    default:
      return unknown_atom(condition, state, rule);
  }
}

Diagram ConditionDiagrams::diagram(const Atom& atom) {
  if (atom.kind == Atom::Kind::test) return diagrams_.test(atom.level, atom.numbers);
  return atom.kind == Atom::Kind::yes ? Diagrams::yes() : Diagrams::no();
}

Diagram ConditionDiagrams::diagram(Field field, const NumberSet& numbers, const PacketState& state,
                                   std::string_view words) {
  return diagram(atom(field, numbers, false, state, words));
}

Diagram ConditionDiagrams::diagram(const Condition& condition, const PacketState& state, const void* rule) {
  using Kind = Condition::Kind;
  if (condition.kind == Kind::in || condition.kind == Kind::masked || condition.kind == Kind::unknown)
    return diagram(atom_of(condition, state, rule));
  Diagram result = 0;
  if (condition.kind == Kind::lookup) {
    result = lookup(condition, state);
  } else {
    const bool all = condition.kind == Kind::all_of;
    result = all ? Diagrams::yes() : Diagrams::no();
    for (const auto& part : condition.parts) {
      const auto next = diagram(part, state, rule);
      result = all ? diagrams_.both(result, next) : diagrams_.either(result, next);
    }
  }
  return condition.negated ? diagrams_.complement(result) : result;
}

void ConditionDiagrams::add(Asked& out, const Condition& condition, const PacketState& state,
                            const void* rule) {
  using Kind = Condition::Kind;
  if (condition.kind == Kind::all_of && !condition.negated) {
    for (const auto& part : condition.parts)
      if (!out.never) add(out, part, state, rule);
    return;
  }
  if (condition.kind == Kind::in || condition.kind == Kind::masked || condition.kind == Kind::unknown) {
    auto found = atom_of(condition, state, rule);
    out.never = found.kind == Atom::Kind::no;
    if (found.kind == Atom::Kind::test) out.tests.emplace_back(found.level, std::move(found.numbers));
    return;
  }
  const auto other = diagram(condition, state, rule);
  out.never = other == Diagrams::no();
  if (!Diagrams::is_constant(other)) out.others.push_back(other);
}

Asked ConditionDiagrams::asked(const std::vector<Condition>& conditions, const PacketState& state,
                               const void* rule) {
  Asked out;
  for (const auto& condition : conditions) {
    add(out, condition, state, rule);
    if (out.never) return out;
  }
  std::ranges::stable_sort(out.tests, {}, [](const auto& test) { return test.first; });
  std::vector<std::pair<std::size_t, NumberSet>> merged;
  for (auto& [level, numbers] : out.tests) {
    if (!merged.empty() && merged.back().first == level) {
      merged.back().second = both(merged.back().second, numbers);
      out.never = out.never || merged.back().second.empty();
    } else {
      merged.emplace_back(level, std::move(numbers));
    }
  }
  out.tests = std::move(merged);
  return out;
}

Diagram ConditionDiagrams::diagram(const Asked& asked) {
  if (asked.never) return Diagrams::no();
  Diagram result = Diagrams::yes();
  for (auto test = asked.tests.rbegin(); test != asked.tests.rend(); ++test)
    result = diagrams_.test(test->first, test->second, result);
  for (const auto other : asked.others) result = diagrams_.both(result, other);
  return result;
}

Diagram ConditionDiagrams::lookup(const Condition& condition, const PacketState& state) {
  auto key = condition.set + (condition.of_nomatch ? " nomatch" : "");
  for (const auto field : condition.fields) key += format(" {}", static_cast<int>(field));
  auto of_state = condition.fields;
  for (const auto field : {Field::protocol, Field::fragment}) of_state.push_back(field);
  key += field_key(of_state, state);
  if (state.changed_sets.contains(condition.set))
    return unknown("-m set --match-set " + condition.set, "changed set " + key);
  if (const auto known = lookups_.find(key); known != lookups_.end()) return known->second;
  const auto* all = model_.parts().members(condition.set, condition.of_nomatch);
  Diagram result = Diagrams::no();
  if (all == nullptr || !all->known()) {
    result = unknown(condition.words.empty() ? "-m set --match-set " + condition.set : condition.words,
                     "set " + key);
  } else if (!all->foreign()) {
    result = lookup_new(condition, *all, state);
    if (all->open())
      result = diagrams_.either(
          result, unknown("a temporary member of the set " + condition.set, "temporary " + key));
  }
  lookups_.emplace(key, result);
  return result;
}

Diagram ConditionDiagrams::lookup_new(const Condition& condition, const SetMembers& members,
                                      const PacketState& state) {
  if (const auto* numbers = members.numbers()) {
    if (condition.fields[0] == Field::source) source_sets_[condition.set] = numbers;
    auto result = diagram(condition.fields[0], *numbers, state, condition.words);
    if (!members.is_port_map()) return result;
    result = diagrams_.both(result, diagram(Field::protocol, NumberSet({{6, 6}, {17, 17}}), state, {}));
    return diagrams_.both(result, diagram(Field::fragment, NumberSet::one(0), state, {}));
  }
  if (members.of_interfaces()) return of_networks(condition, members, state);
  // The most specific members first, as the kernel asks.
  std::vector<const SetMembers::Member*> order;
  for (const auto& one : members.members()) order.push_back(&one);
  const auto shape = [](const SetMembers::Member* one) {
    return std::array{one->parts[0].prefix, one->parts[1].prefix, one->parts[2].prefix};
  };
  std::ranges::stable_sort(order, std::greater{}, shape);
  std::vector<Diagram> each;
  for (const auto* one : order)
    each.push_back(diagrams_.choose(member(condition, members, *one, state),
                                    one->nomatch ? Diagrams::no() : Diagrams::yes(),
                                    Diagrams::constant(kNextMember)));
  return first_of(std::move(each));
}

// As a balanced tree of neighbours.
Diagram ConditionDiagrams::first_of(std::vector<Diagram> diagrams) {
  if (diagrams.empty()) return Diagrams::no();
  for (; diagrams.size() > 1; diagrams.resize((diagrams.size() + 1) / 2))
    for (std::size_t i = 0; i < diagrams.size(); i += 2)
      diagrams[i / 2] = i + 1 < diagrams.size() ? diagrams_.replace(diagrams[i], kNextMember, diagrams[i + 1])
                                                : diagrams[i];
  return diagrams_.replace(diagrams[0], kNextMember, Diagrams::no());
}

Diagram ConditionDiagrams::of_networks(const Condition& condition, const SetMembers& members,
                                       const PacketState& state) {
  std::map<std::pair<unsigned, Number>, std::vector<const SetMembers::Member*>, std::greater<>> networks;
  for (const auto& one : members.members())
    networks[{one.parts[0].prefix, one.parts[0].value}].push_back(&one);
  std::vector<Diagram> each;
  for (auto& [network, own] : networks) {
    std::ranges::stable_sort(own, std::greater{}, [](const auto* one) { return one->parts[1].prefix; });
    std::vector<Diagram> of_one;
    for (const auto* one : own)
      of_one.push_back(diagrams_.choose(member(condition, members, *one, state),
                                        one->nomatch ? Diagrams::no() : Diagrams::yes(),
                                        Diagrams::constant(kNextMember)));
    const auto [first, last] = members.range_of(*own.front(), 0);
    const auto inside = diagram(condition.fields[0], NumberSet::range(first, last), state, condition.words);
    each.push_back(diagrams_.choose(inside, first_of(std::move(of_one)), Diagrams::constant(kNextMember)));
  }
  return first_of(std::move(each));
}

Diagram ConditionDiagrams::member(const Condition& condition, const SetMembers& members,
                                  const SetMembers::Member& member, const PacketState& state) {
  Diagram result = Diagrams::yes();
  for (std::size_t i = 0; i < condition.fields.size(); ++i) {
    const auto field = condition.fields[i];
    Diagram part = 0;
    if (field == Field::source_port || field == Field::destination_port) {
      part = port_of_set(condition, i, members, member, state);
    } else if (field == Field::mark) {
      auto masked = field_masked(field, members.mark_mask(), member.parts[i].value);
      masked.words = condition.words;
      part = diagram(masked, state, nullptr);
    } else {
      const auto [first, last] = members.range_of(member, i);
      part = diagram(field, NumberSet::range(first, last), state, condition.words);
    }
    result = diagrams_.both(result, part);
  }
  return result;
}

// ip_set_getport.c: protocols without ports have port 0, ICMP its type and code.
Diagram ConditionDiagrams::port_of_set(const Condition& condition, std::size_t part,
                                       const SetMembers& members, const SetMembers::Member& member,
                                       const PacketState& state) {
  auto result = diagram(Field::protocol, NumberSet::one(member.protocol), state, {});
  const auto number = members.range_of(member, part).first;
  const auto is = [&](Field field, Number wanted) {
    result = diagrams_.both(result, diagram(field, NumberSet::one(wanted), state, condition.words));
  };
  constexpr std::array<std::uint8_t, 4> kWithPorts{6, 17, 132, 136};
  if (member.protocol == 1 || member.protocol == 58) {
    is(Field::fragment, 0);
    is(Field::icmp_type, number >> 8U);
    is(Field::icmp_code, number & 0xff);
  } else if (std::ranges::find(kWithPorts, member.protocol) != kWithPorts.end()) {
    is(Field::fragment, 0);
    is(condition.fields[part], number);
  } else if (number != 0) {
    return Diagrams::no();
  }
  return result;
}

std::vector<std::pair<std::string, const NumberSet*>> ConditionDiagrams::source_sets() const {
  return {source_sets_.begin(), source_sets_.end()};
}

std::vector<Diagram*> ConditionDiagrams::kept() {
  std::vector<Diagram*> out;
  for (auto& [key, diagram] : lookups_) out.push_back(&diagram);
  return out;
}

}  // namespace rewall
