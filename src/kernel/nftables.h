#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "rules/ruleset.h"

namespace rewall {

/// A table of nf_tables, whoever made it (NFT_MSG_GETTABLE, linux/netfilter/nf_tables.h).
struct NftTable {
  std::uint8_t family = 0;  ///< NFPROTO_IPV4, NFPROTO_INET, ... (linux/netfilter.h)
  std::string name{};
  bool dormant = false;  ///< none of its chains sees a packet

  /// The family when this is a table of iptables-nft (raw, mangle, nat, filter or security of ip or ip6).
  std::optional<Family> iptables_family() const;
  /// "inet filter", as nft(8) says it.
  std::string text() const;
};

/// A rule that nft made and that iptables-nft-save 1.8.9 would print as another, with exit status 0.
struct NativeRule {
  std::string chain{};
  std::string what{};  ///< "a lookup in a set of nft"
};

/// True when this process can ask the kernel's netfilter at all (socket(2), AF_NETLINK).
bool netlink_opens();

/// Asks the kernel over netlink, in the namespace of the calling thread. Kind permission without
/// CAP_NET_ADMIN; kind capture where nf_tables could not be asked or changed while it was read. A kernel that
/// answers that it has no nf_tables has no tables.
Result<std::vector<NftTable>> list_nft_tables();
Result<std::optional<NativeRule>> find_native_rule(Family family, const std::string& table);
Result<std::optional<NativeRule>> find_native_rule(Family family, const std::string& table,
                                                   std::span<const std::string> chains);

/// When every transaction on its way is done. While one is, lists of rules are short or repeat some, and the
/// kernel does not mark them: it counts rules that are not in force yet, or no more, where it goes on
/// (__nf_tables_dump_rules in net/netfilter/nf_tables_api.c). So lists that were read between two equal
/// generations are whole.
///
/// Absent where nf_tables does not answer.
std::optional<Generation> read_generation();

}  // namespace rewall
