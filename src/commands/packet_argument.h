#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "commands/syntax.h"

namespace rewall {

/// Adds the positional arguments [REV] PACKET, and takes the words of packets (analysis/packet.h) among the
/// options of the command: they go to `words`, with REV before them. `revision`: the help of REV; empty for a
/// command without.
void add_packet(Syntax& syntax, std::vector<std::string>& words, const std::string& revision);

/// REV, and the words of the packet.
struct PacketArgument {
  std::optional<std::string> revision{};
  std::vector<std::string> packet{};
};
/// The first word is REV, unless it is an option or begins a line of tcpdump, conntrack or LOG, alone or with
/// the words behind it.
PacketArgument split_revision(std::span<const std::string> words);

}  // namespace rewall
