#pragma once

#include <span>
#include <string>

#include "analysis/model.h"
#include "core/result.h"

namespace rewall {

/// The facts of this host, read from the kernel: for LIVE. The errors of read_host_addresses().
Result<HostFacts> live_host_facts();

/// The same; nothing is known where they cannot be read.
HostFacts host_facts_if_known();

/// The facts of a host with these addresses (`--local`) and no others but those of its loopback. Of its
/// interfaces, its networks and its routing nothing is known. Kind usage: a text is no address.
Result<HostFacts> given_host_facts(std::span<const std::string> addresses);

/// Sets what the host knows of a packet's interfaces: their groups. What the packet says stays.
void complete(Packet& packet, const HostFacts& facts);

}  // namespace rewall
