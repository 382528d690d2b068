#include <algorithm>
#include <array>
#include <span>

#include "analysis/packet_lines.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/symbols.h"

namespace rewall {
namespace {

/// "192.0.2.7", "192.0.2.7.22", "2001:db8::7.22".
struct TcpdumpEndpoint {
  LineAddress address{};
  std::optional<std::uint16_t> port{};
};

std::optional<TcpdumpEndpoint> read_endpoint(std::string_view text) {
  if (const auto address = read_line_address(text)) return TcpdumpEndpoint{.address = *address};
  const auto dot = text.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto address = read_line_address(text.substr(0, dot));
  const auto port = port_number(text.substr(dot + 1));
  if (!address || !port) return std::nullopt;
  return TcpdumpEndpoint{.address = *address, .port = port};
}

/// A line, cut at the `>` between the two ends.
struct TcpdumpParts {
  std::vector<std::string_view> before{};  // the words before the source
  std::string_view source{};
  std::string_view destination{};  // without its colon
  std::string after{};             // joined by blanks
};

std::string joined_words(std::span<const std::string_view> words) {
  std::string text;
  for (const auto word : words) text += (text.empty() ? "" : " ") + std::string(word);
  return text;
}

bool is_mac(std::string_view word) {
  return word.size() >= 17 && word.size() <= 18 && read_line_mac(word);
}

// With -e hardware addresses have a `>` between them too.
std::optional<TcpdumpParts> tcpdump_parts(const std::vector<std::string_view>& words) {
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    if (words[i] != ">" || is_mac(words[i - 1])) continue;
    TcpdumpParts parts{.before = {words.begin(), words.begin() + static_cast<std::ptrdiff_t>(i) - 1},
                       .source = words[i - 1],
                       .destination = words[i + 1],
                       .after = joined_words(std::span(words).subspan(i + 2))};
    if (parts.destination.ends_with(':')) parts.destination.remove_suffix(1);
    return parts;
  }
  return std::nullopt;
}

bool is_marker(std::string_view word) {
  return word == "IP" || word == "IP6" || word == "ethertype" || word == "ifindex";
}

// The number behind the words: 64 for "ttl" in "(tos 0x0, ttl 64, ...)".
std::optional<std::uint64_t> number_behind(std::string_view text, std::string_view words) {
  const auto at = text.find(words);
  if (at == std::string_view::npos) return std::nullopt;
  const auto rest = text.substr(at + words.size());
  return read_number(rest.substr(0, rest.find_first_of(" ,)|")));
}

void set_behind(LinePacket& out, Field field, std::string_view text, std::string_view words) {
  const auto number = number_behind(text, words);
  if (number && *number <= static_cast<std::uint64_t>(greatest_number(number_of_bits(field, Family::ipv4))))
    out.set(field, *number);
}

// What -v prints of the header: "(tos 0x0, ttl 64, id 8317, offset 0, flags [DF], proto UDP (17), length
// 33)", "(class 0xc0, flowlabel 0x3c707, hlim 64, next-header TCP (6) payload length: 40)".
void set_header(LinePacket& out, std::string_view text) {
  if (out.packet().family == Family::ipv4) {
    if (text.find("(tos ") == std::string_view::npos) return;
    set_behind(out, Field::tos, text, "(tos ");
    set_behind(out, Field::ttl, text, ", ttl ");
    if (const auto offset = number_behind(text, ", offset ")) out.set(Field::fragment, *offset == 0 ? 0 : 1);
    const auto proto = text.find(", proto ");
    if (proto == std::string_view::npos) return;
    set_behind(out, Field::protocol, text.substr(proto), " (");
    set_behind(out, Field::length, text.substr(proto), ", length ");
    return;
  }
  const auto hop_limit = number_behind(text, "hlim ");
  if (!hop_limit) return;
  out.set_number(Field::ttl, std::to_string(*hop_limit));
  const auto traffic_class = number_behind(text, "(class ");
  out.set(Field::tos, Number{traffic_class.value_or(0) & 0xff});
  if (const auto length = number_behind(text, "payload length: ")) {
    if (*length + 40 <= 65535) out.set(Field::length, *length + 40);
  }
  const auto next = text.find("next-header ");
  if (next == std::string_view::npos) return;
  const auto number = number_behind(text.substr(next), " (");
  // An extension header is not the upper layer.
  static constexpr std::array<std::uint64_t, 8> kExtensions = {0, 43, 44, 50, 51, 60, 135, 139};
  if (number && *number < 256 && std::ranges::find(kExtensions, *number) == kExtensions.end())
    out.set(Field::protocol, *number);
}

// "eth0  In  IP ...": the interface and the direction that `-i any` prints, and the source of -e.
void set_link(LinePacket& out, const std::vector<std::string_view>& words) {
  bool outwards = false;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const auto word = words[i];
    const bool known = word == "In" || word == "Out" || word == "M" || word == "B" || word == "P";
    if (!known || !(is_marker(words[i + 1]) || is_mac(words[i + 1]))) continue;
    outwards = word == "Out";
    if (outwards) out.packet().hook = Hook::output;
    if (word == "In") out.set(Field::packet_type, 0);
    if (word == "B") out.set(Field::packet_type, 1);
    if (word == "M") out.set(Field::packet_type, 2);
    // A time holds colons or is a number with a dot; no name of an interface is either.
    if (i > 0 && words[i - 1].find_first_not_of("0123456789.") != std::string_view::npos &&
        words[i - 1].find(':') == std::string_view::npos)
      out.set_interface(outwards ? Field::out_interface : Field::in_interface, words[i - 1]);
    break;
  }
  if (outwards) return;
  const auto mac = std::ranges::find_if(words, is_mac);
  if (mac != words.end()) out.set(Field::mac_source, *read_line_mac(*mac));
}

