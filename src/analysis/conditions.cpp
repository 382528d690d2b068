#include "analysis/conditions.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "analysis/host_conditions.h"
#include "core/text.h"
#include "rules/extensions.h"
#include "rules/normalize.h"
#include "rules/sets.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

using Read = std::optional<Condition>;

Condition not_a_later_fragment() {
  return field_in(Field::fragment, NumberSet::one(0));
}

NumberSet states_of(std::initializer_list<ConnectionState> states) {
  std::vector<NumberRange> ranges;
  for (const auto state : states) ranges.push_back({static_cast<Number>(state), static_cast<Number>(state)});
  return NumberSet(std::move(ranges));
}

Condition has_connection() {
  return field_in(Field::state, states_of({ConnectionState::fresh, ConnectionState::established,
                                           ConnectionState::related}));
}

Condition has_no_connection() {
  return field_in(Field::state, states_of({ConnectionState::invalid, ConnectionState::untracked}));
}

// What a header behind that of IP says: no fragment but the first has one, and the match fails, negated or
// not.
Condition of_header(Condition condition) {
  return all_of({not_a_later_fragment(), std::move(condition)});
}

NumberSet numbers_in(const Intervals& intervals) {
  std::vector<NumberRange> ranges;
  for (const auto& interval : intervals) ranges.push_back({interval.first, interval.last});
  return NumberSet(std::move(ranges));
}

Read ports(Field field, const Option& option) {
  const auto read = read_ports(option.values[0]);
  if (!read) return std::nullopt;
  return of_header(field_in(field, numbers_in(*read), option.negated));
}

Read either_port(const Option& option) {
  const auto read = read_ports(option.values[0]);
  if (!read) return std::nullopt;
  auto condition = any_of({field_in(Field::source_port, numbers_in(*read)),
                           field_in(Field::destination_port, numbers_in(*read))});
  condition.negated = option.negated;
  return of_header(std::move(condition));
}

Condition network(Field field, const Address& address, Family family, bool negated) {
  const unsigned bits = number_of_bits(field, family);
  const auto mask = number_of(address.mask, family);
  const auto value = number_of(address.bits, family);
  const auto free = ~mask & greatest_number(bits);
  if ((free & (free + 1)) == 0) return field_in(field, NumberSet::range(value, value | free), negated);
  return field_masked(field, mask, value, negated);
}

Read address(Field field, const Option& option, Family family) {
  const auto read = read_address(option.values[0], family);
  if (!read) return std::nullopt;
  return network(field, *read, family, option.negated);
}

Read host(Field field, const Option& option, Family family) {
  const auto read = read_host(option.values[0], family);
  if (!read) return std::nullopt;
  return network(field, *read, family, option.negated);
}

Read address_range(Field field, const Option& option, Family family) {
  auto read = read_address_span(option.values[0], family);
  if (!read) return std::nullopt;
  return field_in(field, std::move(*read), option.negated);
}

Read mark(Field field, const Option& option) {
  const auto read = read_mark(option.values[0]);
  if (!read) return std::nullopt;
  return field_masked(field, read->mask, read->value, option.negated);
}

// An option in its normal form: the extension of this one option.
std::vector<Option> normal_options(const Match& match, const Option& option, Family family) {
  return normal_form(Match{.name = match.name, .options = {option}}, family).options;
}

std::optional<std::uint64_t> number_in(const Option& option, std::uint64_t greatest) {
  if (option.values.size() != 1) return std::nullopt;
  return read_number(option.values[0], greatest);
}

Read tcp_flags(const Option& option) {
  const auto mask = read_number(option.values[0], 0xff);
  const auto value = read_number(option.values[1], 0xff);
  if (!mask || !value) return std::nullopt;
  return of_header(field_masked(Field::tcp_flags, *mask, *value, option.negated));
}

Read tcp_option(const Option& option) {
  const auto kind = number_in(option, 127);
  if (!kind) return std::nullopt;
  const auto bit = Number{1} << *kind;
  return of_header(field_masked(Field::tcp_option, bit, bit, option.negated));
}

