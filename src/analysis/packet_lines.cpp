#include "analysis/packet_lines.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/messages.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/symbols.h"

namespace rewall {
namespace {

// "src=192.0.2.7" → the value, for the key "src".
std::optional<std::string_view> line_value(std::string_view word, std::string_view key) {
  if (word.size() <= key.size() || !word.starts_with(key) || word[key.size()] != '=') return std::nullopt;
  return word.substr(key.size() + 1);
}

bool is_decimal(std::string_view word) {
  return !word.empty() && std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

Error not_a_line(std::string_view line) {
  return error_of<messages::no_packet_line>(rewall::quoted(line));
}

// --- conntrack -L, and /proc/net/nf_conntrack

/// One direction of a connection.
struct ConnectionTuple {
  std::optional<LineAddress> source{};
  std::optional<LineAddress> destination{};
  std::string_view source_port{};
  std::string_view destination_port{};
  std::string_view type{};
  std::string_view code{};
};

// [EVENT] [ipv4 2] NAME NUMBER [SECONDS] [STATE] src=...: the number behind the name is the protocol.
std::optional<std::string_view> conntrack_protocol(const std::vector<std::string_view>& words) {
  bool bracket = false;
  for (std::size_t i = 0; i + 1 < words.size() && !line_value(words[i], "src"); ++i) {
    bracket = bracket || words[i].starts_with('[');
    const bool inside = bracket;
    if (words[i].ends_with(']')) bracket = false;
    if (inside || is_decimal(words[i]) || words[i] == "ipv4" || words[i] == "ipv6") continue;
    if (is_decimal(words[i + 1])) return words[i + 1];
    return std::nullopt;
  }
  return std::nullopt;
}

bool is_conntrack_line(const std::vector<std::string_view>& words) {
  bool source = false;
  bool destination = false;
  for (const auto word : words) {
    source = source || line_value(word, "src");
    destination = destination || line_value(word, "dst");
  }
  return source && destination && conntrack_protocol(words);
}

std::vector<ConnectionTuple> tuples_of(const std::vector<std::string_view>& words) {
  std::vector<ConnectionTuple> tuples;
  for (const auto word : words) {
    if (const auto source = line_value(word, "src")) {
      tuples.emplace_back();
      tuples.back().source = read_line_address(*source);
    }
    if (tuples.empty()) continue;
    auto& tuple = tuples.back();
    if (const auto value = line_value(word, "dst")) tuple.destination = read_line_address(*value);
    if (const auto value = line_value(word, "sport")) tuple.source_port = *value;
    if (const auto value = line_value(word, "dport")) tuple.destination_port = *value;
    if (const auto value = line_value(word, "type")) tuple.type = *value;
    if (const auto value = line_value(word, "code")) tuple.code = *value;
  }
  return tuples;
}

// The next packet of the connection, in the direction of its first one.
Result<Packet> read_conntrack_line(std::string_view line) {
  const auto words = line_words(line);
  const auto tuples = tuples_of(words);
  const auto protocol = conntrack_protocol(words);
  if (tuples.size() != 2 || !protocol) return not_a_line(line);
  const auto& there = tuples[0];
  const auto& back = tuples[1];
  if (!there.source || !there.destination || !back.source || !back.destination) return not_a_line(line);
  LinePacket out(there.source->family, Hook::input);
  out.set_number(Field::protocol, *protocol);
  for (const auto field : {Field::source, Field::original_source}) out.set(field, there.source->number);
  for (const auto field : {Field::destination, Field::original_destination})
    out.set(field, there.destination->number);
  for (const auto field : {Field::source_port, Field::original_source_port})
    out.set_number(field, there.source_port);
  for (const auto field : {Field::destination_port, Field::original_destination_port})
    out.set_number(field, there.destination_port);
  out.set(Field::reply_source, back.source->number);
  out.set(Field::reply_destination, back.destination->number);
  out.set_number(Field::reply_source_port, back.source_port);
  out.set_number(Field::reply_destination_port, back.destination_port);
  out.set_number(Field::icmp_type, there.type);
  out.set_number(Field::icmp_code, there.code);
  out.set(Field::direction, 0);
  // Connection tracking puts fragments together first.
  out.set(Field::fragment, 0);

  const bool replied = std::ranges::find(words, "[UNREPLIED]") == words.end();
  out.set(Field::state, static_cast<Number>(replied ? ConnectionState::established : ConnectionState::fresh));
  Number status = confirmed;
  if (replied) status |= seen_reply;
  if (std::ranges::find(words, "[ASSURED]") != words.end()) status |= assured;
  if (there.source->number != back.destination->number || there.source_port != back.destination_port)
    status |= snat;
  if (there.destination->number != back.source->number || there.destination_port != back.source_port)
    status |= dnat;
  // No line tells whether a helper expected the connection.
  out.set(Field::status, NumberSet::range(status, status | expected));
  for (const auto word : words)
    if (const auto mark = line_value(word, "mark")) out.set_number(Field::connection_mark, *mark);
  return std::move(out.packet());
}

// --- the LOG target (nf_log_syslog.c of the kernel)

// The place of "IN=NAME OUT=NAME " in the line; npos where there is none.
std::size_t begin_of_log(std::string_view line) {
  for (auto at = line.find("IN="); at != std::string_view::npos; at = line.find("IN=", at + 1)) {
    const auto end = line.find(' ', at);
    if (end != std::string_view::npos && line.substr(end + 1).starts_with("OUT=") &&
        line.find(" SRC=", end) != std::string_view::npos)
      return at;
  }
  return std::string_view::npos;
}

// The line without what an ICMP error quotes of another packet.
std::string without_quotation(std::string_view line) {
  std::string out(line);
  const auto begin = out.find(" [SRC=");
  const auto end = out.rfind(']');
  if (begin != std::string::npos)
    out.erase(begin, end == std::string::npos || end < begin ? end : end + 1 - begin);
  return out;
}

Hook log_hook(std::string_view in, std::string_view out) {
  if (in.empty()) return Hook::output;
  return out.empty() ? Hook::input : Hook::forward;
}

std::optional<std::uint8_t> flag_of_log(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, std::uint8_t>, 8> kFlags = {
      {{"FIN", 1}, {"SYN", 2}, {"RST", 4}, {"PSH", 8}, {"ACK", 16}, {"URG", 32}, {"ECE", 64}, {"CWR", 128}}};
  for (const auto& [name, bit] : kFlags)
    if (name == word) return bit;
  return std::nullopt;
}

void set_log_protocol(LinePacket& out, std::string_view name) {
  const auto protocol = protocol_number(name);
  if (protocol) out.set(Field::protocol, *protocol);
}

// TOS and PREC are parts of one byte, of which the lowest bit is in neither.
void set_log_tos(LinePacket& out, const std::vector<std::string_view>& words) {
  std::optional<std::uint64_t> tos;
  std::optional<std::uint64_t> precedence;
  for (const auto word : words) {
    if (const auto value = line_value(word, "TOS")) tos = read_number(*value, 0x1e);
    if (const auto value = line_value(word, "PREC")) precedence = read_number(*value, 0xe0);
  }
  if (tos && precedence) out.set(Field::tos, NumberSet::range(*tos | *precedence, *tos | *precedence | 1));
}

void set_log_mac(LinePacket& out, const std::vector<std::string_view>& words) {
  for (const auto word : words) {
    if (const auto value = line_value(word, "MAC"); value && value->size() == 14 * 3 - 1) {
      if (const auto mac = read_line_mac(value->substr(6 * 3))) out.set(Field::mac_source, *mac);
    }
    if (const auto value = line_value(word, "MACSRC")) {
      if (const auto mac = read_line_mac(*value)) out.set(Field::mac_source, *mac);
    }
  }
}

void set_log_flags(LinePacket& out, const std::vector<std::string_view>& words) {
  std::uint8_t flags = 0;
  const auto begin = std::ranges::find_if(words, [](auto word) { return word.starts_with("WINDOW="); });
  const auto end = std::ranges::find_if(words, [](auto word) { return word.starts_with("URGP="); });
  if (begin == words.end() || end == words.end() || end < begin) return;
  for (auto word = begin; word != end; ++word)
    if (const auto flag = flag_of_log(*word)) flags = static_cast<std::uint8_t>(flags | *flag);
  out.set_tcp_flags(flags);
}

// The first of each key counts: UDP has a LEN of its own behind that of the packet.
void set_log_numbers(LinePacket& out, const std::vector<std::string_view>& words) {
  struct Key {
    std::string_view name;
    Field field;
    bool seen = false;
  };
  std::array<Key, 9> keys = {{{"LEN", Field::length},
                              {"TC", Field::tos},
                              {"TTL", Field::ttl},
                              {"HOPLIMIT", Field::ttl},
                              {"SPT", Field::source_port},
                              {"DPT", Field::destination_port},
                              {"TYPE", Field::icmp_type},
                              {"CODE", Field::icmp_code},
                              {"MARK", Field::mark}}};
  for (const auto word : words) {
    for (auto& key : keys) {
      const auto value = line_value(word, key.name);
      if (!value || key.seen) continue;
      key.seen = true;
      out.set_number(key.field, *value);
    }
    if (word.starts_with("FRAG:")) out.set(Field::fragment, word.substr(5) == "0" ? 0 : 1);
  }
}

Result<Packet> read_log_line(std::string_view whole_line) {
  const auto line = without_quotation(whole_line.substr(begin_of_log(whole_line)));
  const auto words = line_words(line);
  const auto text_of = [&words](std::string_view key) {
    for (const auto word : words)
      if (word.starts_with(key) && word.substr(key.size()).starts_with('='))
        return word.substr(key.size() + 1);
    return std::string_view();
  };
  const auto in = text_of("IN");
  const auto out_by = text_of("OUT");
  const auto source = read_line_address(text_of("SRC"));
  const auto destination = read_line_address(text_of("DST"));
  if (!source || !destination || source->family != destination->family) return not_a_line(whole_line);
  LinePacket out(source->family, log_hook(in, out_by));
  out.set(Field::source, source->number);
  out.set(Field::destination, destination->number);
  out.set_interface(Field::in_interface, in);
  out.set_interface(Field::out_interface, out_by);
  out.set_interface(Field::bridge_in, text_of("PHYSIN"));
  out.set_interface(Field::bridge_out, text_of("PHYSOUT"));
  set_log_protocol(out, text_of("PROTO"));
  set_log_tos(out, words);
  set_log_mac(out, words);
  set_log_numbers(out, words);
  set_log_flags(out, words);
  // A mark of 0 is not printed; neither is an offset of 0.
  if (text_of("MARK").empty()) out.set(Field::mark, 0);
  if (line.find(" FRAG:") == std::string::npos) out.set(Field::fragment, 0);
  return std::move(out.packet());
}

}  // namespace

void LinePacket::set_number(Field field, std::string_view text) {
  const auto bits = number_of_bits(field, packet_.family);
  const auto number = read_number(text, static_cast<std::uint64_t>(greatest_number(std::min(bits, 64U))));
  if (number) set(field, *number);
}

void LinePacket::set_interface(Field field, std::string_view name) {
  if (!name.empty() && name.size() <= 15) set(field, interface_number(name));
}

void LinePacket::set_tcp_flags(std::uint8_t flags) {
  set(Field::tcp_flags, flags);
  if ((flags & 0x3f) == 0x02) set(Field::state, static_cast<Number>(ConnectionState::fresh));
}

std::optional<LineAddress> read_line_address(std::string_view text) {
  const std::string copy(text);
  std::array<std::uint8_t, 16> bits{};
  if (inet_pton(AF_INET, copy.c_str(), bits.data()) == 1)
    return LineAddress{Family::ipv4, address_number(bits, Family::ipv4)};
  if (inet_pton(AF_INET6, copy.c_str(), bits.data()) == 1)
    return LineAddress{Family::ipv6, address_number(bits, Family::ipv6)};
  return std::nullopt;
}

std::optional<Number> read_line_mac(std::string_view text) {
  Number mac = 0;
  for (std::size_t i = 0; i < 6; ++i, text.remove_prefix(std::min<std::size_t>(3, text.size()))) {
    std::uint8_t byte = 0;
    if (text.size() < 2 || std::from_chars(text.data(), text.data() + 2, byte, 16).ptr != text.data() + 2)
      return std::nullopt;
    if (i < 5 && (text.size() < 3 || text[2] != ':')) return std::nullopt;
    mac = (mac << 8) | byte;
  }
  return mac;
}

std::vector<std::string_view> line_words(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBlanks = " \t\r\n";
  for (auto at = line.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const auto end = std::min(line.find_first_of(kBlanks, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

bool is_packet_line(std::string_view text) {
  return begin_of_log(text) != std::string_view::npos || is_conntrack_line(line_words(text)) ||
         is_tcpdump_line(text);
}

Result<Packet> read_packet_line(std::string_view line) {
  if (begin_of_log(line) != std::string_view::npos) return read_log_line(line);
  if (is_conntrack_line(line_words(line))) return read_conntrack_line(line);
  if (is_tcpdump_line(line)) return read_tcpdump_line(line);
  return not_a_line(line);
}

}  // namespace rewall
