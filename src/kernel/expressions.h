#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// A rule as the kernel has it (NFTA_RULE_EXPRESSIONS, NFTA_RULE_USERDATA, linux/netfilter/nf_tables.h).
struct RawRule {
  std::string expressions{};
  std::string userdata{};
};

/// The expressions of a rule without what packets change in them. Of an extension of iptables its name and
/// revision, and its data if that is asked for: rules with equal words may differ in bytes that the extension
/// does not use (of the mask of recent, say).
enum class ExtensionData { left_out, taken };
std::string comparable(std::string_view expressions, ExtensionData data);

/// The chain that a rule leads to; empty where it leads to none.
std::string chain_behind(std::string_view expressions);

/// True when the expressions of a rule (NFTA_RULE_EXPRESSIONS, linux/netfilter/nf_tables.h) hold an extension
/// of iptables, a match or a target.
bool has_extension(std::string_view expressions);

/// Where a rule's expressions hold numbers of sets (linux/netfilter/xt_set.h): offsets into them.
std::vector<std::size_t> set_numbers(std::string_view expressions);

/// What the kernel wants to be told again of a rule with an extension (NFTA_RULE_COMPAT_PROTO and
/// NFTA_RULE_COMPAT_FLAGS, linux/netfilter/nf_tables_compat.h), because it does not give it back: the
/// protocol that the rule asks for, against which it checks the extension (nft_parse_compat in
/// net/netfilter/nft_compat.c).
struct Compat {
  std::uint32_t protocol = 0;  ///< 0 for any
  std::uint32_t flags = 0;
  bool operator==(const Compat&) const = default;
};

/// Reads it from the words that iptables-save prints of the rule: which expressions ask for a protocol
/// differs between the versions of iptables, what it prints of them does not. Kind kernel: this host knows no
/// such protocol.
Result<Compat> compat_of(std::string_view words, Family family);

}  // namespace rewall
