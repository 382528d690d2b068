#include <algorithm>
#include <catch2/catch.hpp>

#include "analysis/quick_walk.h"
#include "analysis/random_rules.h"
#include "analysis/walk.h"
#include "core/text.h"
#include "rules/parse.h"

using namespace rewall;

namespace {

// The numbers that fields have in these tests.
const std::vector<Number>& values_of(Field field) {
  static const std::vector<Number> addresses = {0x0a000001, 0x0a000002, 0x0a0000fe, 0x0a000101, 0x0a010203,
                                                0xc0000201, 0xac110002, 0x7f000001, 0x08080808};
  static const std::vector<Number> ports = {22, 80, 443, 53, 40000, 8080, 7};
  static const std::vector<Number> interfaces = {interface_number("lo"), interface_number("eth0"),
                                                 interface_number("eth1"), interface_number("wg0")};
  static const std::vector<Number> marks = {0, 1, 0x10, 0x11, 3};
  static const std::vector<Number> bits = {0, 1};
  static const std::vector<Number> none = {0};
  static const std::vector<Number> protocols = {6, 6, 17, 1, 47};
  static const std::vector<Number> states = {0, 1, 1, 2, 3, 4};
  static const std::vector<Number> types = {8, 0, 3};
  static const std::vector<Number> flags = {2, 0x12, 0x10, 1, 0x11};
  static const std::vector<Number> ttls = {64, 5, 2, 128};
  static const std::vector<Number> tos = {0, 0x28, 0x10};
  static const std::vector<Number> lengths = {60, 1500};
  static const std::vector<Number> status = {0, 10, 14, 1};
  switch (field) {
    case Field::source:
    case Field::destination:
    case Field::original_source:
    case Field::original_destination:
    case Field::reply_source:
    case Field::reply_destination:
      return addresses;
    case Field::source_port:
    case Field::destination_port:
    case Field::original_source_port:
    case Field::original_destination_port:
    case Field::reply_source_port:
    case Field::reply_destination_port:
      return ports;
    case Field::in_interface:
    case Field::out_interface:
      return interfaces;
    case Field::mark:
    case Field::connection_mark:
      return marks;
    case Field::protocol:
      return protocols;
    case Field::state:
      return states;
    case Field::icmp_type:
      return types;
    case Field::tcp_flags:
      return flags;
    case Field::ttl:
      return ttls;
    case Field::tos:
      return tos;
    case Field::length:
      return lengths;
    case Field::status:
      return status;
    case Field::direction:
    case Field::icmp_code:
      return bits;
    default:
      return none;
  }
}

// Fields that packets in these tests leave out, or not.
bool of_connection(Field field) {
  return field == Field::status ||
         (field >= Field::original_source && field <= Field::reply_destination_port);
}

Packet random_packet(RandomRules& random, Hook hook, std::size_t left_out) {
  auto packet = any_packet(Family::ipv4, hook);
  for (std::size_t i = 0; i < kFields; ++i) {
    const auto field = static_cast<Field>(i);
    if (of_connection(field) || (left_out != 0 && random.one_in(left_out))) continue;
    const auto& values = values_of(field);
    packet[field] = NumberSet::one(values[random.below(values.size())]);
    if (left_out != 0 && random.one_in(6))
      packet[field] = either(packet[field], NumberSet::one(values[random.below(values.size())]));
  }
  if (packet[Field::state] == NumberSet::one(1)) packet[Field::direction] = NumberSet::one(0);
  return packet;
}

// A packet of the set, of single numbers but for what the connection tells.
Packet member_of(const Packet& packet, RandomRules& random) {
  auto member = packet;
  for (std::size_t i = 0; i < kFields; ++i) {
    const auto field = static_cast<Field>(i);
    if (of_connection(field) || packet[field].is_one()) continue;
    std::vector<Number> choices;
    for (const auto value : values_of(field))
      if (packet[field].contains(value)) choices.push_back(value);
    if (choices.empty()) choices.push_back(packet[field].ranges()[0].first);
    member[field] = NumberSet::one(choices[random.below(choices.size())]);
  }
  // A new connection has no mark yet, and no other direction.
  for (const auto field : {Field::direction, Field::connection_mark})
    if (member[Field::state] == NumberSet::one(1) && packet[field].contains(0))
      member[field] = NumberSet::one(0);
  return member;
}

HostFacts some_facts(RandomRules& random) {
  HostFacts facts{.known = random.one_in(2)};
  if (!facts.known) return facts;
  facts.interfaces.push_back({.name = "eth0", .v4 = {0xc0000201}, .v4_networks = {{0xc0000200, 0xc00002ff}}});
  facts.interfaces.push_back({.name = "eth1", .v4 = {0x0a0000fe}, .v4_networks = {{0x0a000000, 0x0a0000ff}}});
  return facts;
}

Hook some_hook(RandomRules& random) {
  static constexpr std::array kHooks = {Hook::input,  Hook::input,      Hook::forward,
                                        Hook::output, Hook::prerouting, Hook::postrouting};
  return kHooks[random.below(kHooks.size())];
}

Ruleset read(const std::string& text, const std::string& sets) {
  Ruleset out;
  auto tables = parse_saved(text, Family::ipv4, "rules.v4");
  if (!tables) FAIL(tables.error().message);
  out.v4 = *std::move(tables);
  auto read = parse_sets(sets, "ipset");
  if (!read) FAIL(read.error().message);
  out.sets = *std::move(read);
  return out;
}

std::string told(const Trace& result) {
  std::string out(name(result.verdict));
  out += " (" + join(result.depends_on, ", ") + ")";
  for (const auto& step : result.path)
    out += '\n' + step.table + ' ' + step.chain + ' ' + std::to_string(step.pos) + ' ' + step.action +
           (step.perhaps ? (step.taken ? " perhaps, taken" : " perhaps") : "");
  return out;
}

}  // namespace