// "8/0-255" or "any" (normalize_icmp).
Read icmp(const Option& option) {
  const std::string_view text = option.values[0];
  if (text == "any") return of_header(field_in(Field::icmp_type, NumberSet::all(8), option.negated));
  const auto slash = text.find('/');
  const auto dash = text.find('-');
  if (slash == std::string_view::npos || dash == std::string_view::npos || dash < slash) return std::nullopt;
  const auto type = read_number(text.substr(0, slash), 255);
  const auto first = read_number(text.substr(slash + 1, dash - slash - 1), 255);
  const auto last = read_number(text.substr(dash + 1), 255);
  if (!type || !first || !last) return std::nullopt;
  auto inner = all_of({field_in(Field::icmp_type, NumberSet::one(*type)),
                       field_in(Field::icmp_code, NumberSet::range(*first, *last))});
  inner.negated = option.negated;
  return of_header(std::move(inner));
}

// --ttl-eq, --hl-lt and their like.
Read time_to_live(const Option& option) {
  const auto number = number_in(option, 255);
  if (!number) return std::nullopt;
  if (option.name.ends_with("-eq")) return field_in(Field::ttl, NumberSet::one(*number), option.negated);
  NumberSet numbers;
  if (option.name.ends_with("-lt") && *number > 0) numbers = NumberSet::range(0, *number - 1);
  if (option.name.ends_with("-gt") && *number < 255) numbers = NumberSet::range(*number + 1, 255);
  return field_in(Field::ttl, std::move(numbers), option.negated);
}

Read packet_length(const Option& option) {
  const auto range = read_range(option.values[0], 0xffff);
  if (!range) return std::nullopt;
  return field_in(Field::length, NumberSet::range(range->first, range->last), option.negated);
}

Read hardware_address(const Option& option) {
  Number number = 0;
  const auto bytes = split(option.values[0], ':');
  if (bytes.size() != 6) return std::nullopt;
  for (const auto byte : bytes) {
    const auto value = read_number("0x" + std::string(byte), 255);
    if (!value) return std::nullopt;
    number = (number << 8) | *value;
  }
  // Loopback has no Ethernet header (xt_mac.c).
  return all_of({field_in(Field::in_interface, interfaces_of("lo"), true),
                 field_in(Field::mac_source, NumberSet::one(number), option.negated)});
}

Read packet_type(const Option& option) {
  static constexpr std::array<std::string_view, 3> kTypes = {"UNICAST", "BROADCAST", "MULTICAST"};
  const auto found = std::ranges::find(kTypes, option.values[0]);
  if (found == kTypes.end()) return std::nullopt;
  return field_in(Field::packet_type, NumberSet::one(static_cast<Number>(found - kTypes.begin())),
                  option.negated);
}

Read dscp(const Option& option) {
  const auto value = number_in(option, 63);
  if (!value || option.name != "--dscp") return std::nullopt;
  return field_masked(Field::tos, 0xfc, *value << 2, option.negated);
}

Read congestion(const Option& option) {
  if (option.name == "--ecn-ip-ect") {
    const auto value = number_in(option, 3);
    if (!value) return std::nullopt;
    return field_masked(Field::tos, 3, *value, option.negated);
  }
  const Number bit = option.name == "--ecn-tcp-cwr" ? 0x80 : 0x40;
  return all_of({field_in(Field::protocol, NumberSet::one(6)),
                 of_header(field_masked(Field::tcp_flags, bit, bit, option.negated))});
}

Read group(const Option& option) {
  const auto field = option.name == "--src-group" ? Field::in_group : Field::out_group;
  return mark(field, option);
}

// Of a whole range of SPIs nothing is asked.
Read security_index(const Option& option) {
  const auto range = read_range(option.values[0], 0xffffffff);
  if (!range || range->first != 0 || range->last != 0xffffffff) return std::nullopt;
  return option.negated ? never() : always();
}

// ---- connection tracking (xt_conntrack.c)