struct IcmpWords {
  std::string_view words;
  std::uint8_t type;
  int code;  // -1: the words do not tell
};

// print-icmp.c and print-icmp6.c of tcpdump; the longer words first.
constexpr auto kIcmpWords = std::to_array<IcmpWords>({
    {"echo request", 8, 0},
    {"echo reply", 0, 0},
    {"unreachable - need to frag", 3, 4},
    {"unreachable - source route failed", 3, 5},
    {"unreachable - admin prohibited filter", 3, 13},
    {"unreachable - ", 3, -1},
    {"protocol unreachable", 3, 2},
    {"time exceeded in-transit", 11, 0},
    {"ip reassembly time exceeded", 11, 1},
    {"router advertisement", 9, -1},
    {"router solicitation", 10, -1},
    {"source quench", 4, 0},
    {"redirect", 5, -1},
    {"parameter problem", 12, -1},
    {"time stamp query", 13, 0},
    {"time stamp reply", 14, 0},
    {"address mask request", 17, 0},
    {"address mask is", 18, 0},
});
constexpr auto kIcmp6Words = std::to_array<IcmpWords>({
    {"echo request", 128, 0},
    {"echo reply", 129, 0},
    {"unreachable route", 1, 0},
    {"unreachable prohibited", 1, 1},
    {"beyond scope", 1, 2},
    {"unreachable address", 1, 3},
    {"unreachable port", 1, 4},
    {"destination unreachable", 1, -1},
    {"packet too big", 2, 0},
    {"time exceeded in-transit", 3, 0},
    {"ip6 reassembly time exceeded", 3, 1},
    {"time exceeded", 3, -1},
    {"parameter problem", 4, -1},
    {"multicast listener query", 130, 0},
    {"multicast listener report v2", 143, 0},
    {"multicast listener report", 131, 0},
    {"multicast listener done", 132, 0},
    {"router solicitation", 133, 0},
    {"router advertisement", 134, 0},
    {"neighbor solicitation", 135, 0},
    {"neighbor advertisement", 136, 0},
    {"redirect", 137, 0},
});

void set_icmp(LinePacket& out, std::string_view text) {
  const auto set = [&out](const IcmpWords& words) {
    out.set(Field::icmp_type, words.type);
    if (words.code >= 0) out.set(Field::icmp_code, static_cast<Number>(words.code));
  };
  const bool six = out.packet().family == Family::ipv6;
  const std::span<const IcmpWords> table =
      six ? std::span<const IcmpWords>(kIcmp6Words) : std::span<const IcmpWords>(kIcmpWords);
  const auto found =
      std::ranges::find_if(table, [text](const auto& row) { return text.find(row.words) != text.npos; });
  if (found != table.end()) return set(*found);
  if (six || text.find(" unreachable") == std::string_view::npos) return;
  // "net ADDRESS unreachable", "host ADDRESS unreachable", "ADDRESS protocol 132 unreachable", "... port ..."
  int code = -1;
  if (text.starts_with("net ")) code = 0;
  if (text.starts_with("host ")) code = 1;
  if (text.find(" protocol ") != std::string_view::npos) code = 2;
  if (text.find(" port ") != std::string_view::npos) code = 3;
  set({"", 3, code});
}

// "Flags [S.]", "Flags [none]": the letters of print-tcp.c.
std::optional<std::uint8_t> read_flags(std::string_view text) {
  const auto letters = text.substr(0, text.find(']'));
  if (letters == "none") return 0;
  static constexpr std::array<std::pair<char, std::uint8_t>, 8> kLetters = {
      {{'F', 1}, {'S', 2}, {'R', 4}, {'P', 8}, {'.', 16}, {'U', 32}, {'E', 64}, {'W', 128}}};
  std::uint8_t flags = 0;
  for (const char letter : letters) {
    const auto found = std::ranges::find(kLetters, letter, [](const auto& row) { return row.first; });
    if (found != kLetters.end()) flags = static_cast<std::uint8_t>(flags | found->second);
  }
  return flags;
}

