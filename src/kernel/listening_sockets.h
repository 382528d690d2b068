#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// A socket of this network namespace that waits for packets of others: a TCP, SCTP or DCCP socket that
/// listens, a UDP socket that is not connected. One that takes packets of both families is there for each.
struct ListeningSocket {
  Family family = Family::ipv4;
  std::uint8_t protocol = 0;  ///< IPPROTO_TCP, IPPROTO_UDP, ...
  std::uint16_t port = 0;
  std::array<std::uint8_t, 16> address{};  ///< the first four bytes for IPv4; zeros: every address
  std::string interface {};                ///< that it is bound to (SO_BINDTODEVICE); empty for none
  std::uint64_t inode = 0;
  /// The programs that have it open, sorted ("sshd", "systemd"); none where proc(5) does not show whose it
  /// is, or where it is the kernel's own (nfsd, wireguard).
  std::vector<std::string> programs{};

  bool any_address() const { return address == std::array<std::uint8_t, 16>{}; }
  bool operator==(const ListeningSocket&) const = default;
};

/// By sock_diag(7), and from /proc/net (proc(5)) where the kernel has none for a protocol. By family,
/// protocol, port and address. Kind capture: neither can be read.
Result<std::vector<ListeningSocket>> listening_sockets();

}  // namespace rewall