Read states(const Option& option) {
  static constexpr std::array<std::string_view, 5> kListedStates = {"INVALID", "NEW", "ESTABLISHED",
                                                                    "RELATED", "UNTRACKED"};
  std::vector<NumberRange> ranges;
  Number translated = 0;
  for (const auto word : split(option.values[0], ',')) {
    const auto found = std::ranges::find(kListedStates, word);
    const auto number = static_cast<Number>(found - kListedStates.begin());
    if (found != kListedStates.end())
      ranges.push_back({number, number});
    else if (word == "SNAT")
      translated |= StatusBit::snat;
    else if (word == "DNAT")
      translated |= StatusBit::dnat;
    else
      return std::nullopt;
  }
  auto condition = field_in(Field::state, NumberSet(std::move(ranges)));
  if (translated != 0)
    condition = any_of(
        {std::move(condition), all_of({has_connection(), field_masked(Field::status, translated, 0, true)})});
  condition.negated = option.negated;
  return condition;
}

Read status(const Option& option) {
  static constexpr std::array<std::pair<std::string_view, Number>, 5> kBits = {
      {{"NONE", 0},
       {"EXPECTED", StatusBit::expected},
       {"SEEN_REPLY", StatusBit::seen_reply},
       {"ASSURED", StatusBit::assured},
       {"CONFIRMED", StatusBit::confirmed}}};
  Number bits = 0;
  for (const auto word : split(option.values[0], ',')) {
    const auto found =
        std::ranges::find_if(kBits, [word](const auto& bit) { return equal_ignoring_case(bit.first, word); });
    if (found == kBits.end()) return std::nullopt;
    bits |= found->second;
  }
  return field_masked(Field::status, bits, 0, !option.negated);
}

Read direction(const Option& option) {
  const bool reply = equal_ignoring_case(option.values[0], "REPLY");
  if (!reply && !equal_ignoring_case(option.values[0], "ORIGINAL")) return std::nullopt;
  return field_in(Field::direction, NumberSet::one(reply ? 1 : 0), option.negated);
}

// The connection that an error of ICMP is related to is not of ICMP.
Read connection_protocol(const Option& option, Family family) {
  const auto number = protocol_number(option.values[0]);
  if (!number) return std::nullopt;
  const auto error = all_of({field_in(Field::state, states_of({ConnectionState::related})),
                             field_in(Field::protocol, NumberSet::one(family == Family::ipv4 ? 1 : 58))});
  auto plain = error;
  plain.negated = true;
  auto condition = any_of({all_of({std::move(plain), field_in(Field::protocol, NumberSet::one(*number))}),
                           all_of({error, unknown("--ctproto " + option.values[0])})});
  condition.negated = option.negated;
  return condition;
}

Read of_connection(const Option& option, Family family) {
  struct Row {
    std::string_view name;
    Field field;
  };
  static constexpr std::array<Row, 4> kAddresses = {{{"--ctorigsrc", Field::original_source},
                                                     {"--ctorigdst", Field::original_destination},
                                                     {"--ctreplsrc", Field::reply_source},
                                                     {"--ctrepldst", Field::reply_destination}}};
  static constexpr std::array<Row, 4> kPorts = {{{"--ctorigsrcport", Field::original_source_port},
                                                 {"--ctorigdstport", Field::original_destination_port},
                                                 {"--ctreplsrcport", Field::reply_source_port},
                                                 {"--ctrepldstport", Field::reply_destination_port}}};
  if (const auto found = std::ranges::find(kAddresses, option.name, &Row::name); found != kAddresses.end())
    return host(found->field, option, family);
  if (const auto found = std::ranges::find(kPorts, option.name, &Row::name); found != kPorts.end()) {
    const auto read = read_ports(option.values[0]);
    if (!read) return std::nullopt;
    return field_in(found->field, numbers_in(*read), option.negated);
  }
  if (option.name == "--ctstatus") return status(option);
  if (option.name == "--ctdir") return direction(option);
  if (option.name == "--ctproto") return connection_protocol(option, family);
  return std::nullopt;
}

