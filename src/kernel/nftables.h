#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/kernel_rules.h"
#include "rules/ruleset.h"

namespace rewall {

/// A table of nf_tables, made by any program (NFT_MSG_GETTABLE, linux/netfilter/nf_tables.h).
struct NftTable {
  std::uint8_t family = 0;  ///< NFPROTO_IPV4, NFPROTO_INET, ... (linux/netfilter.h)
  std::string name{};
  bool dormant = false;     ///< switched off: its chains see no packets
  bool owned = false;       ///< belongs to a process, and goes with it (NFT_TABLE_F_OWNER)
  std::uint32_t owner = 0;  ///< of such a table: the number of its owner's netlink socket

  /// The family of a table of iptables-nft (raw, mangle, nat, filter or security of ip or ip6); absent for
  /// any other table.
  std::optional<Family> iptables_family() const;
  /// "inet filter", as nft(8) writes it.
  std::string text() const;
};

/// True when this process can open a netlink socket to the kernel's netfilter (socket(2), AF_NETLINK).
bool netlink_opens();

/// The next functions ask the kernel over netlink, in the namespace of the calling thread. Errors: kind
/// permission without CAP_NET_ADMIN; kind capture when nf_tables could not be read or changed meanwhile.

/// All tables of nf_tables; none when the kernel has no nf_tables.
Result<std::vector<NftTable>> list_nft_tables();

/// A table of the nft backend: all of its chains, or `chains`.
Result<KernelTable> ask_nft_table(Family family, const std::string& table);
Result<KernelTable> ask_nft_table(Family family, const std::string& table,
                                  std::span<const std::string> chains);

/// A rule with a match or target of x_tables in a table of iptables' name.
struct ExtensionRule {
  std::string chain{};
  std::size_t place = 0;  ///< in its chain, from 0
  RawRule rule{};
};

struct RuleCounts {
  /// How many rules each chain has, by its name. Chains without a name of their own, which a rule holds
  /// (NFT_CHAIN_BINDING), are left out.
  std::map<std::string, std::size_t> chains{};
  bool extensions = false;  ///< a rule has a match or target of x_tables: ebtables-nft makes such rules
  std::vector<ExtensionRule> with_extensions{};  ///< those of a table of iptables' name
};
Result<RuleCounts> count_rules(const NftTable& table);

/// Waits until no transaction is running, and returns the generation then; absent when nf_tables does not
/// answer. During a transaction a list of rules may lack rules or repeat some, and the kernel does not mark
/// such a list (__nf_tables_dump_rules in net/netfilter/nf_tables_api.c). So lists that were read between two
/// calls with equal results are complete.
std::optional<Generation> read_generation();

}  // namespace rewall
