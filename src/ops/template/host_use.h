#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// What a host is used for, as far as its sockets and interfaces tell. A value.
struct HostUse {
  /// A socket that waits for connections or packets.
  struct Listener {
    bool tcp = true;
    std::string address{};  ///< empty: all addresses
    std::uint16_t port = 0;
    std::string program{};  ///< empty where it is not known, and for the kernel's own (WireGuard)
    bool operator==(const Listener&) const = default;
  };
  /// A TCP connection that is established, not with the host itself.
  struct Connection {
    std::string peer{};
    std::uint16_t peer_port = 0;
    std::uint16_t own_port = 0;
  };
  /// A network interface that is up, without lo.
  struct Interface {
    std::string name{};
    bool leads_out = false;               ///< a default route goes by it
    std::vector<std::string> networks{};  ///< of its addresses, without link-local ones
  };
  std::vector<Listener> listeners{};  ///< without those that only the host itself reaches (loopback)
  /// The ports that rules of NAT send on to other hosts or containers for the world; of these `port` and
  /// `tcp` alone are set.
  std::vector<Listener> published{};
  std::vector<Connection> connections{};
  std::vector<Interface> interfaces{};
  bool forwards = false;     ///< sysctl net.ipv4.ip_forward or net.ipv6.conf.all.forwarding
  std::string ssh_client{};  ///< the address from which this process was started by ssh; empty for none
  std::uint16_t ssh_port = 0;
  bool caller_unknown = false;  ///< a person is connected, and nothing here says from where
  bool apt_user = false;        ///< there is a user _apt
};

/// Reads it in this network namespace. Kind capture: the sockets cannot be read, and without them nothing can
/// be told. Else what cannot be read is left out.
Result<HostUse> read_host_use();

/// Adds the ports that the rules send on to others for the world.
void add_published(HostUse& use, const Ruleset& live);

}  // namespace rewall