// Without a connection the match is decided by the state alone; without a state in it, it fails.
void read_conntrack(const Match& match, Family family, std::vector<Condition>& out) {
  const auto is_state = [](const Option& option) {
    return option.name == "--ctstate" || option.name == "--state";
  };
  const bool with_state = std::ranges::any_of(match.options, is_state);
  for (const auto& option : match.options) {
    const auto normal = normal_options(match, option, family);
    if (normal.size() != 1) continue;
    Read condition;
    if (is_state(option)) {
      condition = states(normal[0]);
    } else {
      condition = of_connection(normal[0], family);
      if (!condition) {
        auto plain = option;
        plain.negated = false;
        condition = unknown(match_words(Match{.name = match.name, .options = {plain}}));
        condition->negated = option.negated;
      }
      condition = with_state ? any_of({has_no_connection(), std::move(*condition)})
                             : all_of({has_connection(), std::move(*condition)});
    }
    if (!condition) condition = unknown(match_words(Match{.name = match.name, .options = {option}}));
    condition->words = option_words(option);
    out.push_back(std::move(*condition));
  }
}

// ---- matches whose options are conditions of their own

using OptionReader = std::function<Read(const Option&, Family)>;

OptionReader by_option(std::string_view match, std::string_view option) {
  const auto alone = [](Read (*read)(const Option&)) {
    return [read](const Option& value, Family) { return read(value); };
  };
  const auto of = [](auto read, Field field) {
    return [read, field](const Option& value, Family family) -> Read {
      if constexpr (std::is_invocable_v<decltype(read), Field, const Option&, Family>)
        return read(field, value, family);
      else
        return read(field, value);
    };
  };
  const bool source = option == "--sport" || option == "--sports" || option == "--src-range";
  if (option == "--sport" || option == "--dport" || option == "--sports" || option == "--dports")
    return of(&ports, source ? Field::source_port : Field::destination_port);
  if (match == "multiport" && option == "--ports") return alone(&either_port);
  if (match == "iprange") return of(&address_range, source ? Field::source : Field::destination);
  if (match == "mark") return of(&mark, Field::mark);
  if (match == "connmark")
    return [](const Option& value, Family) -> Read {
      auto condition = mark(Field::connection_mark, value);
      if (!condition) return std::nullopt;
      return all_of({has_connection(), std::move(*condition)});
    };
  if (match == "tos") return [](const Option& value, Family) { return mark(Field::tos, value); };
  if (option == "--tcp-flags") return alone(&tcp_flags);
  if (option == "--tcp-option") return alone(&tcp_option);
  static const std::map<std::string_view, Read (*)(const Option&)> readers = {{"icmp", &icmp},
                                                                              {"icmp6", &icmp},
                                                                              {"ttl", &time_to_live},
                                                                              {"hl", &time_to_live},
                                                                              {"length", &packet_length},
                                                                              {"mac", &hardware_address},
                                                                              {"pkttype", &packet_type},
                                                                              {"dscp", &dscp},
                                                                              {"ecn", &congestion},
                                                                              {"devgroup", &group},
                                                                              {"esp", &security_index},
                                                                              {"ah", &security_index},
                                                                              {"ipcomp", &security_index}};
  const auto found = readers.find(match);
  return found == readers.end() ? OptionReader{} : alone(found->second);
}

bool has_readers(std::string_view match) {
  static constexpr std::array<std::string_view, 23> kMatches = {
      "tcp",     "udp",  "udplite",  "sctp",     "dccp", "icmp", "icmp6",  "multiport",
      "iprange", "mark", "connmark", "tos",      "ttl",  "hl",   "length", "mac",
      "pkttype", "dscp", "ecn",      "devgroup", "esp",  "ah",   "ipcomp"};
  return std::ranges::find(kMatches, match) != kMatches.end();
}

// The groups of the interfaces that the host is known to have.
Condition of_host(Condition group, const HostFacts& facts) {
  const auto field = group.field == Field::in_group ? Field::in_interface : Field::out_interface;
  NumberSet known;
  NumberSet yes;
  for (const auto& interface : facts.interfaces) {
    const auto one = NumberSet::one(interface_number(interface.name));
    known = either(known, one);
    if ((interface.group & group.mask) == group.value) yes = either(yes, one);
  }
  const bool negated = group.negated;
  group.negated = false;
  auto either_way = any_of({field_in(field, yes), all_of({field_in(field, known, true), std::move(group)})});
  either_way.negated = negated;
  return either_way;
}

