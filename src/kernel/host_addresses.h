#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// An address and the length of its network's prefix, as `ip address` prints them. Most significant byte
/// first; IPv4 uses the first 4.
struct HostAddress {
  Family family = Family::ipv4;
  std::array<std::uint8_t, 16> bits{};
  unsigned prefix = 0;
  bool operator==(const HostAddress&) const = default;
};

struct HostInterface {
  std::uint32_t index = 0;
  std::string name{};
  std::uint32_t group = 0;               ///< `ip link set dev NAME group GROUP`
  std::vector<HostAddress> addresses{};  ///< of this host; primary ones first. None of a link that is down
  /// The networks on the link: those of the addresses; of an address with a peer, the peer's.
  std::vector<HostAddress> networks{};
  bool finds_neighbours = false;  ///< by ARP and neighbour discovery: no loopback, no tunnel (IFF_NOARP)
  bool v4_default = false;        ///< a route for all of IPv4, or for half of it, leaves by it
  bool v6_default = false;        ///< the same of IPv6, or of its global unicast addresses, 2000::/3
  bool v4_forwards = true;        ///< net.ipv4.conf.INTERFACE.forwarding: packets that come in are routed on
  bool v6_forwards = true;        ///< net.ipv6.conf.all.forwarding
};

/// What a network namespace knows of itself, as far as rules can ask for it (rtnetlink(7), ip-xfrm(8)). A
/// value.
struct HostAddresses {
  std::vector<HostInterface> interfaces{};
  /// The networks of which all addresses are this host's, by routes of type `local` beside those of its
  /// interfaces' addresses (`ip route add local 10.0.0.0/8 dev lo`).
  std::vector<HostAddress> local_networks{};
  bool ipsec = false;  ///< it has policies of IPsec, or does not say
  /// It has rules of routing beside those that the kernel makes (ip-rule(8)), or does not say.
  bool routes_by_rules = false;
};

/// Reads the network namespace of the calling thread. Kind capture: the kernel does not answer.
Result<HostAddresses> read_host_addresses();

}  // namespace rewall
