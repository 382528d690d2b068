#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/number_set.h"
#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// Where netfilter looks at packets (enum nf_inet_hooks of linux/netfilter.h).
enum class Hook : std::uint8_t { prerouting, input, forward, output, postrouting };
std::string_view name(Hook hook);  ///< "PREROUTING", "INPUT", ...
/// The hook of that name, in any case.
std::optional<Hook> read_hook(std::string_view name);

/// What a packet can be asked for. Each is a number; number_of_bits() says of how many bits.
enum class Field : std::uint8_t {
  in_interface,   ///< interface_number() of the name; 0 for none
  out_interface,  ///< the same
  bridge_in,      ///< physdev: the port of the bridge that the packet came in by; 0 for none
  bridge_out,
  in_group,  ///< devgroup: the group of the interface
  out_group,
  source,  ///< an address of 32 or 128 bits, as a number in the order of the network
  destination,
  protocol,     ///< of IPv6: that of the upper layer
  source_port,  ///< tcp, udp, udplite, sctp, dccp
  destination_port,
  icmp_type,  ///< icmp and icmpv6
  icmp_code,
  tcp_flags,   ///< FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32 (the byte of the header)
  tcp_option,  ///< unused by most: a bit for each kind of option below 128
  fragment,    ///< 1 for a fragment behind the first
  extensions,  ///< ipv6header: the bits of the extension headers that the packet has (ip6t_ipv6header.h)
  ttl,         ///< time to live, or hop limit
  tos,         ///< the byte of the type of service or traffic class; the upper six bits are the DSCP
  length,      ///< of the packet at layer 3, in bytes
  mac_source,
  packet_type,      ///< pkttype: 0 unicast, 1 broadcast, 2 multicast (PACKET_HOST, ... of if_packet.h)
  state,            ///< of the connection: a number of ConnectionState
  status,           ///< of the connection: bits of StatusBit
  direction,        ///< 0 original, 1 reply
  original_source,  ///< of the connection's first packet (ctorigsrc), as the packet had it before NAT
  original_destination,
  original_source_port,
  original_destination_port,
  reply_source,  ///< of the packets that answer
  reply_destination,
  reply_source_port,
  reply_destination_port,
  mark,
  connection_mark,
};
inline constexpr std::size_t kFields = static_cast<std::size_t>(Field::connection_mark) + 1;

unsigned number_of_bits(Field field, Family family);
/// All values that a packet can have: all numbers of those bits, but for `state` (0 to 4) and `packet_type`
/// (0 to 2).
const NumberSet& whole(Field field, Family family);
/// In iptables' words: "-i", "--dport", "--ctstate".
std::string_view words_of(Field field);
/// The values of a field as read_packet() takes them behind words_of(): "22,8000:8010", "tcp", "eth0", "NEW",
/// "192.0.2.0/24"; "any" where they are whole, "none" where there is none, "all but 22" where that is
/// shorter. For people.
std::string values_text(Field field, const NumberSet& values, Family family);

/// One of nf_conntrack_common.h's answers to `-m conntrack --ctstate`.
enum class ConnectionState : std::uint8_t { invalid, fresh, established, related, untracked };
enum StatusBit : std::uint8_t {
  expected = 1,
  seen_reply = 2,
  assured = 4,
  confirmed = 8,
  snat = 16,
  dnat = 32
};

/// The name of an interface, up to 15 bytes, as a number of 120 bits: its bytes, the first highest, then
/// zeros. So the names that begin with `eth` are one range. The bytes behind the 15th do not count.
Number interface_number(std::string_view name);
std::string interface_name(Number number);
/// The names that `-i` takes: "eth0", "eth+", "+".
NumberSet interfaces_of(std::string_view pattern);

Number address_number(const std::array<std::uint8_t, 16>& bits, Family family);
std::string address_text(Number address, Family family);
/// "203.0.113.0/24", "192.0.2.7-192.0.2.9", "everyone" for all; several with ", ".
std::string addresses_text(const NumberSet& addresses, Family family);

/// Packets: all whose fields are in the sets. What nobody names is whole(). A value.
///
/// The interfaces are those that the packet comes in by and leaves by. At a hook that has none (-o at
/// PREROUTING and INPUT, -i at OUTPUT) rules see no interface, whatever stands here.
struct Packet {
  Family family = Family::ipv4;
  /// The way through the kernel that is asked about. INPUT: in by PREROUTING, and to this host. FORWARD: by
  /// PREROUTING, FORWARD and POSTROUTING. OUTPUT: by OUTPUT and POSTROUTING. The other two: by that hook
  /// alone.
  Hook hook = Hook::input;
  std::array<NumberSet, kFields> fields{};

  bool operator==(const Packet&) const = default;
  NumberSet& operator[](Field field) { return fields[static_cast<std::size_t>(field)]; }
  const NumberSet& operator[](Field field) const { return fields[static_cast<std::size_t>(field)]; }
};

/// All packets of the family on that way.
Packet any_packet(Family family, Hook hook);

/// True for a text that begins as a line that read_packet() takes: of `tcpdump -n`, `conntrack -L` or the
/// kernel's LOG target. No name of a revision is one.
bool is_packet_line(std::string_view text);

/// Reads a packet of rewall-packets(7): words of iptables (`-p tcp -s 198.51.100.7 --dport 22 -i eth0 --state
/// new
/// --hook INPUT`), or one line of `tcpdump -n`, `conntrack -L` or the kernel's LOG target, as one word or as
/// several; words of iptables behind a line replace what the line says of the same field. A network, a range
/// or a list is all packets in it. No name of a host is looked up.
///
/// `family` is that of -4 and -6 elsewhere; otherwise the words, else the addresses decide, else IPv4. Ports
/// narrow the protocol to those that have ports, unless -p stands there; so do types of ICMP and flags of
/// TCP; and a packet with one of these is no fragment behind the first. A packet
/// of TCP and of state NEW alone whose flags no word names begins a connection (--syn); `--tcp-flags NONE
/// NONE` leaves them open. Without --hook, words of both -i and -o mean FORWARD. Of a line that tells no
/// state, a SYN alone is of a new connection; what else a line does not say is any. Kind usage, and the error
/// names the word: a word that no packet has, a value that cannot be read, values that no packet has at once.
Result<Packet> read_packet(std::span<const std::string> words, std::optional<Family> family = {});

/// How many words at the beginning are an option of a packet and its values: 2 for `--dport 22`, 3 for
/// `! -s 192.0.2.0/24`, 1 for a word that holds blanks and begins so; 0 where the first is none. A value that
/// is missing is not counted.
std::size_t packet_option_length(std::span<const std::string> words);
/// The names of these options.
std::vector<std::string> packet_options();

/// A packet in words that read_packet() takes, each field that is not whole; the hook where it is not the one
/// that these words mean without it.
/// Fields that the packet's protocol does not have are left out: else reading the words gives the same
/// packet.
std::string packet_words(const Packet& packet);

}  // namespace rewall
