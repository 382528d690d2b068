#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/model.h"
#include "analysis/packet.h"

namespace rewall {

/// Sets what this host knows of a packet that `words` name: the groups of its interfaces, as complete() does,
/// and of a line of tcpdump or conntrack the hook, which such a line does not tell: FORWARD where neither end
/// is an address of this host, OUTPUT where its source alone is. What the packet says stays.
void complete_on_host(Packet& packet, std::span<const std::string> words, const HostFacts& facts);

/// What people should know of an answer about the packet, which left as `left`: that the destination is not
/// this host's, or is, though the hook says otherwise; that the kernel does not route packets on. A sentence
/// each, without a full stop. None where the addresses are not known.
std::vector<std::string> packet_notes(const Packet& packet, const Packet& left, const HostFacts& facts);

/// "net.ipv4.ip_forward is 0: ..."; empty where some interface that has an address, or nobody knows, forwards
/// packets of the family.
std::string forwarding_note(const HostFacts& facts, Family family);

}  // namespace rewall
