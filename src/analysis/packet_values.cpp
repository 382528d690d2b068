#include "analysis/packet_values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

/// Names that stand for a number, or for bits of one.
struct NamedNumber {
  std::string_view name;
  std::uint8_t number;
};
using NamedNumbers = std::span<const NamedNumber>;

constexpr std::array<NamedNumber, 5> kStates = {
    {{"INVALID", 0}, {"NEW", 1}, {"ESTABLISHED", 2}, {"RELATED", 3}, {"UNTRACKED", 4}}};
constexpr std::array<NamedNumber, 2> kDirections = {{{"ORIGINAL", 0}, {"REPLY", 1}}};
constexpr std::array<NamedNumber, 3> kPacketTypes = {{{"unicast", 0}, {"broadcast", 1}, {"multicast", 2}}};
constexpr std::array<NamedNumber, 6> kStatus = {{{"EXPECTED", expected},
                                                 {"SEEN_REPLY", seen_reply},
                                                 {"ASSURED", assured},
                                                 {"CONFIRMED", confirmed},
                                                 {"SNAT", snat},
                                                 {"DNAT", dnat}}};
constexpr std::array<NamedNumber, 8> kTcpFlags = {
    {{"FIN", 1}, {"SYN", 2}, {"RST", 4}, {"PSH", 8}, {"ACK", 16}, {"URG", 32}, {"ECE", 64}, {"CWR", 128}}};
// ip6t_ipv6header.h, with the long names of libip6t_ipv6header.c behind the short ones.
constexpr std::array<NamedNumber, 12> kHeaders = {{{"hop-by-hop", 128},
                                                   {"ipv6-opts", 64},
                                                   {"ipv6-route", 32},
                                                   {"ipv6-frag", 16},
                                                   {"ah", 8},
                                                   {"esp", 4},
                                                   {"ipv6-nonxt", 2},
                                                   {"protocol", 1},
                                                   {"hop", 128},
                                                   {"dst", 64},
                                                   {"route", 32},
                                                   {"frag", 16}}};
// Names that every host's iptables knows without protocols(5), for words that any host can read.
constexpr std::array<NamedNumber, 13> kProtocolNames = {{{"icmp", 1},
                                                         {"tcp", 6},
                                                         {"udp", 17},
                                                         {"dccp", 33},
                                                         {"gre", 47},
                                                         {"esp", 50},
                                                         {"ah", 51},
                                                         {"ipv6-icmp", 58},
                                                         {"ospf", 89},
                                                         {"ipcomp", 108},
                                                         {"sctp", 132},
                                                         {"mh", 135},
                                                         {"udplite", 136}}};

std::optional<std::uint8_t> number_named(NamedNumbers words, std::string_view name) {
  const auto same = [name](const NamedNumber& word) { return equal_ignoring_case(word.name, name); };
  const auto found = std::ranges::find_if(words, same);
  if (found == words.end()) return std::nullopt;
  return found->number;
}

std::optional<std::string_view> number_name(NamedNumbers words, Number number) {
  const auto found = std::ranges::find(words, number, &NamedNumber::number);
  if (found == words.end()) return std::nullopt;
  return found->name;
}

// The bits that the names of a list stand for.
std::optional<std::uint8_t> bits_named(NamedNumbers words, std::string_view list) {
  std::uint8_t bits = 0;
  for (const auto name : split(list, ',')) {
    const auto bit = number_named(words, name);
    if (!bit) return std::nullopt;
    bits = static_cast<std::uint8_t>(bits | *bit);
  }
  return bits;
}

// Numbers of at most 64 bits as iptables reads them; longer ones in hexadecimal digits.
std::optional<Number> read_big(std::string_view text, unsigned bits) {
  if (bits <= 64) {
    const auto number = read_number(text, static_cast<std::uint64_t>(greatest_number(bits)));
    return number ? std::optional<Number>(*number) : std::nullopt;
  }
  if (!text.starts_with("0x") || text.size() < 3 || text.size() > 34) return std::nullopt;
  Number number = 0;
  for (const char c : text.substr(2)) {
    std::uint8_t digit = 0;
    if (std::from_chars(&c, &c + 1, digit, 16).ec != std::errc{}) return std::nullopt;
    number = (number << 4) | digit;
  }
  return number;
}

std::string hexadecimal(Number number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), kDigits[static_cast<std::size_t>(number & 15)]);
    number >>= 4;
  } while (number != 0);
  return "0x" + text;
}

