#pragma once

#include <array>
#include <string>
#include <vector>

#include "analysis/model.h"

namespace rewall {

/// Connection tracking sees a packet before the chains behind this priority (NF_IP_PRI_CONNTRACK of
/// linux/netfilter_ipv4.h).
inline constexpr int kTrackingPriority = -200;

/// The hook of a built-in chain by its name; absent for any other name.
std::optional<Hook> hook_of_chain(std::string_view chain);

/// Where iptables puts a table's chain at a hook. Of linux/netfilter_ipv4.h, which netfilter_ipv6.h repeats;
/// but iptables-nft puts `security` at 150. Absent for a table that iptables does not know.
std::optional<int> priority_of(std::string_view table, Hook hook, Backend backend);

/// The stations of all hooks, by priority.
std::array<std::vector<Station>, 5> find_stations(const std::vector<ModelTable>& tables,
                                                  const Ruleset& ruleset, Family family);

/// The native base chains that can stop a packet of ARP: "nft arp fw input".
std::vector<std::string> chains_of_arp(const Ruleset& ruleset);

}  // namespace rewall
