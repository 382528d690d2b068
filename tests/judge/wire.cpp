#include "judge/wire.h"

#include <algorithm>
#include <cstddef>

namespace rewall::judge {

namespace {

using std::uint16_t;
using std::uint32_t;
using std::uint8_t;

void put(std::string& out, Number value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i)
    out += static_cast<char>(i < 16 ? static_cast<uint8_t>(value >> (8 * i)) : 0);
}

Number get(std::string_view bytes, std::size_t at, int count) {
  Number value = 0;
  for (int i = 0; i < count; ++i)
    value = value << 8 | static_cast<uint8_t>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

void set16(std::string& bytes, std::size_t at, uint16_t value) {
  bytes[at] = static_cast<char>(value >> 8);
  bytes[at + 1] = static_cast<char>(value & 0xff);
}

uint16_t sum16(std::string_view bytes, uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += static_cast<uint32_t>(static_cast<uint8_t>(bytes[i])) << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}

/// The options of TCP, filled up with the kind 1.
std::string options_of(const Shot& shot) {
  std::string options;
  for (const auto kind : shot.tcp_options) {
    if (options.size() > 32) break;
    switch (kind) {
      case 0:
      case 1:
        options += '\1';
        break;
      case 2:
        options += std::string("\2\4\5\xb4", 4);
        break;
      case 3:
        options += std::string("\3\3\7", 3);
        break;
      case 4:
        options += std::string("\4\2", 2);
        break;
      default:
        options += static_cast<char>(kind), options += '\2';
    }
  }
  while (options.size() % 4 != 0) options += '\1';
  return options;
}

std::string tcp(const Shot& shot) {
  const auto options = options_of(shot);
  std::string out;
  put(out, shot.source_port, 2);
  put(out, shot.destination_port, 2);
  put(out, 1000, 4);
  put(out, (shot.tcp_flags & 16) != 0 ? 1001 : 0, 4);
  put(out, (5 + options.size() / 4) << 4, 1);
  put(out, shot.tcp_flags, 1);
  put(out, 8192, 2);
  put(out, 0, 4);
  return out + options;
}

/// The header of layer 4 without its checksum, and where that stands; npos for none.
std::pair<std::string, std::size_t> header(const Shot& shot) {
  std::string out;
  if (is_icmp(shot.protocol, shot.family)) {
    put(out, shot.icmp_type, 1);
    put(out, shot.icmp_code, 1);
    put(out, 0, 2);
    // An error has no id; what the tag would say there could be a pointer or an MTU.
    put(out, !shot.inner.empty() ? 0 : shot.icmp_id != 0 ? shot.icmp_id : shot.connection.source_port, 2);
    put(out, 0, 2);
    return {out + shot.inner, 2};
  }
  switch (shot.protocol) {
    case 6:
      return {tcp(shot), 16};
    case 17:
    case 136:
      put(out, shot.source_port, 2);
      put(out, shot.destination_port, 2);
      put(out, 0, 4);
      return {out, 6};
    case 33:  // dccp: a request
      put(out, shot.source_port, 2);
      put(out, shot.destination_port, 2);
      put(out, 0x05000000, 4);
      put(out, 0x01000000, 4);
      put(out, 1000, 4);
      put(out, 0, 4);
      return {out, 6};
    case 132:  // sctp: INIT, or DATA
      put(out, shot.source_port, 2);
      put(out, shot.destination_port, 2);
      put(out, 0, 8);
      put(out, 0x01000014, 4);
      put(out, 0x01020304, 4);
      put(out, 0x00010000, 4);
      put(out, 0x000a000a, 4);
      put(out, 0x00000001, 4);
      return {out, 8};
    case 47:
      put(out, 0x0800, 4), put(out, 0, 8);
      return {out, std::string::npos};
    default:
      put(out, 0, 24);
      return {out, std::string::npos};
  }
}

}  // namespace

bool has_ports(uint8_t protocol) {
  return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
}

bool is_icmp(uint8_t protocol, Family family) {
  return protocol == (family == Family::ipv4 ? 1 : 58);
}

std::string bytes_of(Shot& shot) {
  const bool four = shot.family == Family::ipv4;
  const std::size_t front = four ? 20 : 40 + 8 * shot.extensions.size();
  auto [layer4, checksum] = header(shot);
  if (shot.protocol != 132 || shot.length > front + layer4.size() + 16)
    while (front + layer4.size() < shot.length) layer4 += '\0';
  if (shot.protocol == 132 && layer4.size() > 32) layer4.resize(32);
  shot.length = static_cast<uint16_t>(front + layer4.size());
  std::string pseudo;
  put(pseudo, shot.source, four ? 4 : 16);
  put(pseudo, shot.destination, four ? 4 : 16);
  put(pseudo, shot.protocol, four ? 2 : 4);
  if (shot.protocol == 17 || shot.protocol == 136)
    set16(layer4, 4, shot.protocol == 17 ? static_cast<uint16_t>(layer4.size()) : 0);
  put(pseudo, layer4.size(), four ? 2 : 4);
  if (shot.protocol == 132) {
    const uint32_t crc = crc32c(layer4);
    for (int i = 0; i < 4; ++i)
      layer4[8 + static_cast<std::size_t>(i)] = static_cast<char>(crc >> (8 * i) & 0xff);
  } else if (checksum != std::string::npos) {
    const bool plain = shot.protocol == 1 && four;
    auto sum = sum16(plain ? layer4 : pseudo + layer4);
    if (sum == 0) sum = 0xffff;
    set16(layer4, checksum, sum);
  }
  if (shot.bad_checksum && checksum != std::string::npos)
    layer4[checksum] = static_cast<char>(layer4[checksum] ^ 0x55);
  // The tag, and in its lowest bit whether the packet may leave: in the id, or the flow label.
  const auto tag = static_cast<uint16_t>(shot.tag << 1 | (shot.go ? 1 : 0));
  std::string out;
  if (four) {
    put(out, 0x45, 1);
    put(out, shot.tos, 1);
    put(out, shot.length, 2);
    put(out, tag, 2);
    put(out, 0, 2);
    put(out, shot.ttl, 1);
    put(out, shot.protocol, 1);
    put(out, 0, 2);
    put(out, shot.source, 4);
    put(out, shot.destination, 4);
    set16(out, 10, sum16(out));
  } else {
    put(out, Number{6} << 28 | Number{shot.tos} << 20 | tag, 4);
    put(out, front - 40 + layer4.size(), 2);
    put(out, shot.extensions.empty() ? shot.protocol : shot.extensions[0], 1);
    put(out, shot.ttl, 1);
    put(out, shot.source, 16);
    put(out, shot.destination, 16);
    for (std::size_t i = 0; i < shot.extensions.size(); ++i) {
      put(out, i + 1 < shot.extensions.size() ? shot.extensions[i + 1] : shot.protocol, 1);
      put(out, 0, 1);
      // Options: PadN. A routing header of type 2 with no segment left.
      put(out, shot.extensions[i] == 43 ? 0x020000000000 : 0x010400000000, 6);
    }
  }
  return out + layer4;
}

std::vector<std::string> fragments_of(const std::string& bytes) {
  constexpr std::size_t kFirst = 64;  // with all headers of layer 4 (RFC 8200, 4.5)
  const bool four = (static_cast<uint8_t>(bytes[0]) >> 4) == 4;
  const std::size_t front = four ? 20 : 40;
  if (bytes.size() < front + kFirst + 8) return {bytes};
  std::vector<std::string> out;
  for (const bool last : {false, true}) {
    const auto part = last ? bytes.substr(front + kFirst) : bytes.substr(front, kFirst);
    auto head = bytes.substr(0, front);
    if (four) {
      set16(head, 2, static_cast<uint16_t>(front + part.size()));
      set16(head, 6, last ? kFirst / 8 : 0x2000);
      set16(head, 10, 0);
      set16(head, 10, sum16(head));
    } else {
      set16(head, 4, static_cast<uint16_t>(8 + part.size()));
      put(head, static_cast<uint8_t>(head[6]), 1);
      head[6] = 44;
      put(head, 0, 1);
      put(head, last ? kFirst : 1, 2);
      put(head, get(bytes, 0, 4), 4);
    }
    out.push_back(head + part);
  }
  return out;
}

Packet packet_of(const Shot& shot) {
  const auto hook = shot.hook;
  auto packet = any_packet(shot.family, hook);
  const auto set = [&](Field field, Number value) { packet[field] = NumberSet::one(value); };
  set(Field::in_interface, shot.in.empty() ? 0 : interface_number(shot.in));
  set(Field::out_interface, shot.out.empty() ? 0 : interface_number(shot.out));
  set(Field::source, shot.source);
  set(Field::destination, shot.destination);
  set(Field::protocol, shot.protocol);
  if (has_ports(shot.protocol)) {
    set(Field::source_port, shot.source_port);
    set(Field::destination_port, shot.destination_port);
  }
  if (is_icmp(shot.protocol, shot.family)) {
    set(Field::icmp_type, shot.icmp_type);
    set(Field::icmp_code, shot.icmp_code);
  }
  if (shot.protocol == 6) {
    set(Field::tcp_flags, shot.tcp_flags);
    Number options = 0;
    const auto bytes = options_of(shot);
    for (std::size_t i = 0; i < bytes.size();
         i += bytes[i] == 1 ? 1U : static_cast<unsigned char>(bytes[i + 1]))
      options |= Number{1} << static_cast<unsigned char>(bytes[i]);
    set(Field::tcp_option, options);
  }
  set(Field::fragment, 0);
  Number extensions = 0;
  for (const auto header : shot.extensions) extensions |= header == 0 ? 128 : header == 60 ? 64 : 32;
  set(Field::extensions, extensions);
  set(Field::bridge_in, 0);
  set(Field::bridge_out, 0);
  set(Field::ttl, shot.ttl);
  set(Field::tos, shot.tos);
  set(Field::length, shot.length);
  if (!shot.in.empty() && shot.in != "lo") {
    Number mac = 0;
    for (const auto byte : shot.mac) mac = mac << 8 | byte;
    set(Field::mac_source, mac);
  }
  if (hook != Hook::output) set(Field::packet_type, shot.packet_type);
  set(Field::state, static_cast<Number>(shot.state));
  set(Field::mark, shot.mark);
  if (shot.state == ConnectionState::invalid || shot.state == ConnectionState::untracked) return packet;
  const auto& of = shot.connection;
  set(Field::status, of.status);
  set(Field::direction, shot.reply ? 1 : 0);
  set(Field::connection_mark, of.mark);
  set(Field::original_source, of.source);
  set(Field::original_destination, of.destination);
  set(Field::reply_source, of.reply_source);
  set(Field::reply_destination, of.reply_destination);
  if (has_ports(of.protocol)) {
    set(Field::original_source_port, of.source_port);
    set(Field::original_destination_port, of.destination_port);
    set(Field::reply_source_port, of.reply_source_port);
    set(Field::reply_destination_port, of.reply_destination_port);
  }
  return packet;
}

std::optional<Seen> read_bytes(std::string_view bytes) {
  Seen seen;
  if (bytes.size() < 20) return {};
  std::size_t layer4 = 0;
  if ((static_cast<uint8_t>(bytes[0]) >> 4) == 4) {
    layer4 = 4 * (static_cast<std::size_t>(bytes[0]) & 15);
    seen.tos = static_cast<uint8_t>(bytes[1]);
    seen.tag = static_cast<uint16_t>(get(bytes, 4, 2) >> 1);
    seen.ttl = static_cast<uint8_t>(bytes[8]);
    seen.protocol = static_cast<uint8_t>(bytes[9]);
    seen.source = get(bytes, 12, 4);
    seen.destination = get(bytes, 16, 4);
  } else {
    if (bytes.size() < 40) return {};
    seen.family = Family::ipv6;
    layer4 = 40;
    seen.tos = static_cast<uint8_t>(get(bytes, 0, 2) >> 4 & 0xff);
    seen.tag = static_cast<uint16_t>(get(bytes, 2, 2) >> 1);
    seen.protocol = static_cast<uint8_t>(bytes[6]);
    seen.ttl = static_cast<uint8_t>(bytes[7]);
    seen.source = get(bytes, 8, 16);
    seen.destination = get(bytes, 24, 16);
    while ((seen.protocol == 0 || seen.protocol == 43 || seen.protocol == 60) && bytes.size() >= layer4 + 8) {
      seen.protocol = static_cast<uint8_t>(bytes[layer4]);
      layer4 += 8;
    }
  }
  if (bytes.size() < layer4 + 4) return seen;
  if (has_ports(seen.protocol)) {
    seen.source_port = static_cast<uint16_t>(get(bytes, layer4, 2));
    seen.destination_port = static_cast<uint16_t>(get(bytes, layer4 + 2, 2));
  }
  if (seen.protocol == 6 && bytes.size() > layer4 + 13)
    seen.tcp_flags = static_cast<uint8_t>(bytes[layer4 + 13]);
  if (is_icmp(seen.protocol, seen.family)) {
    seen.type = static_cast<uint8_t>(bytes[layer4]);
    seen.code = static_cast<uint8_t>(bytes[layer4 + 1]);
    if (bytes.size() >= layer4 + 6) seen.icmp_id = static_cast<uint16_t>(get(bytes, layer4 + 4, 2));
  }
  return seen;
}

std::string words_of(const Shot& shot) {
  return packet_words(packet_of(shot));
}

}  // namespace rewall::judge