TEST_CASE("the fast road and the one of sets give the same verdict") {
  RandomRules random(1);
  std::size_t quick_ones = 0;
  for (unsigned round = 0; round < 400; ++round) {
    const auto text = random.ruleset(9);
    const auto all = read(text, random.sets());
    const Model model(all, Family::ipv4, some_facts(random));
    for (unsigned i = 0; i < 25; ++i) {
      const auto packet = random_packet(random, some_hook(random), 0);
      const auto quick = quick_verdict(model, packet);
      if (!quick) continue;
      ++quick_ones;
      const auto slow = trace(model, packet);
      if (slow.verdict == *quick) continue;
      INFO(text << packet_words(packet) << '\n' << told(slow));
      REQUIRE(name(*quick) == name(slow.verdict));
    }
  }
  CHECK(quick_ones > 3000);
}

TEST_CASE("a verdict on a set of packets is that on each of them") {
  RandomRules random(2);
  std::size_t certain = 0;
  for (unsigned round = 0; round < 300; ++round) {
    const auto text = random.ruleset(7);
    const auto all = read(text, random.sets());
    const Model model(all, Family::ipv4, some_facts(random));
    for (unsigned i = 0; i < 8; ++i) {
      const auto packets = random_packet(random, some_hook(random), 5);
      const auto whole_verdict = trace(model, packets);
      if (whole_verdict.verdict == Verdict::depends && !whole_verdict.bounded)
        CHECK(!whole_verdict.depends_on.empty());
      if (whole_verdict.verdict == Verdict::depends) continue;
      ++certain;
      for (unsigned j = 0; j < 6; ++j) {
        const auto member = member_of(packets, random);
        const auto one = trace(model, member);
        if (one.verdict == whole_verdict.verdict) continue;
        INFO(text << packet_words(packets) << '\n'
                  << told(whole_verdict) << '\n'
                  << packet_words(member) << '\n'
                  << told(one));
        REQUIRE(name(one.verdict) == name(whole_verdict.verdict));
      }
    }
  }
  CHECK(certain > 300);
}

TEST_CASE("outcomes are disjoint, together they are all packets, and each fares as its members do") {
  RandomRules random(3);
  random.unknowns = false;
  random.translations = false;
  for (unsigned round = 0; round < 200; ++round) {
    const auto text = random.ruleset(6);
    const auto all = read(text, random.sets());
    const Model model(all, Family::ipv4);
    for (unsigned i = 0; i < 4; ++i) {
      const auto packets = random_packet(random, some_hook(random), 6);
      const auto parts = outcomes(model, packets);
      if (!parts) continue;
      for (unsigned j = 0; j < 8; ++j) {
        const auto member = member_of(packets, random);
        const auto one = trace(model, member);
        std::size_t found = 0;
        for (const auto& part : *parts) {
          bool inside = part.exact;
          for (std::size_t f = 0; f < kFields && inside; ++f)
            inside = !both(part.packet.fields[f], member.fields[f]).empty();
          if (!inside || !part.unknowns.empty()) continue;
          ++found;
          INFO(text << packet_words(member) << '\n' << told(one) << '\n' << packet_words(part.packet));
          // What the packet does not tell of its connection can still tell its outcomes apart.
          if (one.verdict != Verdict::depends) CHECK(name(part.verdict) == name(one.verdict));
        }
        const bool vague = std::ranges::any_of(
            *parts, [](const PacketOutcome& part) { return !part.exact || !part.unknowns.empty(); });
        INFO(text << packet_words(packets) << '\n' << packet_words(member));
        CHECK((found > 0 || vague));
      }
    }
  }
}
