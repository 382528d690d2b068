#include "analysis/host_conditions.h"

#include <algorithm>
#include <array>

#include "core/text.h"

namespace rewall {
namespace {

NumberSet numbers(const std::vector<Number>& each) {
  std::vector<NumberRange> ranges;
  for (const auto number : each) ranges.push_back({number, number});
  return NumberSet(std::move(ranges));
}

const std::vector<Number>& addresses(const HostFacts::Interface& interface, Family family) {
  return family == Family::ipv4 ? interface.v4 : interface.v6;
}

const std::vector<NumberRange>& networks(const HostFacts::Interface& interface, Family family) {
  return family == Family::ipv4 ? interface.v4_networks : interface.v6_networks;
}

// RTN_... of linux/rtnetlink.h as bits of xt_addrtype.h; `other` for those of routes that people make.
enum TypeBit : unsigned { unspec = 1, unicast = 2, local = 4, broadcast = 8, multicast = 16, other = 32 };

unsigned type_bits(std::string_view words) {
  static constexpr std::array<std::pair<std::string_view, unsigned>, 5> kNames = {{{"UNSPEC", unspec},
                                                                                   {"UNICAST", unicast},
                                                                                   {"LOCAL", local},
                                                                                   {"BROADCAST", broadcast},
                                                                                   {"MULTICAST", multicast}}};
  unsigned bits = 0;
  for (const auto word : split(words, ',')) {
    const auto upper = lower(word);
    const auto found =
        std::ranges::find_if(kNames, [&](const auto& name) { return lower(name.first) == upper; });
    bits |= found == kNames.end() ? static_cast<unsigned>(other) : found->second;
  }
  return bits;
}

struct Kinds {
  NumberSet yes{};    // these addresses are of one of the types
  NumberSet maybe{};  // of these nobody knows
};

// What the tables of routes say of this host's addresses; of those on the interface, where there is one.
struct Own {
  NumberSet local{};
  NumberSet broadcast{};
  NumberSet lowest{};  // of a network: a broadcast before Linux 5.14
};

Own own_addresses(const HostFacts& facts, const HostFacts::Interface* only, Family family) {
  Own own;
  if (only == nullptr || only->name == "lo") own.local = loopback_addresses(family);
  if (only == nullptr || only->name == "lo")
    own.local = either(own.local, NumberSet(family == Family::ipv4 ? facts.local_v4 : facts.local_v6));
  for (const auto& interface : facts.interfaces) {
    if (only != nullptr && only != &interface) continue;
    own.local = either(own.local, numbers(addresses(interface, family)));
    for (const auto& network : networks(interface, family)) {
      if (network.last - network.first < 3) continue;
      own.broadcast = either(own.broadcast, NumberSet::one(network.last));
      own.lowest = either(own.lowest, NumberSet::one(network.first));
    }
  }
  return own;
}

// inet_addr_type() of fib_frontend.c.
Kinds kinds_of_v4(unsigned types, const HostFacts& facts, const HostFacts::Interface* only) {
  const auto all = NumberSet::all(32);
  const NumberSet everyones({{0, 0x00ffffff}, {0xffffffff, 0xffffffff}});
  const auto groups = NumberSet::range(0xe0000000, 0xefffffff);
  auto rest = without(without(all, everyones), groups);
  Kinds kinds;
  const auto add = [&](unsigned bit, const NumberSet& set) {
    if ((types & bit) != 0) kinds.yes = either(kinds.yes, set);
  };
  add(broadcast, everyones);
  add(multicast, groups);
  if (facts.known) {
    const auto own = own_addresses(facts, only, Family::ipv4);
    add(local, both(own.local, rest));
    rest = without(rest, own.local);
    // Of a host whose addresses people gave, nobody knows the networks.
    if (facts.interfaces.empty()) {
      if ((types & (broadcast | unicast)) == (broadcast | unicast))
        kinds.yes = either(kinds.yes, rest);
      else if ((types & (broadcast | unicast | other)) != 0)
        kinds.maybe = rest;
      return kinds;
    }
    add(broadcast, both(own.broadcast, rest));
    rest = without(rest, own.broadcast);
    add(unicast, without(rest, own.lowest));
    const auto lowest = both(rest, own.lowest);
    if ((types & (broadcast | unicast)) == (broadcast | unicast))
      kinds.yes = either(kinds.yes, lowest);
    else if ((types & (broadcast | unicast)) != 0)
      kinds.maybe = lowest;
    if ((types & other) != 0) kinds.maybe = either(kinds.maybe, without(rest, kinds.yes));
    return kinds;
  }
  if (only == nullptr) {
    add(local, loopback_addresses(Family::ipv4));
    rest = without(rest, loopback_addresses(Family::ipv4));
  }
  constexpr unsigned kAny = local | broadcast | unicast;
  if ((types & kAny) == kAny)
    kinds.yes = either(kinds.yes, rest);
  else if ((types & (kAny | other)) != 0)
    kinds.maybe = rest;
  return kinds;
}

// match_type6() of xt_addrtype.c: all that the types ask for must hold.
Kinds kinds_of_v6(unsigned types, const HostFacts& facts, const HostFacts::Interface* only) {
  const auto all = NumberSet::all(128);
  const auto groups = NumberSet::range(Number{0xff} << 120, greatest_number(128));
  const NumberSet no_unicast =
      either(groups, NumberSet({{0, 0}, {Number{0xffff} << 32, (Number{0xffff} << 32) | 0xffffffff}}));
  auto left = all;
  if ((types & multicast) != 0) left = both(left, groups);
  if ((types & unicast) != 0) left = without(left, no_unicast);
  if ((types & unspec) != 0) left = both(left, NumberSet::one(0));
  if ((types & broadcast) != 0) left = NumberSet{};
  Kinds kinds;
  if ((types & (local | other)) == 0) {
    kinds.yes = left;
    return kinds;
  }
  const auto own =
      facts.known ? own_addresses(facts, only, Family::ipv6).local : loopback_addresses(Family::ipv6);
  if ((types & local) != 0) kinds.yes = both(left, own);
  if ((types & other) != 0 || !facts.known) kinds.maybe = without(left, kinds.yes);
  return kinds;
}

Condition of_kinds(Field field, const Kinds& kinds, const std::string& words,
                   const std::vector<Field>& fields) {
  auto sure = field_in(field, kinds.yes);
  if (kinds.maybe.empty()) return sure;
  return any_of({std::move(sure), all_of({field_in(field, kinds.maybe), unknown(words, fields)})});
}

Condition address_type(Field field, const Option& option, const Option* limit, const Surroundings& around) {
  const auto types = type_bits(option.values[0]);
  const auto kinds_of = around.family == Family::ipv4 ? &kinds_of_v4 : &kinds_of_v6;
  auto plain = option;
  plain.negated = false;
  auto words = "-m addrtype " + option_words(plain);
  if (limit == nullptr) return of_kinds(field, kinds_of(types, *around.facts, nullptr), words, {field});
  words += ' ' + limit->name;
  const auto interface = limit->name == "--limit-iface-in" ? Field::in_interface : Field::out_interface;
  const std::vector<Field> fields = {field, interface};
  std::vector<Condition> each;
  NumberSet named;
  const HostFacts::Interface nobody;
  for (const auto& one : around.facts->interfaces) {
    const auto number = NumberSet::one(interface_number(one.name));
    named = either(named, number);
    each.push_back(all_of(
        {field_in(interface, number), of_kinds(field, kinds_of(types, *around.facts, &one), words, fields)}));
  }
  each.push_back(all_of({field_in(interface, named, true),
                         of_kinds(field, kinds_of(types, *around.facts, &nobody), words, fields)}));
  return any_of(std::move(each));
}

}  // namespace

NumberSet loopback_addresses(Family family) {
  return family == Family::ipv4 ? NumberSet::range(0x7f000000, 0x7fffffff) : NumberSet::one(1);
}

NumberSet HostFacts::local(Family family) const {
  return own_addresses(*this, nullptr, family).local;
}

NumberSet HostFacts::towards_world(Family family) const {
  const auto is_default = family == Family::ipv4 ? &Interface::v4_default : &Interface::v6_default;
  std::vector<NumberRange> names;
  for (const auto& interface : interfaces)
    if (interface.*is_default)
      names.push_back({interface_number(interface.name), interface_number(interface.name)});
  return names.empty() ? whole(Field::in_interface, family) : NumberSet(std::move(names));
}

NumberSet HostFacts::interfaces_towards(const NumberSet& addresses, Family family) const {
  auto rest = addresses;
  std::vector<NumberRange> names;
  for (const auto& interface : interfaces) {
    const NumberSet on_link(networks(interface, family));
    if (both(rest, on_link).empty()) continue;
    const auto name = interface_number(interface.name);
    names.push_back({name, name});
    rest = without(rest, on_link);
  }
  return rest.empty() ? NumberSet(std::move(names)) : NumberSet{};
}

// Addresses that mean this host alone are never chosen (inet_select_addr): those of others are.
NumberSet HostFacts::masquerade_addresses(const Interface& out, Family family) const {
  return out.name == "lo" ? local(family) : numbers(addresses(out, family));
}

// The first one of IPv4 is the primary address (nf_nat_redirect_ipv4).
NumberSet redirect_addresses(const HostFacts::Interface& in, Family family) {
  const auto& own = addresses(in, family);
  return family == Family::ipv4 && !own.empty() ? NumberSet::one(own[0]) : numbers(own);
}

std::optional<Condition> read_address_type(const Match& match, const Surroundings& around) {
  const Option* limit = nullptr;
  for (const auto& option : match.options)
    if (option.name.starts_with("--limit-iface")) limit = &option;
  std::vector<Condition> parts;
  for (const auto& option : match.options) {
    if (option.name != "--src-type" && option.name != "--dst-type") continue;
    const auto field = option.name == "--src-type" ? Field::source : Field::destination;
    auto part = address_type(field, option, limit, around);
    part.negated = part.negated != option.negated;
    parts.push_back(std::move(part));
  }
  return all_of(std::move(parts));
}

// Without policies no packet was or will be transformed (xt_policy.c).
std::optional<Condition> read_policy(const Match& match, const Surroundings& around) {
  const auto wanted = std::ranges::find(match.options, "--pol", &Option::name);
  if (wanted == match.options.end() || !around.facts->known || around.facts->ipsec) return std::nullopt;
  return lower(wanted->values[0]) == "none" ? always() : never();
}

// fib_validate_source() of fib_frontend.c, as far as addresses on the link tell.
std::optional<Condition> read_reverse_path(const Match& match, const Surroundings& around) {
  const auto has = [&match](std::string_view name) {
    return std::ranges::find(match.options, name, &Option::name) != match.options.end();
  };
  std::vector<Condition> pass = {field_in(Field::in_interface, interfaces_of("lo"))};
  std::vector<Condition> fail;
  const auto local =
      around.facts->known ? around.facts->local(around.family) : loopback_addresses(around.family);
  if (around.facts->known && (!has("--validmark") || !around.facts->may_route_by_mark())) {
    if (!has("--accept-local"))
      fail.push_back(
          all_of({field_in(Field::in_interface, interfaces_of("lo"), true), field_in(Field::source, local)}));
    for (const auto& interface : around.facts->interfaces) {
      NumberSet own(networks(interface, around.family));
      NumberSet others;
      for (const auto& another : around.facts->interfaces)
        if (&another != &interface) others = either(others, NumberSet(networks(another, around.family)));
      own = without(without(own, others), local);
      if (interface.name == "lo" || own.empty()) continue;
      const auto number = NumberSet::one(interface_number(interface.name));
      pass.push_back(all_of({field_in(Field::in_interface, number), field_in(Field::source, own)}));
      auto elsewhere =
          all_of({field_in(Field::in_interface, number, true),
                  field_in(Field::in_interface, interfaces_of("lo"), true), field_in(Field::source, own)});
      (has("--loose") ? pass : fail).push_back(std::move(elsewhere));
    }
  }
  auto not_failing = any_of(std::move(fail));
  not_failing.negated = true;
  // What nobody knows is whether the test passes: `--invert` is the rule's `!`.
  auto plain = match;
  std::erase_if(plain.options, [](const Option& option) { return option.name == "--invert"; });
  pass.push_back(
      all_of({std::move(not_failing), unknown(match_words(plain), {Field::source, Field::in_interface})}));
  auto condition = any_of(std::move(pass));
  condition.negated = has("--invert");
  return condition;
}

}  // namespace rewall
