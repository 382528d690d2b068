#include "analysis/packet.h"

#include <algorithm>
#include <bit>

#include "analysis/packet_values.h"
#include "core/text.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

constexpr std::array<std::string_view, 5> kHooks = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT",
                                                    "POSTROUTING"};
constexpr unsigned kNameBytes = 15;  // IFNAMSIZ of linux/if.h, without the NUL

struct FieldFacts {
  Field field;
  std::string_view words;
  unsigned bits;  // 0: as many as an address of the family
};

constexpr std::array<FieldFacts, kFields> kFacts = {{
    {Field::in_interface, "-i", 8 * kNameBytes},
    {Field::out_interface, "-o", 8 * kNameBytes},
    {Field::bridge_in, "--physdev-in", 8 * kNameBytes},
    {Field::bridge_out, "--physdev-out", 8 * kNameBytes},
    {Field::in_group, "--src-group", 32},
    {Field::out_group, "--dst-group", 32},
    {Field::source, "-s", 0},
    {Field::destination, "-d", 0},
    {Field::protocol, "-p", 8},
    {Field::source_port, "--sport", 16},
    {Field::destination_port, "--dport", 16},
    {Field::icmp_type, "--icmp-type", 8},
    {Field::icmp_code, "--icmp-code", 8},
    {Field::tcp_flags, "--tcp-flags", 8},
    {Field::tcp_option, "--tcp-option", 128},
    {Field::fragment, "-f", 1},
    {Field::extensions, "--header", 8},
    {Field::ttl, "--ttl-eq", 8},
    {Field::tos, "--tos", 8},
    {Field::length, "--length", 16},
    {Field::mac_source, "--mac-source", 48},
    {Field::packet_type, "--pkt-type", 2},
    {Field::state, "--ctstate", 3},
    {Field::status, "--ctstatus", 6},
    {Field::direction, "--ctdir", 1},
    {Field::original_source, "--ctorigsrc", 0},
    {Field::original_destination, "--ctorigdst", 0},
    {Field::original_source_port, "--ctorigsrcport", 16},
    {Field::original_destination_port, "--ctorigdstport", 16},
    {Field::reply_source, "--ctreplsrc", 0},
    {Field::reply_destination, "--ctrepldst", 0},
    {Field::reply_source_port, "--ctreplsrcport", 16},
    {Field::reply_destination_port, "--ctrepldstport", 16},
    {Field::mark, "--mark", 32},
    {Field::connection_mark, "--connmark", 32},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kFields; ++i)
    if (kFacts[i].field != static_cast<Field>(i)) return false;
  return true;
}
static_assert(in_order());

std::array<NumberSet, kFields> whole_fields(Family family) {
  std::array<NumberSet, kFields> sets;
  for (std::size_t i = 0; i < kFields; ++i)
    sets[i] = NumberSet::all(number_of_bits(static_cast<Field>(i), family));
  sets[static_cast<std::size_t>(Field::state)] =
      NumberSet::range(0, static_cast<Number>(ConnectionState::untracked));
  sets[static_cast<std::size_t>(Field::packet_type)] = NumberSet::range(0, 2);
  return sets;
}

// The prefix length where the range is a network; absent else.
std::optional<unsigned> prefix_of(NumberRange range, unsigned bits) {
  const Number differ = range.first ^ range.last;
  if ((differ & (differ + 1)) != 0 || (range.first & differ) != 0) return std::nullopt;
  unsigned host = 0;
  while (host < bits && ((differ >> host) & 1) != 0) ++host;
  return bits - host;
}

}  // namespace

std::string_view name(Hook hook) {
  return kHooks[static_cast<std::size_t>(hook)];
}

std::optional<Hook> read_hook(std::string_view name) {
  for (std::size_t i = 0; i < kHooks.size(); ++i)
    if (equal_ignoring_case(kHooks[i], name)) return static_cast<Hook>(i);
  return std::nullopt;
}

unsigned number_of_bits(Field field, Family family) {
  const unsigned bits = kFacts[static_cast<std::size_t>(field)].bits;
  return bits != 0 ? bits : family == Family::ipv4 ? 32 : 128;
}

const NumberSet& whole(Field field, Family family) {
  static const std::array<NumberSet, kFields> four = whole_fields(Family::ipv4);
  static const std::array<NumberSet, kFields> six = whole_fields(Family::ipv6);
  return (family == Family::ipv4 ? four : six)[static_cast<std::size_t>(field)];
}

std::string_view words_of(Field field) {
  return kFacts[static_cast<std::size_t>(field)].words;
}

Number interface_number(std::string_view name) {
  Number number = 0;
  for (std::size_t i = 0; i < kNameBytes; ++i)
    number = (number << 8) | (i < name.size() ? static_cast<unsigned char>(name[i]) : 0U);
  return number;
}

std::string interface_name(Number number) {
  std::string name;
  for (unsigned i = kNameBytes; i-- > 0;) {
    const auto byte = static_cast<char>(static_cast<unsigned char>((number >> (8 * i)) & 0xff));
    if (byte == '\0') break;
    name += byte;
  }
  return name;
}

NumberSet interfaces_of(std::string_view pattern) {
  if (!pattern.ends_with('+')) return NumberSet::one(interface_number(pattern));
  pattern = pattern.substr(0, std::min<std::size_t>(pattern.size() - 1, kNameBytes));
  const Number first = interface_number(pattern);
  const auto rest = static_cast<unsigned>(8 * (kNameBytes - pattern.size()));
  return NumberSet::range(first, rest == 0 ? first : first | greatest_number(rest));
}

Number address_number(const std::array<std::uint8_t, 16>& bits, Family family) {
  Number number = 0;
  for (std::size_t i = 0; i < (family == Family::ipv4 ? 4U : 16U); ++i) number = (number << 8) | bits[i];
  return number;
}

std::string address_text(Number address, Family family) {
  Address value;
  const std::size_t bytes = family == Family::ipv4 ? 4 : 16;
  for (std::size_t i = bytes; i-- > 0; address >>= 8)
    value.bits[i] = static_cast<std::uint8_t>(address & 0xff);
  std::fill_n(value.mask.begin(), bytes, std::uint8_t{0xff});
  auto text = to_text(value, family);
  return text.substr(0, text.find('/'));
}

std::string address_range_text(NumberRange range, Family family) {
  auto first = address_text(range.first, family);
  if (range.first == range.last) return first;
  const unsigned bits = number_of_bits(Field::source, family);
  if (const auto prefix = prefix_of(range, bits)) return first + "/" + std::to_string(*prefix);
  return first + "-" + address_text(range.last, family);
}

std::string addresses_text(const NumberSet& addresses, Family family) {
  if (addresses.empty()) return "no one";
  if (addresses == whole(Field::source, family)) return "everyone";
  std::string text;
  for (const auto& range : addresses.ranges()) {
    if (!text.empty()) text += ", ";
    text += address_range_text(range, family);
  }
  return text;
}

Packet any_packet(Family family, Hook hook) {
  Packet packet{.family = family, .hook = hook};
  for (std::size_t i = 0; i < kFields; ++i) packet.fields[i] = whole(static_cast<Field>(i), family);
  return packet;
}

}  // namespace rewall