struct Beginning {
  std::string_view words;
  std::uint8_t protocol;
};
constexpr auto kBeginnings = std::to_array<Beginning>({{"Flags [", 6},
                                                       {"tcp ", 6},
                                                       {"UDP", 17},
                                                       {"ICMP6", 58},
                                                       {"ICMP ", 1},
                                                       {"sctp", 132},
                                                       {"DCCP", 33},
                                                       {"GREv", 47},
                                                       {"ESP(", 50},
                                                       {"AH(", 51},
                                                       {"IPComp(", 108},
                                                       {"igmp", 2},
                                                       {"OSPFv", 89},
                                                       {"PIMv", 103},
                                                       {"VRRPv", 112},
                                                       {"IP6 ", 41},
                                                       {"IP ", 4}});

// Cuts off what stands before the upper layer: names of extension headers, checksums in brackets.
std::string_view upper_layer(std::string_view text) {
  while (true) {
    text = trim(text);
    const auto first = text.substr(0, text.find(' '));
    if (text.starts_with('[') || text.starts_with('(')) {
      const auto end = text.find(text[0] == '[' ? ']' : ')');
      if (end == std::string_view::npos) return {};
      text.remove_prefix(end + 1);
    } else if (first == "HBH" || first == "DSTOPT" || first == "srcrt" || first == "frag") {
      text.remove_prefix(first.size());
    } else {
      return text;
    }
  }
}

// "frag (1448|112)" of IPv6: the offset, then the length; behind the first "39339 > 9998: UDP, ...".
void set_fragment(LinePacket& out, std::string_view& text) {
  const auto offset = number_behind(text, "frag (");
  if (!offset) return;
  out.set(Field::fragment, *offset == 0 ? 0 : 1);
  const auto words = line_words(text.substr(std::min(text.find(')'), text.size())));
  if (words.size() < 5 || words[2] != ">") return;
  const auto source = port_number(words[1]);
  const auto destination = port_number(words[3].substr(0, words[3].find(':')));
  if (!source || !destination) return;
  out.set(Field::source_port, *source);
  out.set(Field::destination_port, *destination);
  text = text.substr(static_cast<std::size_t>(words[4].data() - text.data()));
}

// What the words behind the addresses say of the upper layer.
void set_upper_layer(LinePacket& out, std::string_view text, bool ports) {
  set_fragment(out, text);
  text = upper_layer(text);
  const auto found =
      std::ranges::find_if(kBeginnings, [text](const auto& row) { return text.starts_with(row.words); });
  if (found != kBeginnings.end()) {
    out.set(Field::protocol, found->protocol);
    if (text.starts_with("Flags [")) {
      if (const auto flags = read_flags(text.substr(7))) out.set_tcp_flags(*flags);
    }
    if (found->protocol == 1) set_icmp(out, text.substr(5));
    if (found->protocol == 58) set_icmp(out, text);
    if (found->protocol == 1 || found->protocol == 58) out.set(Field::fragment, 0);
    return;
  }
  if (const auto number = number_behind(text, "ip-proto-"); number && *number < 256) {
    out.set(Field::protocol, *number);
    // tcpdump decodes these, but for a fragment behind the first.
    if (*number == 1 || *number == 6 || *number == 17) out.set(Field::fragment, 1);
    return;
  }
  // It prints the flags of TCP whatever the ports are; DNS and the like on UDP it decodes.
  if (ports && out.packet()[Field::protocol] == whole(Field::protocol, out.packet().family))
    out.set(Field::protocol, 17);
}

}  // namespace

bool is_tcpdump_line(std::string_view line) {
  const auto words = line_words(line);
  const auto parts = tcpdump_parts(words);
  if (!parts) return false;
  return read_endpoint(parts->source) || read_endpoint(parts->destination) ||
         std::ranges::any_of(parts->before, is_marker);
}

Result<Packet> read_tcpdump_line(std::string_view line) {
  const auto parts = tcpdump_parts(line_words(line));
  if (!parts) return error_of<messages::no_packet_line>(rewall::quoted(line));
  const auto source = read_endpoint(parts->source);
  if (!source) return error_of<messages::no_address_in_line>(rewall::quoted(parts->source));
  const auto destination = read_endpoint(parts->destination);
  if (!destination || destination->address.family != source->address.family)
    return error_of<messages::no_address_in_line>(rewall::quoted(parts->destination));
  LinePacket out(source->address.family, Hook::input);
  out.set(Field::source, source->address.number);
  out.set(Field::destination, destination->address.number);
  if (source->port) out.set(Field::source_port, *source->port);
  if (destination->port) out.set(Field::destination_port, *destination->port);
  if (source->port && destination->port) out.set(Field::fragment, 0);
  set_link(out, parts->before);
  set_header(out, joined_words(parts->before));
  set_upper_layer(out, parts->after, source->port && destination->port);
  return std::move(out.packet());
}

}  // namespace rewall
