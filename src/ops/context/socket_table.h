#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/connection_facts.h"

namespace rewall {

/// A socket as proc(5) lists it (/proc/PID/net/tcp and its sisters).
struct ListedSocket {
  ConnectionEnds ends{};
  bool established = false;
  bool listening = false;  ///< of TCP; of UDP: bound, and connected to nobody
  std::string inode{};
};

/// The sockets of a protocol (6 for TCP, 17 for UDP) in the network namespace of a process. An IPv4 address
/// that a socket of IPv6 sees is one of IPv4. Empty where proc does not show them.
std::vector<ListedSocket> socket_table(pid_t process, std::uint8_t protocol);

}  // namespace rewall
