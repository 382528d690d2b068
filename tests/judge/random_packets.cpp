#include "judge/random_packets.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/text.h"
#include "rules/parse.h"

namespace rewall::judge {

namespace {

std::vector<std::string> pieces(const std::string& text, char by) {
  std::vector<std::string> out{""};
  for (const char c : text)
    if (c == by)
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

std::uint64_t number_in(const std::string& text, std::uint64_t otherwise = 0) {
  if (text.empty() || text.find_first_not_of("0123456789abcdefxABCDEF") != std::string::npos)
    return otherwise;
  return std::strtoull(text.c_str(), nullptr, 0);
}

bool read_address(const std::string& text, Family family, Number& out) {
  std::array<std::uint8_t, 16> bits{};
  if (inet_pton(family == Family::ipv4 ? AF_INET : AF_INET6, text.c_str(), bits.data()) != 1) return false;
  out = address_number(bits, family);
  return true;
}

std::uint8_t protocol_in(const std::string& text) {
  static const std::map<std::string, std::uint8_t> kNames{
      {"tcp", 6},    {"udp", 17},      {"icmp", 1},    {"icmpv6", 58}, {"ipv6-icmp", 58},
      {"sctp", 132}, {"udplite", 136}, {"dccp", 33},   {"gre", 47},    {"esp", 50},
      {"ah", 51},    {"ospf", 89},     {"ospfigp", 89}};
  const auto known = kNames.find(text);
  return known != kNames.end() ? known->second : static_cast<std::uint8_t>(number_in(text, 6));
}

std::uint16_t port_in(const std::string& text) {
  if (!text.empty() && (text[0] < '0' || text[0] > '9')) {
    static const std::map<std::string, std::uint16_t> kNames{
        {"ssh", 22}, {"http", 80}, {"https", 443}, {"domain", 53}};
    const auto known = kNames.find(text);
    return known != kNames.end() ? known->second : std::uint16_t{80};
  }
  return static_cast<std::uint16_t>(number_in(text));
}

}  // namespace

void settle_state(Shot& shot) {
  auto& of = shot.connection;
  of = {.source = shot.source,
        .destination = shot.destination,
        .reply_source = shot.destination,
        .reply_destination = shot.source,
        .protocol = shot.protocol};
  if (has_ports(shot.protocol)) {
    of.source_port = of.reply_destination_port = shot.source_port;
    of.destination_port = of.reply_source_port = shot.destination_port;
  }
  shot.state = ConnectionState::fresh;
  if (shot.protocol == 6) {
    // tcp_valid_flags, and tcp_conntracks of a connection that is not there.
    const auto flags = shot.tcp_flags & 0x37;
    const bool valid = flags == 2 || flags == 0x22 || flags == 0x10 || flags == 0x30;
    if (!valid) shot.state = ConnectionState::invalid;
  }
  if (is_icmp(shot.protocol, shot.family)) {
    of.source_port = static_cast<std::uint16_t>(shot.tag * 2 + 1);
    const auto type = shot.icmp_type;
    if (shot.family == Family::ipv4) {
      if (type != 8 && type != 13 && type != 15 && type != 17) shot.state = ConnectionState::invalid;
    } else {
      if (type != 128 && type != 139) shot.state = ConnectionState::invalid;
      if ((type >= 130 && type <= 136) || type == 143) shot.state = ConnectionState::untracked;
    }
  }
  // nf_conntrack_proto_udp.c sums what comes in of UDP-Lite as if it were UDP, and so finds it wrong.
  if (shot.protocol == 136 && !shot.in.empty()) shot.state = ConnectionState::invalid;
  const bool summed = has_ports(shot.protocol) ? shot.protocol != 33 : is_icmp(shot.protocol, shot.family);
  if (shot.bad_checksum && summed && !shot.in.empty()) shot.state = ConnectionState::invalid;
}

void RandomPackets::take(const RulesetText& text, const Decided& decided) {
  tables_.clear();
  sets_.clear();
  addresses_.clear();
  ports_ = {22, 80, 443, 53, 0, 65535, 1024, 1025, 1023};
  for (const auto& link : lab_.facts().interfaces) {
    for (const auto address : link.v4) addresses_[Family::ipv4].push_back(address);
    for (const auto address : link.v6) addresses_[Family::ipv6].push_back(address);
  }
  for (const auto family : {Family::ipv4, Family::ipv6}) {
    const bool four = family == Family::ipv4;
    for (int i = 0; i < 4; ++i) {
      addresses_[family].push_back(address(four ? "10.1.0.9" : "2001:db8:1::9", family) + chance_.below(9));
      addresses_[family].push_back(address(four ? "10.2.0.9" : "2001:db8:2::9", family) + chance_.below(9));
    }
  }
  for (const auto& [where, words] : text.tables) {
    const auto parsed = parse_saved(words, where.first, "judge");
    if (!parsed) continue;
    for (const auto& table : parsed->tables) {
      Chains chains;
      for (const auto& chain : table.chains)
        for (const auto& rule : chain.rules) {
          auto one = parse_rule(rule.words, where.first);
          const auto parts = one ? parts_of(*one) : std::vector<std::string>{};
          const bool rare = std::ranges::any_of(parts, [&](const std::string& part) {
            const auto count = decided.find(part);
            return count == decided.end() || count->second < kEnough;
          });
          chains[chain.name].push_back({one ? *one : ParsedRule{}, rare});
          for (const auto& option : one ? one->options : std::vector<Option>{})
            if ((option.name == "-s" || option.name == "-d") && !option.values.empty())
              addresses_[where.first].push_back(address(option.values[0], where.first));
        }
      if (!chains.empty()) tables_[where.first].emplace_back(table.name, std::move(chains));
    }
  }
  for (const auto line : split_lines(text.sets)) {
    const auto words = pieces(std::string(line), ' ');
    if (words.size() < 3) continue;
    if (words[0] == "create") sets_[words[1]].first = words[2];
    if (words[0] == "add")
      sets_[words[1] == "-exist" ? words[2] : words[1]].second.push_back(words[1] == "-exist" ? words[3]
                                                                                              : words[2]);
  }
}

/// A value in a network, at its borders, or just outside.
Number RandomPackets::address(const std::string& text, Family family) {
  const auto slash = text.find('/');
  const auto dash = text.find('-');
  const unsigned width = family == Family::ipv4 ? 32 : 128;
  Number base = 0;
  if (!read_address(text.substr(0, std::min(slash, dash)), family, base)) return any_address(family);
  Number last = base;
  if (dash != std::string::npos) {
    if (!read_address(text.substr(dash + 1), family, last)) last = base;
  } else if (slash != std::string::npos) {
    const auto length = text.substr(slash + 1);
    Number mask = 0;
    if (read_address(length, family, mask)) {
      Number random = chance_.number();
      random = random << 64 | chance_.number();
      return ((base & mask) | (random & ~mask)) & greatest_number(width);
    }
    const auto bits = static_cast<unsigned>(number_in(length, width));
    const Number host = bits >= width ? 0 : greatest_number(width - bits);
    base &= ~host;
    last = base | host;
    if (chance_.one_in(3)) {
      Number random = chance_.number();
      random = random << 64 | chance_.number();
      return base | (random & host);
    }
  }
  switch (chance_.below(6)) {
    case 0:
      return base;
    case 1:
      return last;
    case 2:
      return (base - 1) & greatest_number(width);
    case 3:
      return (last + 1) & greatest_number(width);
    default:
      return last == base ? base : base + Number{chance_.number()} % (last - base);
  }
}

Number RandomPackets::any_address(Family family) {
  const auto& all = addresses_[family];
  return all.empty() ? 0 : all[chance_.below(all.size())];
}

Shot RandomPackets::plain(Family family, Hook hook) {
  Shot shot{.family = family, .hook = hook};
  const auto& links = lab_.links();
  if (hook != Hook::output) shot.in = links[chance_.between(1, links.size() - 1)].name;
  shot.source = any_address(family);
  shot.destination = any_address(family);
  const auto local = lab_.facts().interfaces;
  const auto& own = local[chance_.between(1, local.size() - 1)];
  const Number here = family == Family::ipv4 ? own.v4[0] : own.v6[0];
  if (hook == Hook::input) shot.destination = here;
  if (hook == Hook::output && !chance_.one_in(5)) shot.source = here;
  static constexpr std::uint8_t kProtocols[] = {6, 6, 6, 6, 17, 17, 17, 1, 1, 132, 136, 33, 47, 89};
  shot.protocol = kProtocols[chance_.below(std::size(kProtocols))];
  if (shot.protocol == 1 && family == Family::ipv6) shot.protocol = 58;
  shot.source_port = chance_.one_in(3) ? ports_[chance_.below(ports_.size())]
                                       : static_cast<std::uint16_t>(chance_.between(1024, 65535));
  shot.destination_port = ports_[chance_.below(ports_.size())];
  static constexpr std::uint8_t kFlags[] = {2, 2, 2, 2, 16, 24, 18, 4, 20, 17, 0, 63, 41, 1, 3, 6, 34};
  shot.tcp_flags = kFlags[chance_.below(std::size(kFlags))];
  if (chance_.one_in(4))
    for (auto n = chance_.below(4); n > 0; --n)
      shot.tcp_options.push_back(static_cast<std::uint8_t>(chance_.between(2, 8)));
  static constexpr std::uint8_t kIcmp4[] = {8, 8, 8, 0, 3, 11, 13, 5, 14};
  static constexpr std::uint8_t kIcmp6[] = {128, 128, 128, 129, 1, 2, 135, 136, 134, 139, 4};
  shot.icmp_type = family == Family::ipv4 ? kIcmp4[chance_.below(std::size(kIcmp4))]
                                          : kIcmp6[chance_.below(std::size(kIcmp6))];
  shot.icmp_code = static_cast<std::uint8_t>(chance_.one_in(3) ? chance_.below(5) : 0);
  shot.ttl = static_cast<std::uint8_t>(chance_.one_in(8) ? chance_.between(4, 255) : chance_.between(62, 66));
  static constexpr std::uint8_t kTos[] = {0, 0, 0, 0x10, 0x08, 0xb8, 0x28, 0x20, 0xff, 0x04};
  shot.tos = kTos[chance_.below(std::size(kTos))];
  if (chance_.one_in(3)) shot.length = static_cast<std::uint16_t>(chance_.between(20, 200));
  shot.mac = {2, 0, 0, 0, 9, static_cast<std::uint8_t>(chance_.between(9, 11))};
  static constexpr std::array<std::uint8_t, 3> kExtensions = {0, 60, 43};
  if (family == Family::ipv6 && chance_.one_in(12))
    for (const std::uint8_t each : kExtensions)
      if (chance_.one_in(2)) shot.extensions.push_back(each);
  if (hook == Hook::output && chance_.one_in(3))
    shot.mark = static_cast<std::uint32_t>(chance_.one_in(2) ? chance_.below(4) : chance_.number());
  if (hook != Hook::output && chance_.one_in(16)) {
    shot.packet_type = static_cast<std::uint8_t>(chance_.between(1, 2));
    if (chance_.one_in(2)) {
      if (family == Family::ipv4)
        shot.destination = shot.packet_type == 1
                               ? (chance_.one_in(2) ? 0xffffffff : address("10.1.255.255", family))
                               : address("224.0.0.1", family);
      else
        shot.packet_type = 2, read_address("ff02::1", family, shot.destination);
      if (family == Family::ipv4) {
        shot.destination = 0xffffffff;
        if (shot.packet_type == 2)
          read_address("224.0.0.1", family, shot.destination);
        else if (chance_.one_in(2))
          read_address("10.1.255.255", family, shot.destination);
      }
    }
  }
  return shot;
}

void RandomPackets::meet_member(Shot& shot, const std::string& type, const std::string& member,
                                const std::string& flags) {
  const auto kinds = pieces(type.substr(type.find(':') + 1), ',');
  const auto values = pieces(member, ',');
  const auto sides = pieces(flags, ',');
  for (std::size_t i = 0; i < kinds.size() && i < values.size(); ++i) {
    const bool source = i < sides.size() && sides[i] == "src";
    if (kinds[i] == "ip" || kinds[i] == "net")
      (source ? shot.source : shot.destination) = address(values[i], shot.family);
    if (kinds[i] == "port") {
      auto port = values[i];
      if (const auto colon = port.find(':'); colon != std::string::npos) {
        shot.protocol = protocol_in(port.substr(0, colon));
        port.erase(0, colon + 1);
      }
      (source ? shot.source_port : shot.destination_port) = port_in(port.substr(0, port.find('-')));
    }
    if (kinds[i] == "iface" && source && !shot.in.empty() && values[i] != "lo") shot.in = values[i];
    if (kinds[i] == "mark") shot.mark = static_cast<std::uint32_t>(number_in(values[i]));
    if (kinds[i] == "mac") meet(shot, "mac", {.name = "--mac-source", .values = {values[i]}});
  }
}

void RandomPackets::meet_set(Shot& shot, const Option& option) {
  if (option.values.size() < 2) return;
  const auto* set = &sets_[option.values[0]];
  if (set->first == "list:set" && !set->second.empty())
    set = &sets_[set->second[chance_.below(set->second.size())]];
  if (set->second.empty()) return;
  meet_member(shot, set->first, set->second[chance_.below(set->second.size())], option.values[1]);
}

void RandomPackets::meet(Shot& shot, const std::string& match, const Option& option) {
  const auto& name = option.name;
  const std::string value = option.values.empty() ? "" : option.values[0];
  const auto port_of = [&](const std::string& text) {
    const auto parts = pieces(text, ',');
    const auto ends = pieces(parts[chance_.below(parts.size())], ':');
    const auto low = port_in(ends[0]);
    const auto high = ends.size() > 1 ? (ends[1].empty() ? std::uint16_t{65535} : port_in(ends[1])) : low;
    return static_cast<std::uint16_t>(chance_.one_in(2)   ? low
                                      : chance_.one_in(2) ? high
                                                          : chance_.between(low, std::max(low, high)));
  };
  const auto in_range = [&](std::uint64_t most) {
    const auto ends = pieces(value, ':');
    const auto low = number_in(ends[0]);
    const auto high = ends.size() > 1 ? number_in(ends[1], most) : low;
    return chance_.one_in(2) ? low : high;
  };
  if (match == "conntrack" && name == "--ctorigsrc")
    shot.source = address(value, shot.family);
  else if (match == "conntrack" && name == "--ctorigdst")
    shot.destination = address(value, shot.family);
  else if (match == "conntrack" && name == "--ctorigdstport")
    shot.destination_port = port_of(value);
  else if (match == "conntrack" && name == "--ctorigsrcport")
    shot.source_port = port_of(value);
  else if (match == "conntrack" && name == "--ctproto")
    shot.protocol = protocol_in(value);
  else if (name == "--sport" || name == "--sports" || name == "--source-ports")
    shot.source_port = port_of(value);
  else if (name == "--dport" || name == "--dports" || name == "--destination-ports")
    shot.destination_port = port_of(value);
  else if (name == "--ports")
    (chance_.one_in(2) ? shot.source_port : shot.destination_port) = port_of(value);
  else if (name == "--src-range")
    shot.source = address(value, shot.family);
  else if (name == "--dst-range")
    shot.destination = address(value, shot.family);
  else if (name == "--syn")
    shot.tcp_flags = 2;
  else if (name == "--tcp-option")
    shot.tcp_options = {static_cast<std::uint8_t>(number_in(value) & 127)};
  else if (name == "--tcp-flags" && option.values.size() > 1) {
    static const std::map<std::string, std::uint8_t> kBits{{"FIN", 1}, {"SYN", 2},  {"RST", 4},
                                                           {"PSH", 8}, {"ACK", 16}, {"URG", 32}};
    const auto bits = [&](const std::string& text) {
      std::uint8_t out = text == "ALL" ? 63 : 0;
      for (const auto& word : pieces(text, ','))
        if (const auto bit = kBits.find(word); bit != kBits.end())
          out = static_cast<std::uint8_t>(out | bit->second);
      return out;
    };
    shot.tcp_flags =
        static_cast<std::uint8_t>((shot.tcp_flags & ~bits(option.values[0])) | bits(option.values[1]));
  } else if (name == "--icmp-type" || name == "--icmpv6-type") {
    static const std::map<std::string, std::uint8_t> kNames{
        {"echo-request", 8}, {"echo-reply", 0}, {"destination-unreachable", 3}, {"time-exceeded", 11}};
    const auto parts = pieces(value, '/');
    if (parts[0] == "any" || parts[0] == "255") return;
    if (parts[0] == "echo-request")
      shot.icmp_type = shot.family == Family::ipv4 ? 8 : 128;
    else if (const auto known = kNames.find(parts[0]); known != kNames.end())
      shot.icmp_type = known->second;
    else
      shot.icmp_type = static_cast<std::uint8_t>(number_in(parts[0]));
    if (parts.size() > 1) shot.icmp_code = static_cast<std::uint8_t>(number_in(parts[1]));
  } else if (match == "mark" && name == "--mark")
    shot.mark = static_cast<std::uint32_t>(number_in(value.substr(0, value.find('/'))));
  else if (name == "--mac-source") {
    const auto bytes = pieces(value, ':');
    for (std::size_t i = 0; i < 6 && i < bytes.size(); ++i)
      shot.mac[i] = static_cast<std::uint8_t>(std::strtoul(bytes[i].c_str(), nullptr, 16));
  } else if (name == "--pkt-type")
    shot.packet_type = value == "broadcast" ? 1 : value == "multicast" ? 2 : 0;
  else if (name == "--ttl-eq" || name == "--hl-eq")
    shot.ttl = static_cast<std::uint8_t>(number_in(value));
  else if (name == "--ttl-lt" || name == "--hl-lt")
    shot.ttl = static_cast<std::uint8_t>(number_in(value) - 1);
  else if (name == "--ttl-gt" || name == "--hl-gt")
    shot.ttl = static_cast<std::uint8_t>(number_in(value) + 1);
  else if (name == "--dscp")
    shot.tos = static_cast<std::uint8_t>(number_in(value) << 2 | chance_.below(4));
  else if (name == "--tos")
    shot.tos = static_cast<std::uint8_t>(number_in(value.substr(0, value.find('/'))));
  else if (name == "--length")
    shot.length = static_cast<std::uint16_t>(std::min<std::uint64_t>(in_range(65535), 1400));
  else if (name == "--match-set")
    meet_set(shot, option);
  else if (name == "--header")
    meet_headers(shot, value);
}

/// "hop-by-hop,ipv6-opts,protocol": the headers of that list, and often one less.
void RandomPackets::meet_headers(Shot& shot, const std::string& list) {
  shot.extensions.clear();
  const auto has = [&](const char* word) { return (',' + list).find(word) != std::string::npos; };
  const auto add = [&](std::uint8_t header) {
    if (!chance_.one_in(6)) shot.extensions.push_back(header);
  };
  if (has(",hop")) add(0);
  if (has(",dst") || has(",ipv6-opts")) add(60);
  if (has(",route") || has(",ipv6-route")) add(43);
}

void RandomPackets::meet(Shot& shot, const ParsedRule& rule) {
  for (const auto& option : rule.options) {
    const std::string value = option.values.empty() ? "" : option.values[0];
    if (option.negated && !chance_.one_in(4)) continue;
    if (option.name == "-p" && value != "all" && value != "0") shot.protocol = protocol_in(value);
    if (option.name == "-s") shot.source = address(value, shot.family);
    if (option.name == "-d") shot.destination = address(value, shot.family);
    if (option.name == "-i" && !shot.in.empty()) {
      for (const auto& link : lab_.links())
        if (link.name == value ||
            (value.ends_with('+') && link.name.starts_with(value.substr(0, value.size() - 1)) &&
             chance_.one_in(2)))
          shot.in = link.name == "lo" ? shot.in : link.name;
    }
    if (option.name == "-o" && !chance_.one_in(3)) {
      for (const auto& of : lab_.facts().interfaces)
        if (of.name == value && of.name != "lo")
          shot.destination = (shot.family == Family::ipv4 ? of.v4 : of.v6)[0] + chance_.between(1, 9);
    }
  }
  for (const auto& match : rule.matches) {
    if (match.name == "hbh") shot.extensions = {0};
    if (match.name == "dst") shot.extensions = {60};
    if (match.name == "rt") shot.extensions = {43};
    for (const auto& option : match.options)
      if (!option.negated || chance_.one_in(4)) meet(shot, match.name, option);
  }
}

void RandomPackets::miss(Shot& shot) {
  switch (chance_.below(9)) {
    case 0:
      shot.source_port = static_cast<std::uint16_t>(shot.source_port + (chance_.one_in(2) ? 1 : -1));
      break;
    case 1:
      shot.destination_port =
          static_cast<std::uint16_t>(shot.destination_port + (chance_.one_in(2) ? 1 : -1));
      break;
    case 2:
      shot.source ^= Number{1} << chance_.below(shot.family == Family::ipv4 ? 32 : 128);
      break;
    case 3:
      shot.destination ^= Number{1} << chance_.below(shot.family == Family::ipv4 ? 32 : 128);
      break;
    case 4:
      shot.ttl = static_cast<std::uint8_t>(shot.ttl + 1);
      break;
    case 5:
      ++shot.length;
      break;
    case 6:
      shot.mark ^= std::uint32_t{1} << chance_.below(32);
      break;
    case 7:
      shot.tos = static_cast<std::uint8_t>(shot.tos ^ 1U << chance_.below(8));
      break;
    default:
      shot.tcp_flags = static_cast<std::uint8_t>(shot.tcp_flags ^ 1U << chance_.below(6));
      break;
  }
}

void RandomPackets::aim(Shot& shot) {
  const auto& all = tables_[shot.family];
  if (all.empty()) return;
  const auto& [name, chains] = all[chance_.below(all.size())];
  std::vector<std::string> starts;
  if (shot.hook == Hook::input) starts = {"INPUT", "PREROUTING"};
  if (shot.hook == Hook::forward) starts = {"FORWARD", "PREROUTING", "POSTROUTING"};
  if (shot.hook == Hook::output) starts = {"OUTPUT", "POSTROUTING"};
  std::string at = starts[chance_.below(starts.size())];
  if (chance_.one_in(2)) at = starts[0];
  for (int depth = 0; depth < 12; ++depth) {
    const auto chain = chains.find(at);
    if (chain == chains.end() || chain->second.empty()) return;
    const auto* rule = &chain->second[chance_.below(chain->second.size())];
    for (int tries = 0; tries < 3 && !rule->rare; ++tries)
      rule = &chain->second[chance_.below(chain->second.size())];
    meet(shot, rule->words);
    const auto& target = rule->words.target;
    if (!target || !chains.contains(target->name)) return;
    at = target->name;
  }
}

void RandomPackets::settle(Shot& shot) {
  const bool four = shot.family == Family::ipv4;
  const auto& own = lab_.facts().interfaces;
  const auto on_link = [&] {
    return (four ? own[1 + chance_.below(4)].v4 : own[1 + chance_.below(4)].v6)[0] + chance_.between(2, 200);
  };
  const auto odd = [&](Number address) {
    if (four) return address >> 24 == 0 || address >> 24 == 127 || address >> 28 >= 14;
    return address >> 120 == 0xff || address >> 16 == 0 || address >> 118 == 0x3fa || address >> 96 == 0;
  };
  const bool to_all = shot.packet_type != 0 && (shot.destination >= 0xe0000000);
  if (odd(shot.source)) shot.source = on_link();
  bool wide = false;
  if (four)
    wide = shot.hook == Hook::input && shot.packet_type != 0 &&
           (shot.destination == 0xffffffff || shot.destination == 0xe0000001);
  else
    wide = shot.hook == Hook::input && to_all && shot.destination >> 112 == 0xff02 &&
           (shot.destination & greatest_number(112)) == 1;
  if (!wide && odd(shot.destination)) shot.destination = on_link();
  // The broadcast addresses of the networks, and their first: to this host, however they come.
  const auto broadcast = [&](Number address) {
    for (const auto& of : own)
      for (const auto& network : of.v4_networks)
        if (four && network.last - network.first > 1 && address == network.last) return true;
    return false;
  };
  if (broadcast(shot.source)) shot.source = on_link();
  if (broadcast(shot.destination) && !(shot.hook == Hook::input && chance_.one_in(2)))
    shot.destination = on_link();
  // The first address of an IPv6 network is the anycast address of its routers, which this host is.
  // That of an IPv4 network was a broadcast address before Linux 5.14.
  for (const auto& of : own)
    for (const auto& network : four ? of.v4_networks : of.v6_networks) {
      for (auto* address : {&shot.source, &shot.destination})
        if (*address == network.first) *address += 5;
    }
  const auto out = lab_.route(shot.destination, shot.family);
  const bool here = out == "lo" || wide || broadcast(shot.destination);
  if (!shot.in.empty()) shot.hook = here ? Hook::input : Hook::forward;
  shot.out = shot.hook == Hook::input ? "" : out;
  if (shot.hook == Hook::output && broadcast(shot.destination)) {
    shot.destination = on_link();
    shot.out = lab_.route(shot.destination, shot.family);
  }
  if (shot.in == "lo") shot.packet_type = 0;
  if (shot.hook == Hook::forward) shot.packet_type = 0;
  if (shot.hook == Hook::output) shot.packet_type = 0;
  if (wide && shot.packet_type == 0) shot.packet_type = 2;
  if (shot.hook != Hook::output) shot.mark = 0;
  if (shot.ttl < 4) shot.ttl = static_cast<std::uint8_t>(shot.ttl + 60);
  if (!four && (shot.protocol == 0 || shot.protocol == 43 || shot.protocol == 44 || shot.protocol == 50 ||
                shot.protocol == 51 || shot.protocol == 59 || shot.protocol == 60 || shot.protocol == 135 ||
                shot.protocol == 139 || shot.protocol == 140 || shot.protocol == 1))
    shot.protocol = 58;
  if (four && (shot.protocol == 58 || shot.protocol == 253 || shot.protocol == 0)) shot.protocol = 1;
  shot.tag = tag_ = static_cast<std::uint16_t>((tag_ % 32000) + 1);
  if (shot.length > 1400) shot.length = 1400;
  if (four) shot.extensions.clear();
  shot.in_fragments = !shot.in.empty() && shot.packet_type == 0 && chance_.one_in(20);
  if (shot.in_fragments && chance_.one_in(2))
    shot.length = static_cast<std::uint16_t>(chance_.between(140, 400));
}

Shot RandomPackets::next(Family family) {
  static constexpr Hook kHooks[] = {Hook::input, Hook::forward, Hook::output};
  auto shot = plain(family, kHooks[chance_.below(3)]);
  if (!chance_.one_in(6)) aim(shot);
  if (chance_.one_in(3)) miss(shot);
  if (chance_.one_in(25)) shot.bad_checksum = true;
  settle(shot);
  settle_state(shot);
  return shot;
}

Shot RandomPackets::first(Family family) {
  for (;;) {
    auto shot = next(family);
    shot.bad_checksum = false;
    if (shot.in == "lo" || shot.out == "lo" || shot.packet_type != 0) continue;
    if (lab_.route(shot.source, family) == "lo" && shot.hook != Hook::output) continue;
    if (shot.protocol == 6) shot.tcp_flags = 2;
    if (is_icmp(shot.protocol, family)) shot.icmp_type = family == Family::ipv4 ? 8 : 128, shot.icmp_code = 0;
    if (shot.protocol != 6 && shot.protocol != 17 && !is_icmp(shot.protocol, family)) continue;
    // A packet with the port 0 is no packet of a connection.
    if (has_ports(shot.protocol) && (shot.source_port == 0 || shot.destination_port == 0)) continue;
    // Whoever answers does it from where the packet went to.
    if (shot.hook == Hook::output && lab_.route(shot.source, family) != "lo") continue;
    if (shot.destination == 0xffffffff || shot.destination >> 28 == 14 ||
        (family == Family::ipv6 && shot.destination >> 120 == 0xff))
      continue;
    // Nor does anybody answer from the broadcast address of a network.
    if (std::ranges::any_of(lab_.facts().interfaces, [&](const HostFacts::Interface& of) {
          return family == Family::ipv4 &&
                 std::ranges::any_of(of.v4_networks, [&](const NumberRange& network) {
                   return shot.destination == network.last;
                 });
        }))
      continue;
    settle_state(shot);
    return shot;
  }
}

Shot RandomPackets::established(const Shot& first) {
  auto shot = plain(first.family, first.hook);
  aim(shot);
  if (chance_.one_in(4)) miss(shot);
  const bool reply = chance_.one_in(2);
  const auto& of = first.connection;
  shot.protocol = of.protocol;
  shot.source = reply ? of.reply_source : of.source;
  shot.destination = reply ? of.reply_destination : of.destination;
  shot.source_port = reply ? of.reply_source_port : of.source_port;
  shot.destination_port = reply ? of.reply_destination_port : of.destination_port;
  static constexpr std::uint8_t kFlags[] = {16, 16, 24, 48, 56};
  shot.tcp_flags = kFlags[chance_.below(std::size(kFlags))];
  if (is_icmp(shot.protocol, shot.family)) {
    shot.icmp_type =
        static_cast<std::uint8_t>(first.family == Family::ipv4 ? (reply ? 0 : 8) : (reply ? 129 : 128));
    shot.icmp_code = 0;
  }
  shot.hook = first.hook;
  shot.packet_type = 0;
  if (reply && first.hook == Hook::input) shot.hook = Hook::output;
  if (reply && first.hook == Hook::output) shot.hook = Hook::input;
  if (shot.hook == Hook::output)
    shot.in.clear();
  else if (shot.in.empty() || shot.in == "lo")
    shot.in = lab_.links()[chance_.between(1, lab_.links().size() - 1)].name;
  settle(shot);
  shot.connection = of;
  shot.state = ConnectionState::established;
  shot.reply = reply;
  return shot;
}

Shot RandomPackets::related(const Shot& first) {
  auto shot = plain(first.family, first.hook == Hook::output ? Hook::input : Hook::forward);
  aim(shot);
  const bool four = first.family == Family::ipv4;
  const auto& of = first.connection;
  shot.protocol = four ? 1 : 58;
  static constexpr std::uint8_t kTypes4[] = {3, 3, 11, 12};
  static constexpr std::uint8_t kTypes6[] = {1, 2, 3, 4};
  shot.icmp_type = four ? kTypes4[chance_.below(4)] : kTypes6[chance_.below(4)];
  shot.icmp_code = static_cast<std::uint8_t>(chance_.below(2));
  shot.packet_type = 0;
  shot.destination = of.source;
  if (shot.in.empty() || shot.in == "lo")
    shot.in = lab_.links()[chance_.between(1, lab_.links().size() - 1)].name;
  shot.hook = first.hook == Hook::output ? Hook::input : Hook::forward;
  auto about = first;
  shot.inner = bytes_of(about);
  settle(shot);
  shot.connection = of;
  shot.state = ConnectionState::related;
  shot.reply = true;
  return shot;
}

}  // namespace rewall::judge