// "N", "N:N", "N-N", ":N", "N:". `one` reads one number.
template <class ReadOne>
std::optional<NumberSet> read_number_range(std::string_view text, Number greatest, ReadOne one) {
  if (const auto number = one(text)) return NumberSet::one(*number);
  const auto middle = text.find_first_of(":-");
  if (middle == std::string_view::npos || text.size() == 1) return std::nullopt;
  const auto left = text.substr(0, middle);
  const auto right = text.substr(middle + 1);
  const auto first = left.empty() ? std::optional<Number>(0) : one(left);
  const auto last = right.empty() ? std::optional<Number>(greatest) : one(right);
  if (!first || !last || *first > *last) return std::nullopt;
  return NumberSet::range(*first, *last);
}

std::optional<NumberSet> read_plain(std::string_view text, unsigned bits) {
  return read_number_range(text, greatest_number(bits),
                           [bits](std::string_view number) { return read_big(number, bits); });
}

std::optional<NumberSet> read_masked(std::string_view text, unsigned bits) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return read_plain(text, bits);
  const auto value = read_big(text.substr(0, slash), bits);
  const auto mask = read_big(text.substr(slash + 1), bits);
  if (!value || !mask || (*value & ~*mask) != 0) return std::nullopt;
  return masked_numbers(*value, *mask, bits);
}

std::optional<NumberSet> read_group(std::string_view text) {
  if (auto groups = read_masked(text, 32)) return groups;
  const auto group = device_group_number(std::string(text));
  return group ? std::optional(NumberSet::one(*group)) : std::nullopt;
}

std::optional<NumberSet> read_protocol(std::string_view text) {
  if (text == "0" || equal_ignoring_case(text, "all")) return NumberSet::all(8);
  return read_number_range(text, 255, [](std::string_view one) {
    const auto number = protocol_number(one);
    return number ? std::optional<Number>(*number) : std::nullopt;
  });
}

std::optional<NumberSet> read_port(std::string_view text) {
  return read_number_range(text, 65535, [](std::string_view one) {
    const auto number = port_number(one);
    return number ? std::optional<Number>(*number) : std::nullopt;
  });
}

std::optional<NumberSet> read_icmp_type(std::string_view text, Family family) {
  const auto type = icmp_type(text, family);
  if (!type) return read_plain(text, 8);
  return type->any ? NumberSet::all(8) : NumberSet::one(type->type);
}

std::optional<NumberSet> read_name(NamedNumbers words, std::string_view text, Field field) {
  if (const auto number = number_named(words, text)) return NumberSet::one(*number);
  return read_plain(text, number_of_bits(field, Family::ipv4));
}

// As conntrack matches it: any of the bits that a name stands for. Numbers are all bits at once.
std::optional<NumberSet> read_status(std::string_view text) {
  if (equal_ignoring_case(text, "NONE")) return NumberSet::one(0);
  const auto bit = number_named(kStatus, text);
  return bit ? masked_numbers(*bit, *bit, 6) : read_plain(text, 6);
}

std::optional<NumberSet> read_tos(std::string_view text) {
  const auto named = tos_value(text);
  // The names leave the two bits of ECN alone (tos_values.c).
  return named ? masked_numbers(*named, 0xfc, 8) : read_masked(text, 8);
}

std::optional<NumberSet> read_mac(std::string_view text) {
  const auto one = [](std::string_view mac) -> std::optional<Number> {
    const auto bytes = split(mac, ':');
    if (bytes.size() != 6) return std::nullopt;
    Number number = 0;
    for (const auto byte : bytes) {
      std::uint8_t value = 0;
      const auto [end, error] = std::from_chars(byte.data(), byte.data() + byte.size(), value, 16);
      if (error != std::errc{} || end != byte.data() + byte.size() || byte.size() > 2) return std::nullopt;
      number = (number << 8) | value;
    }
    return number;
  };
  const auto dash = text.find('-');
  const auto first = one(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : one(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return NumberSet::range(*first, *last);
}

std::optional<NumberSet> read_addresses(std::string_view text, Family family) {
  const unsigned bits = number_of_bits(Field::source, family);
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    const auto first = read_address(text.substr(0, dash), family);
    const auto last = read_address(text.substr(dash + 1), family);
    if (text.find('/') != std::string_view::npos || !first || !last) return std::nullopt;
    const auto from = address_number(first->bits, family);
    const auto to = address_number(last->bits, family);
    return from <= to ? std::optional(NumberSet::range(from, to)) : std::nullopt;
  }
  const auto address = read_address(text, family);
  // read_address() takes any text before a mask of no bits for a host's name.
  if (!address || (address->any() && !read_address(text.substr(0, text.find('/')), family)))
    return std::nullopt;
  return masked_numbers(address_number(address->bits, family), address_number(address->mask, family), bits);
}

// A `/` begins what no name of an interface can be: `/none`, or a number.
constexpr std::string_view kNoInterface = "/none";

std::optional<NumberSet> read_interfaces(std::string_view text) {
  if (text == kNoInterface) return NumberSet::one(0);
  if (text.starts_with('/'))
    return read_number_range(text.substr(1), greatest_number(120),
                             [](std::string_view number) { return read_big(number, 128); });
  const auto bad = [](char c) { return c == '/' || c == ':' || std::isspace(static_cast<unsigned char>(c)); };
  if (text.empty() || text.size() > 15 || std::ranges::any_of(text, bad)) return std::nullopt;
  return interfaces_of(text);
}

bool is_plain_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("._@-%=^").find(c) != std::string_view::npos;
  });
}

