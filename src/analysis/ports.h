#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/model.h"
#include "analysis/number_set.h"

namespace rewall {

/// To whom a port is open.
enum class Open : std::uint8_t { none, some, all };
std::string_view name(Open open);  ///< "none", "some", "all"

/// A program that waits for packets.
struct Listener {
  std::uint8_t protocol = 6;
  std::uint16_t port = 0;
  NumberSet addresses{};     ///< that it takes packets for; empty: of every address
  std::string interface {};  ///< that it is bound to; empty: none
  std::string program{};     ///< "sshd"; empty where nobody knows
};

/// Ports of one protocol that have one answer. A port that packets of some reach on this host and packets of
/// others through DNAT elsewhere has a row for each.
struct PortRow {
  std::string protocol{};  ///< "tcp", "udp", "icmp", "47", "other"
  bool has_ports = true;   ///< false for protocols without ports; then `numbers` are types of ICMP, or none
  NumberSet numbers{};
  Open open = Open::none;
  /// Who, in words: "everyone", "10.0.0.0/8 in on eth1", "everyone but the set banned", "nobody".
  std::string from{};
  /// Most public addresses can reach it on some interface that the world can come in by
  /// (HostFacts::towards_world()), if what is unknown lets them.
  bool world = false;
  std::vector<std::string> depends_on{};  ///< the unknown conditions that decide, in words, sorted
  std::string to{};                       ///< where DNAT sends the packets: "172.17.0.2:80"; empty for none
  /// Of a row with `to`: what the rules say of packets to the port itself, without NAT.
  std::optional<Open> input{};
  /// The programs that listen on the port, where the question named any; of them alone `reachable` speaks.
  std::vector<Listener> listeners{};
  std::optional<Open> reachable{};  ///< to whom the listeners are, with the addresses that they have

  /// True where `to` is elsewhere: not a port or an address of this host.
  bool is_sent_on() const;
};

struct PortsQuestion {
  bool forward = false;  ///< packets that are routed, in place of those to this host
  std::optional<std::vector<Listener>> listeners{};          ///< each port with one has a row of its own
  std::function<void(std::size_t, std::size_t)> progress{};  ///< rules done, of all
};

/// Which ports are open to whom: what becomes of the packets that open connections, from every unicast
/// address but those of this host, by every interface but lo, to this host; by protocol and port, all ports
/// of tcp and udp, and other protocols where rules treat them apart. Absent where the rules are too entangled
/// for the memory that the answer may have.
std::optional<std::vector<PortRow>> ports(const Model& model, const PortsQuestion& question = {});

/// "22,80-90"; "all" for all ports.
std::string ports_text(const PortRow& row);

}  // namespace rewall