// Of two single ports that are negated some versions of iptables-nft make one comparison (1.8.9 does, of tcp
// and udp), which fails where both are met; others make two. Its iptables-save prints both alike.
bool ports_of_nft(const Match& match, const Surroundings& around, std::vector<Condition>& out) {
  if (around.backend != Backend::nft || (match.name != "tcp" && match.name != "udp")) return false;
  const auto single = [&](std::string_view name) -> const Option* {
    const auto found = std::ranges::find(match.options, name, &Option::name);
    if (found == match.options.end() || !found->negated) return nullptr;
    const auto read = read_ports(found->values[0]);
    return read && read->size() == 1 && read->front().first == read->front().last ? &*found : nullptr;
  };
  const auto* source = single("--sport");
  const auto* destination = single("--dport");
  if (source == nullptr || destination == nullptr) return false;
  const auto words = option_words(*source) + " " + option_words(*destination);
  const auto port = [](Field field, const Option& option, bool negated) {
    return field_in(field, numbers_in(*read_ports(option.values[0])), negated);
  };
  auto not_both =
      all_of({port(Field::source_port, *source, false), port(Field::destination_port, *destination, false)});
  not_both.negated = true;
  auto neither =
      all_of({port(Field::source_port, *source, true), port(Field::destination_port, *destination, true)});
  out.push_back(of_header(all_of(
      {std::move(not_both), any_of({std::move(neither), unknown("how iptables-nft made " + words)})})));
  out.back().words = words;
  return true;
}

void read_options(const Match& match, const Surroundings& around, std::vector<Condition>& out) {
  const auto family = around.family;
  const bool ports_read = ports_of_nft(match, around, out);
  // tcp_mt() and its like have a header even where nothing of it is asked.
  static constexpr std::array<std::string_view, 5> kHeaders = {"tcp", "udp", "udplite", "sctp", "dccp"};
  if (match.options.empty() && std::ranges::find(kHeaders, match.name) != kHeaders.end()) {
    out.push_back(not_a_later_fragment());
    out.back().words = match_words(match);
  }
  for (const auto& option : match.options) {
    if (ports_read && (option.name == "--sport" || option.name == "--dport")) continue;
    for (const auto& normal : normal_options(match, option, family)) {
      const auto reader = by_option(match.name, normal.name);
      auto condition = reader ? reader(normal, family) : std::nullopt;
      if (!condition) {
        auto plain = option;
        plain.negated = false;
        condition = unknown(match_words(Match{.name = match.name, .options = {plain}}),
                            {Field::source, Field::destination, Field::source_port, Field::destination_port});
        condition->negated = option.negated;
      } else {
        if (match.name == "devgroup" && around.facts->known)
          condition = of_host(std::move(*condition), *around.facts);
        condition->words = option_words(option);
      }
      out.push_back(std::move(*condition));
    }
  }
}

// ---- matches that are read as a whole

// Without a bridge, what is negated holds (xt_physdev.c).
Read read_physdev(const Match& match) {
  std::vector<Condition> parts;
  for (const auto& option : match.options) {
    const auto field = option.name == "--physdev-in" || option.name == "--physdev-is-in" ? Field::bridge_in
                                                                                         : Field::bridge_out;
    if (option.name == "--physdev-in" || option.name == "--physdev-out")
      parts.push_back(
          field_in(field, without(interfaces_of(option.values[0]), NumberSet::one(0)), option.negated));
    else
      parts.push_back(field_in(field, NumberSet::one(0), !option.negated));
  }
  return all_of(std::move(parts));
}

Read read_frag(const Match& match) {
  constexpr Number kFragmentHeader = 16;  // MASK_FRAGMENT of ip6t_ipv6header.h
  std::vector<Condition> parts = {field_masked(Field::extensions, kFragmentHeader, kFragmentHeader)};
  for (const auto& option : match.options) {
    if (option.name == "--fragfirst") {
      parts.push_back(not_a_later_fragment());
    } else {
      auto more = unknown("-m frag " + option_words(option));
      parts.push_back(std::move(more));
    }
  }
  return all_of(std::move(parts));
}