std::string interface_range_text(NumberRange range) {
  if (range.first == 0 && range.last == 0) return std::string(kNoInterface);
  auto name = interface_name(range.first);
  if (is_plain_name(name)) {
    if (!name.empty() && NumberSet({range}) == NumberSet::one(interface_number(name))) return name;
    if (name.size() < 15 && NumberSet({range}) == interfaces_of(name + "+")) return name + "+";
  }
  return "/" + hexadecimal(range.first) + ":" + hexadecimal(range.last);
}

std::string mac_text(Number mac) {
  std::string text;
  for (unsigned i = 6; i-- > 0;) {
    text += format("{:02x}", static_cast<unsigned>((mac >> (8 * i)) & 0xff));
    if (i > 0) text += ':';
  }
  return text;
}

std::string number_text(Field field, Number number) {
  const bool hex = field == Field::mark || field == Field::connection_mark || field == Field::tos ||
                   field == Field::tcp_flags || field == Field::tcp_option || field == Field::status ||
                   field == Field::extensions;
  return hex ? hexadecimal(number) : format("{}", static_cast<std::uint64_t>(number));
}

NamedNumbers names_for(Field field) {
  switch (field) {
    case Field::state:
      return kStates;
    case Field::direction:
      return kDirections;
    case Field::packet_type:
      return kPacketTypes;
    case Field::protocol:
      return kProtocolNames;
    default:
      return {};
  }
}

bool is_address_field(Field field) {
  return field == Field::source || field == Field::destination || field == Field::original_source ||
         field == Field::original_destination || field == Field::reply_source ||
         field == Field::reply_destination;
}

bool is_interface_field(Field field) {
  return field == Field::in_interface || field == Field::out_interface || field == Field::bridge_in ||
         field == Field::bridge_out;
}

// Named values one by one, as long as they are few; what has no name as numbers.
std::string value_range_text(Field field, NumberRange range, Family family) {
  if (is_address_field(field)) return address_range_text(range, family);
  if (is_interface_field(field)) return interface_range_text(range);
  if (field == Field::mac_source)
    return range.first == range.last ? mac_text(range.first)
                                     : mac_text(range.first) + "-" + mac_text(range.last);
  const auto words = names_for(field);
  std::string text;
  bool all_named = !words.empty() && range.last - range.first < words.size();
  for (Number number = range.first; all_named && number <= range.last; ++number) {
    const auto name = number_name(words, number);
    all_named = name.has_value();
    if (all_named) text += (text.empty() ? "" : ",") + std::string(*name);
  }
  if (all_named) return text;
  // 0 alone means every protocol, and 255 every type, to iptables.
  const bool special =
      (field == Field::protocol && range.first == 0) || (field == Field::icmp_type && range.first == 255);
  if (range.first == range.last && !special) return number_text(field, range.first);
  return number_text(field, range.first) + ":" + number_text(field, range.last);
}

std::string expected_values(Field field, Family family) {
  if (is_address_field(field)) return "an address, a network or a range of addresses";
  if (is_interface_field(field)) return "the name of an interface";
  switch (field) {
    case Field::protocol:
      return "a protocol";
    case Field::source_port:
    case Field::destination_port:
    case Field::original_source_port:
    case Field::original_destination_port:
    case Field::reply_source_port:
    case Field::reply_destination_port:
      return "a port";
    case Field::icmp_type:
      return "an ICMP type";
    case Field::mac_source:
      return "a hardware address";
    case Field::state:
      return "a state: NEW, ESTABLISHED, RELATED, INVALID or UNTRACKED";
    case Field::status:
      return "a status: SEEN_REPLY, ASSURED, CONFIRMED, EXPECTED, SNAT, DNAT or NONE";
    case Field::direction:
      return "ORIGINAL or REPLY";
    case Field::packet_type:
      return "unicast, broadcast or multicast";
    case Field::mark:
    case Field::connection_mark:
      return "a mark, or a mask with few values";
    case Field::in_group:
    case Field::out_group:
      return "a group of interfaces";
    case Field::tcp_flags:
      return "flags of TCP";
    case Field::extensions:
      return "a list of extension headers";
    default:
      return number_of_bits(field, family) > 64
                 ? "a number"
                 : format("a number up to {}",
                          static_cast<std::uint64_t>(whole(field, family).ranges().back().last));
  }
}

