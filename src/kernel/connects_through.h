#pragma once

#include <string>

#include "core/result.h"
#include "kernel/connection_facts.h"
#include "kernel/firewall.h"

namespace rewall {

/// A TCP connection to this host, to be tried through staged rules.
struct TriedConnection {
  ConnectionEnds ends{};     ///< `here` is where somebody listens; the port of `there` does not count
  Endpoint dialled{};        ///< what the client connects to; other than `here` where the rules redirect it
  std::string interface {};  ///< by which it comes in; "lo" for a client on this host
};

/// Opens the connection, in the scratch namespace of the staged rules, which were staged whole: a client with
/// the address of `there` in a namespace of its own sends a SYN to an interface of that name. True where the
/// handshake is completed within a second. Whatever is listening is ours. Kind kernel: it could not be tried.
Result<bool> connects_through(const Staged& staged, const TriedConnection& connection);

}  // namespace rewall
