#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/result.h"
#include "kernel/netlink_socket.h"
#include "rules/ruleset.h"

namespace rewall {

/// Where packets meet a base chain (NFTA_CHAIN_TYPE, NFTA_CHAIN_HOOK, linux/netfilter/nf_tables.h). Headers
/// do not say where iptables puts its own: the kernel does, after iptables has made them.
struct BaseChain {
  std::string type{};  ///< "filter", "nat", "route"
  std::uint32_t hook = 0;
  std::int32_t priority = 0;
  bool operator==(const BaseChain&) const = default;
};

/// Asks the kernel for a base chain; absent when there is no such chain or it is no base chain. Kind kernel:
/// nf_tables does not answer.
Result<std::optional<BaseChain>> read_base_chain(NetlinkSocket& socket, Family family,
                                                 const std::string& table, const std::string& chain);

}  // namespace rewall