std::optional<NumberSet> read_value_item(Field field, std::string_view text, Family family) {
  if (is_address_field(field)) return read_addresses(text, family);
  if (is_interface_field(field)) return read_interfaces(text);
  switch (field) {
    case Field::in_group:
    case Field::out_group:
      return read_group(text);
    case Field::protocol:
      return read_protocol(text);
    case Field::source_port:
    case Field::destination_port:
    case Field::original_source_port:
    case Field::original_destination_port:
    case Field::reply_source_port:
    case Field::reply_destination_port:
      return read_port(text);
    case Field::icmp_type:
      return read_icmp_type(text, family);
    case Field::tos:
      return read_tos(text);
    case Field::mac_source:
      return read_mac(text);
    case Field::packet_type:
      if (equal_ignoring_case(text, "host")) return NumberSet::one(0);
      return read_name(kPacketTypes, text, field);
    case Field::state:
      return read_name(kStates, text, field);
    case Field::direction:
      return read_name(kDirections, text, field);
    case Field::status:
      return read_status(text);
    case Field::mark:
    case Field::connection_mark:
      return read_masked(text, 32);
    default:
      return read_plain(text, number_of_bits(field, family));
  }
}

}  // namespace

Result<NumberSet> read_values(Field field, std::string_view text, Family family) {
  const auto wrong = [&] {
    return error_of<messages::no_packet_value>(
        rewall::quoted(text), expected_values(field, family),
        is_address_field(field) ? "names of hosts are not looked up: give the address" : "");
  };
  // The names of headers stand for one value together.
  if (field == Field::extensions) {
    if (const auto bits = bits_named(kHeaders, text)) return NumberSet::one(*bits);
  }
  std::vector<NumberRange> ranges;
  for (const auto item : split(text, ',')) {
    const auto values = read_value_item(field, item, family);
    if (!values) return wrong();
    ranges.insert(ranges.end(), values->ranges().begin(), values->ranges().end());
  }
  auto values = both(NumberSet(std::move(ranges)), whole(field, family));
  if (values.empty()) return wrong();
  return values;
}

std::string list_text(Field field, const NumberSet& values, Family family) {
  std::string text;
  for (const auto& range : values.ranges()) {
    if (!text.empty()) text += ',';
    text += value_range_text(field, range, family);
  }
  return text;
}

std::string values_text(Field field, const NumberSet& values, Family family) {
  if (values.empty()) return "none";
  if (values == whole(field, family)) return "any";
  if (field == Field::fragment) return values.contains(1) ? "a fragment" : "no fragment";
  if (field == Field::tcp_flags && values.is_one())
    return tcp_flags_text(static_cast<std::uint8_t>(values.ranges()[0].first));
  if (is_interface_field(field) && values == NumberSet::one(0)) return "no interface";
  const auto others = without(whole(field, family), values);
  if (others.ranges().size() < values.ranges().size()) return "all but " + list_text(field, others, family);
  return list_text(field, values, family);
}

std::optional<NumberSet> carriers(Field field, Family family) {
  switch (field) {
    case Field::source_port:
    case Field::destination_port:
      return NumberSet({{6, 6}, {17, 17}, {33, 33}, {132, 132}, {136, 136}});
    case Field::icmp_type:
    case Field::icmp_code:
      return NumberSet::one(family == Family::ipv4 ? 1 : 58);
    case Field::tcp_flags:
    case Field::tcp_option:
      return NumberSet::one(6);
    case Field::extensions:
      return family == Family::ipv4 ? std::optional(NumberSet{}) : std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<std::uint8_t> read_tcp_flags(std::string_view text) {
  if (equal_ignoring_case(text, "ALL")) return 0x3f;
  if (equal_ignoring_case(text, "NONE")) return 0;
  if (const auto number = read_number(text, 255)) return static_cast<std::uint8_t>(*number);
  return bits_named(kTcpFlags, text);
}

std::string tcp_flags_text(std::uint8_t flags) {
  std::string text;
  for (const auto& [name, bit] : kTcpFlags)
    if ((flags & bit) != 0) text += (text.empty() ? "" : ",") + std::string(name);
  return text.empty() ? "NONE" : text;
}

}  // namespace rewall
