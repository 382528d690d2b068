#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "kernel/nftables.h"
#include "kernel/printed.h"
#include "kernel/programs.h"
#include "rules/native_tables.h"

namespace rewall {

/// Native tables as the host's nft prints them, without what comes and goes with the traffic: the elements of
/// dynamic sets and those whose timeout runs.
struct NativeListing {
  NativeTables tables{};
  /// The rules with a note (kIptablesNote): whether its words make the rule has to be proved (proofs.h).
  std::vector<DoubtfulRule> noted{};
  std::vector<std::string> notes{};     ///< tables that are there and not recorded, and why
  std::optional<Error> disagreement{};  ///< nft printed other chains or rules than the kernel has
};

/// Runs `nft -s list table` for each table (nft(8)). A table that belongs to a process, and one that nft has
/// no words for, is left out, with a note. Rules with extensions in a table of iptables' name get a note with
/// the words that the host's iptables-save prints of them, in a scratch namespace. Kind capture: nft failed
/// otherwise. Kind permission without CAP_NET_ADMIN.
Result<NativeListing> list_native(Programs& programs, std::span<const NftTable> tables);

/// The same of all tables that iptables does not own; absent where there are some and no program nft.
Result<std::optional<NativeListing>> read_native_tables(Programs& programs);

}  // namespace rewall
