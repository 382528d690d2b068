#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/packet.h"

namespace rewall::judge {

/// The connection that a packet belongs to, as connection tracking has it before the packet.
struct Connection {
  Number source = 0;  ///< of the first packet, before NAT
  Number destination = 0;
  std::uint16_t source_port = 0;  ///< of icmp: the id
  std::uint16_t destination_port = 0;
  Number reply_source = 0;  ///< of the packets that answer
  Number reply_destination = 0;
  std::uint16_t reply_source_port = 0;
  std::uint16_t reply_destination_port = 0;
  std::uint8_t protocol = 0;
  std::uint8_t status = 0;  ///< of StatusBit
  std::uint32_t mark = 0;
};

/// A packet to send, and all that the kernel will know of it.
struct Shot {
  Family family = Family::ipv4;
  Hook hook = Hook::input;
  std::string in{};   ///< empty for OUTPUT
  std::string out{};  ///< empty for INPUT
  Number source = 0;
  Number destination = 0;
  std::uint8_t protocol = 6;
  std::uint16_t source_port = 40000;
  std::uint16_t destination_port = 80;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  std::uint16_t icmp_id = 0;  ///< 0: that of the connection
  std::uint8_t tcp_flags = 2;
  std::vector<std::uint8_t> tcp_options{};  ///< kinds
  std::uint8_t ttl = 64;
  std::uint8_t tos = 0;
  std::uint16_t length = 0;  ///< of layer 3; raised to what the headers need
  std::array<std::uint8_t, 6> mac{2, 0, 0, 0, 9, 9};
  std::uint8_t packet_type = 0;
  std::uint32_t mark = 0;  ///< of OUTPUT
  bool bad_checksum = false;
  bool in_fragments = false;  ///< two, which connection tracking puts together; not of OUTPUT
  /// Extension headers of IPv6, the first one first: 0 hop-by-hop, 60 destination options, 43 routing.
  std::vector<std::uint8_t> extensions{};
  std::string inner{};  ///< of an ICMP error: the packet that it is about
  std::uint16_t tag = 0;
  bool go = false;  ///< leaves the host, and its connection is confirmed
  ConnectionState state = ConnectionState::fresh;
  bool reply = false;
  Connection connection{};
};

bool has_ports(std::uint8_t protocol);
bool is_icmp(std::uint8_t protocol, Family family);

/// Layer 3 and all above it. Sets shot.length.
std::string bytes_of(Shot& shot);

/// The same in two fragments; in one where the packet is too short.
std::vector<std::string> fragments_of(const std::string& bytes);

/// What the model is asked.
Packet packet_of(const Shot& shot);

/// What the bytes say.
struct Seen {
  Family family = Family::ipv4;
  Number source = 0;
  Number destination = 0;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint16_t icmp_id = 0;
  std::uint8_t type = 0;  ///< of icmp
  std::uint8_t code = 0;
  std::uint8_t tcp_flags = 0;
  std::uint8_t ttl = 0;
  std::uint8_t tos = 0;
  std::uint16_t tag = 0;
};
std::optional<Seen> read_bytes(std::string_view bytes);

/// One line for people.
std::string words_of(const Shot& shot);

}  // namespace rewall::judge