// The bits of ip6t_ipv6header.h. The last three are the protocol's: ESP, none at all, any other.
Read read_ipv6header(const Match& match, Family family) {
  static constexpr std::array<std::pair<std::uint64_t, Number>, 8> kBits = {
      {{0, 128}, {60, 64}, {43, 32}, {44, 16}, {51, 8}, {50, 4}, {59, 2}, {255, 1}}};
  const auto normal = normal_form(match, family);
  const Option* header = nullptr;
  bool soft = false;
  for (const auto& option : normal.options) {
    if (option.name == "--header") header = &option;
    soft = soft || option.name == "--soft";
  }
  if (header == nullptr) return std::nullopt;
  Number bits = 0;
  for (const auto word : split(header->values[0], ',')) {
    const auto number = read_number(word, 255);
    const auto found =
        number ? std::ranges::find_if(kBits, [&](const auto& bit) { return bit.first == *number; })
               : kBits.end();
    if (found == kBits.end()) return std::nullopt;
    bits |= found->second;
  }
  constexpr Number kExtensions = 0xf8;
  const auto esp = field_in(Field::protocol, NumberSet::one(50));
  const auto none = field_in(Field::protocol, NumberSet::one(59));
  const auto other = field_in(Field::protocol, NumberSet({{50, 50}, {59, 59}}), true);
  const std::array<std::pair<Number, const Condition*>, 3> last = {{{4, &esp}, {2, &none}, {1, &other}}};
  std::vector<Condition> parts;
  if (soft) {
    parts.push_back(
        field_masked(Field::extensions, bits & kExtensions, header->negated ? 0 : bits & kExtensions));
    for (const auto& [bit, condition] : last) {
      if ((bits & bit) == 0) continue;
      parts.push_back(*condition);
      parts.back().negated = parts.back().negated != header->negated;
    }
    return all_of(std::move(parts));
  }
  parts.push_back(field_masked(Field::extensions, kExtensions, bits & kExtensions));
  auto ending = never();
  for (const auto& [bit, condition] : last)
    if ((bits & 7) == bit) ending = *condition;
  parts.push_back(std::move(ending));
  auto condition = all_of(std::move(parts));
  condition.negated = header->negated;
  return condition;
}

// ip6t_rt.c, ip6t_hbh.c: the packet has the header, whatever else is asked of it.
Read read_extension_header(const Match& match) {
  static constexpr std::array<std::pair<std::string_view, Number>, 3> kHeaderBits = {
      {{"hbh", 128}, {"dst", 64}, {"rt", 32}}};
  const auto found = std::ranges::find(kHeaderBits, match.name, &std::pair<std::string_view, Number>::first);
  if (found == kHeaderBits.end()) return std::nullopt;
  std::vector<Condition> parts = {field_masked(Field::extensions, found->second, found->second)};
  for (const auto& option : match.options)
    parts.push_back(unknown("-m " + match.name + " " + option_words(option)));
  return all_of(std::move(parts));
}

// xt_recent.c: an address that is put on the list matches.
Read read_recent(const Match& match) {
  const auto set = std::ranges::find(match.options, "--set", &Option::name);
  if (set == match.options.end()) return std::nullopt;
  return set->negated ? never() : always();
}

Read lookup(const std::string& set, std::string_view flags, bool nomatch, const Surroundings& around,
            unsigned depth = 0) {
  const auto* found = around.sets == nullptr ? nullptr : around.sets->find(set);
  if (found == nullptr) return std::nullopt;
  if (is_list(*found)) {
    if (depth > 0 || has_timeout(*found)) return std::nullopt;
    std::vector<Condition> members;
    for (const auto member : found->members) {
      auto one = lookup(std::string(element_of(member)), flags, nomatch, around, depth + 1);
      if (!one) return std::nullopt;
      members.push_back(std::move(*one));
    }
    return any_of(std::move(members));
  }
  if (static_cast<std::size_t>(std::ranges::count(flags, ',')) + 1 < dimensions_of(found->type))
    return never();
  auto fields = fields_of_set(found->type, flags, around.family);
  if (!fields) return std::nullopt;
  // Sets without networks know no nomatch.
  const bool of_networks = found->type.find("net") != std::string::npos;
  Condition condition{.kind = Condition::Kind::lookup,
                      .set = set,
                      .of_nomatch = nomatch && of_networks,
                      .fields = std::move(*fields)};
  return condition;
}

