#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "rules/ruleset.h"

namespace rewall {

/// An address in network byte order; of IPv4 the first four bytes.
using AddressBits = std::array<std::uint8_t, 16>;

struct Endpoint {
  AddressBits address{};
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

/// A connection between a socket of this network namespace and another one.
struct ConnectionEnds {
  Family family = Family::ipv4;
  std::uint8_t protocol = 6;  ///< IPPROTO_TCP, IPPROTO_UDP
  Endpoint here{};
  Endpoint there{};
  bool operator==(const ConnectionEnds&) const = default;
};

/// Whether the calling thread's network namespace has an established TCP socket between the two ends
/// (sock_diag(7)). Absent where the kernel does not say.
std::optional<bool> has_socket(const ConnectionEnds& ends);

/// What connection tracking knows of a connection (IPCTNL_MSG_CT_GET, nfnetlink_conntrack.h).
struct TrackedConnection {
  Endpoint original_source{};
  Endpoint original_destination{};  ///< as the first packet had it, before NAT
  Endpoint reply_source{};
  Endpoint reply_destination{};
  std::uint32_t mark = 0;
  std::uint32_t status = 0;  ///< IPS_... of nf_conntrack_common.h
};
struct Tracking {
  bool known = false;                             ///< false: the kernel does not say
  std::optional<TrackedConnection> connection{};  ///< absent where it is not tracked
};
Tracking tracking_of(const ConnectionEnds& ends);

/// The interface by which packets from `here` to `there` leave the calling thread's network namespace, as the
/// kernel routes them without marks (RTM_GETROUTE, rtnetlink(7)). Empty where there is no route.
std::string interface_towards(const ConnectionEnds& ends);

/// Whether packets to the address stay in the calling thread's network namespace.
bool is_own_address(Family family, const AddressBits& address);

/// The interface's number in the calling thread's network namespace; 0 for none.
unsigned number_of_interface(const std::string& name);

}  // namespace rewall
