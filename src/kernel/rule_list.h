#pragma once

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netlink.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "kernel/netlink_attributes.h"
#include "kernel/netlink_socket.h"
#include "rules/ruleset.h"

namespace rewall {

inline std::uint8_t number_of(Family family) {
  return family == Family::ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

/// Calls `each` with the attributes (NFTA_RULE_*) of each rule of a chain. Returns 0 or the errno.
/// `family` is NFPROTO_* (linux/netfilter.h).
template <class Each>
int each_rule(NetlinkSocket& socket, std::uint8_t family, const std::string& table, const std::string& chain,
              const Each& each) {
  NetlinkRequest request(NFT_MSG_GETRULE, family, NLM_F_DUMP);
  request.add(NFTA_RULE_TABLE, table);
  request.add(NFTA_RULE_CHAIN, chain);
  return socket.ask(request, [&](const nlmsghdr* message) { each(attributes<NFTA_RULE_MAX + 1>(message)); });
}
template <class Each>
int each_rule(NetlinkSocket& socket, Family family, const std::string& table, const std::string& chain,
              const Each& each) {
  return each_rule(socket, number_of(family), table, chain, each);
}

}  // namespace rewall