Read read_set(const Match& match, const Surroundings& around) {
  const Option* wanted = nullptr;
  bool nomatch = false;
  for (const auto& option : match.options) {
    if (option.name == "--match-set")
      wanted = &option;
    else if (option.name == "--return-nomatch")
      nomatch = true;
    else if (option.name != "--update-counters" && option.name != "--update-subcounters")
      return std::nullopt;
  }
  if (wanted == nullptr || wanted->values.size() != 2) return std::nullopt;
  auto condition = lookup(wanted->values[0], wanted->values[1], nomatch, around);
  auto plain = *wanted;
  plain.negated = false;
  if (!condition)
    condition = unknown(option_words(plain), {Field::source, Field::destination, Field::source_port,
                                              Field::destination_port, Field::protocol});
  condition->negated = condition->negated != wanted->negated;
  condition->words = option_words(condition->kind == Condition::Kind::any_of ? *wanted : plain) +
                     (nomatch ? " --return-nomatch" : "");
  return condition;
}

Read read_whole(const Match& match, const Surroundings& around) {
  if (match.name == "physdev") return read_physdev(match);
  if (match.name == "frag") return read_frag(match);
  if (match.name == "rt" || match.name == "hbh" || match.name == "dst") return read_extension_header(match);
  if (match.name == "ipv6header") return read_ipv6header(match, around.family);
  if (match.name == "recent") return read_recent(match);
  if (match.name == "set") return read_set(match, around);
  if (match.name == "addrtype") return read_address_type(match, around);
  if (match.name == "policy") return read_policy(match, around);
  if (match.name == "rpfilter") return read_reverse_path(match, around);
  return std::nullopt;
}

// What neither the fields of a packet nor its way can change within one walk.
bool hangs_on_no_field(std::string_view match) {
  static constexpr std::array<std::string_view, 8> kMatches = {"time",   "owner",     "cpu",       "cgroup",
                                                               "helper", "connbytes", "connlabel", "realm"};
  return std::ranges::find(kMatches, match) != kMatches.end();
}

Condition not_modelled(const Match& match) {
  const auto* spec = match.known ? find_match(match.name) : nullptr;
  const bool stateful = spec == nullptr ? false : spec->stateful;
  std::vector<Field> fields;
  if (!hangs_on_no_field(match.name))
    fields = {Field::source, Field::destination, Field::source_port, Field::destination_port};
  return unknown(match_words(match), std::move(fields), stateful);
}

void read_match(const Match& match, const Surroundings& around, std::vector<Condition>& out) {
  if (match.name == "comment") return;
  if (!match.known) {
    out.push_back(not_modelled(match));
    return;
  }
  if (match.name == "conntrack" || match.name == "state") {
    read_conntrack(match, around.family, out);
    return;
  }
  if (has_readers(match.name)) {
    read_options(match, around, out);
    return;
  }
  auto condition = read_whole(match, around);
  if (!condition) condition = not_modelled(match);
  if (condition->words.empty()) condition->words = match_words(match);
  out.push_back(std::move(*condition));
}

Read read_base(const Option& option, Family family) {
  switch (option.name[1]) {
    case 's':
      return address(Field::source, option, family);
    case 'd':
      return address(Field::destination, option, family);
    case 'i':
      return field_in(Field::in_interface, interfaces_of(option.values[0]), option.negated);
    case 'o':
      return field_in(Field::out_interface, interfaces_of(option.values[0]), option.negated);
    case 'f':
      return field_in(Field::fragment, NumberSet::one(1), option.negated);
    default:
      break;
  }
  const auto number = protocol_number(option.values[0]);
  if (!number) return std::nullopt;
  return *number == 0 ? field_in(Field::protocol, NumberSet::all(8), option.negated)
                      : field_in(Field::protocol, NumberSet::one(*number), option.negated);
}

}  // namespace

Condition field_in(Field field, NumberSet numbers, bool negated) {
  return Condition{
      .kind = Condition::Kind::in, .negated = negated, .field = field, .numbers = std::move(numbers)};
}

