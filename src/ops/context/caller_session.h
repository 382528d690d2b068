#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernel/connection_facts.h"

namespace rewall {

/// A connection of this host on which a person's session depends. A value.
struct SessionWay {
  std::string name{};  ///< "ssh", "mosh", "tailscale"
  ConnectionEnds ends{};
  bool any_port_there = false;  ///< mosh: the client may use another port of its own at any time
  bool is_open = true;          ///< false: it was, and a new one like it is what counts
  bool outgoing = false;        ///< this host began it
  std::string interface {};     ///< by which it comes in and leaves; empty where nobody knows
  std::optional<TrackedConnection> tracked{};
  /// Whoever serves it takes new connections for every address of this host: it listens on 0.0.0.0 or [::].
  bool listens_everywhere = false;
  bool is_untracked =
      false;  ///< connection tracking is known not to know it; of no use where `tracked` is set

  /// "198.51.100.7 port 40000".
  std::string there() const;
  /// "203.0.113.5 port 22".
  std::string here() const;
};

/// How the person behind this process reaches this host.
struct CallerSession {
  /// Empty at a console, for a job without a person, and where the session does not pass this network
  /// namespace.
  std::vector<SessionWay> ways{};
  /// Why there are none although somebody is connected: "your ssh session ends in another network
  /// namespace".
  std::string note{};
  bool unknown = false;  ///< somebody is connected to this network namespace, and nothing says from where
};

/// By the nearest of these above this process: a mosh-server, a tailscaled that serves ssh, or what set
/// SSH_CONNECTION (ssh(1)); else by the sockets of an sshd above it (proc(5)). The environment may lie: it
/// says only whom this process wants to protect.
CallerSession caller_session();

/// The address in text, as getnameinfo(3) with NI_NUMERICHOST.
std::string text_of_address(Family family, const AddressBits& address);

}  // namespace rewall