Condition field_masked(Field field, Number mask, Number value, bool negated) {
  return Condition{
      .kind = Condition::Kind::masked, .negated = negated, .field = field, .mask = mask, .value = value};
}

Condition all_of(std::vector<Condition> parts) {
  return Condition{.kind = Condition::Kind::all_of, .parts = std::move(parts)};
}

Condition any_of(std::vector<Condition> parts) {
  return Condition{.kind = Condition::Kind::any_of, .parts = std::move(parts)};
}

Condition always() {
  return Condition{.kind = Condition::Kind::all_of};
}

Condition never() {
  return Condition{.kind = Condition::Kind::any_of};
}

Condition unknown(std::string words, std::vector<Field> fields, bool stateful) {
  return Condition{.kind = Condition::Kind::unknown,
                   .fields = std::move(fields),
                   .words = std::move(words),
                   .stateful = stateful};
}

std::string option_words(const Option& option) {
  std::string out = option.negated ? "! " + option.name : option.name;
  for (const auto& value : option.values) {
    const bool plain = !value.empty() && value.find_first_of(" \t\"'\\") == std::string::npos;
    out += ' ';
    out += plain ? value : quote_word(value);
  }
  return out;
}

std::string match_words(const Match& match) {
  std::string out = "-m " + match.name;
  for (const auto& option : match.options) {
    out += ' ';
    out += option_words(option);
  }
  return out;
}

Number number_of(const std::array<std::uint8_t, 16>& bits, Family family) {
  Number number = 0;
  for (std::size_t i = 0; i < (family == Family::ipv4 ? 4U : 16U); ++i) number = (number << 8) | bits[i];
  return number;
}

std::optional<NumberSet> read_address_span(std::string_view text, Family family) {
  const auto dash = text.find('-');
  const auto first = read_host(text.substr(0, dash), family);
  const auto last = dash == std::string_view::npos ? first : read_host(text.substr(dash + 1), family);
  if (!first || !last) return std::nullopt;
  const auto from = number_of(first->bits, family);
  const auto to = number_of(last->bits, family);
  return from <= to ? NumberSet::range(from, to) : NumberSet{};
}

std::size_t dimensions_of(std::string_view type) {
  return static_cast<std::size_t>(std::ranges::count(type, ',')) + 1;
}

std::optional<std::vector<Field>> fields_of_set(std::string_view type, std::string_view flags, Family) {
  const auto colon = type.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto kinds = split(type.substr(colon + 1), ',');
  const auto directions = split(flags, ',');
  std::vector<Field> fields;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (i >= directions.size()) return std::nullopt;
    const bool source = directions[i] == "src";
    if (kinds[i] == "ip" || kinds[i] == "net")
      fields.push_back(source ? Field::source : Field::destination);
    else if (kinds[i] == "port")
      fields.push_back(source ? Field::source_port : Field::destination_port);
    else if (kinds[i] == "mac" && source)
      fields.push_back(Field::mac_source);
    else if (kinds[i] == "mark")
      fields.push_back(Field::mark);
    else if (kinds[i] == "iface")
      fields.push_back(source ? Field::in_interface : Field::out_interface);
    else
      return std::nullopt;
  }
  return fields;
}

std::vector<Condition> read_conditions(const ParsedRule& rule, const Surroundings& around) {
  static constexpr std::string_view kOrder = "sdiopf";  // ip_packet_match() of ip_tables.c
  std::vector<Condition> out;
  auto options = rule.options;
  std::ranges::stable_sort(options, {}, [](const Option& option) { return kOrder.find(option.name[1]); });
  for (const auto& option : options) {
    auto condition = read_base(option, around.family);
    auto plain = option;
    plain.negated = false;
    if (!condition) {
      condition = unknown(option_words(plain));
      condition->negated = option.negated;
    } else {
      condition->words = option_words(option);
    }
    out.push_back(std::move(*condition));
  }
  for (const auto& match : rule.matches) read_match(match, around, out);
  if (!rule.unknown.empty()) out.push_back(unknown(join(rule.unknown, " ")));
  return out;
}

}  // namespace rewall
