#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "kernel/scratch.h"
#include "rules/ruleset.h"

namespace rewall {

/// A rule of the kernel of which more has to be known than that it is there.
struct OddRule {
  std::size_t place = 0;      ///< in its chain, from 0
  std::string unknown{};      ///< native_part() of it, on the nft backend
  std::string expressions{};  ///< of a rule with an unknown part (NFTA_RULE_EXPRESSIONS)
  /// Its comments and log prefixes that hold a line break. A save program prints these in quotes.
  std::vector<std::string> texts{};
  /// What may be a name with a blank, a line break or a quote. A save program prints many names as they are.
  std::vector<std::string> names{};
  /// What the words of iptables-save may not say whole, as bytes: data of matches, a negated interface. Two
  /// rules with the same words are the same rule if this is the same.
  std::string unsaid{};
};

struct KernelChain {
  std::string name{};
  std::size_t rules = 0;       ///< how many
  std::vector<OddRule> odd{};  ///< by place
};

/// The chains of a table as the kernel lists them, to hold what a save program prints against.
struct KernelTable {
  Backend backend = Backend::nft;
  Family family = Family::ipv4;
  std::string name{};
  std::vector<KernelChain> chains{};
  /// A part of the table that iptables has no words for, beside rules: "set blocked", "base chain mine".
  /// Empty for none, and where single chains were asked for.
  std::string foreign_part{};

  const KernelChain* find(std::string_view chain) const;
};

/// "table ip filter: chain INPUT, rule 2", for messages. `place` counts from 0.
std::string place_of(const KernelTable& table, const KernelChain& chain, std::size_t place);
std::string place_of(Family family, std::string_view table, std::string_view chain, std::size_t place);

/// Adds a rule to a chain: of nft by its attributes NFTA_RULE_EXPRESSIONS and NFTA_RULE_USERDATA
/// (linux/netfilter/nf_tables.h).
void add_rule(KernelChain& chain, Family family, std::string_view expressions, std::string_view userdata);

/// Adds to `rule` what the data of a match or target of x_tables says in words, and what its words may not
/// say; `extension` is its name.
void take_words(OddRule& rule, std::string_view extension, std::string_view data);
/// Adds to `rule` the names in `data`, which may also be numbers.
void take_names(OddRule& rule, std::string_view data);

/// Asks the kernel for a table of the legacy backend (IPT_SO_GET_ENTRIES, linux/netfilter_ipv4/ip_tables.h),
/// in the namespace of the calling thread. Kind capture when it does not answer.
Result<KernelTable> ask_legacy_table(Family family, const std::string& table);

}  // namespace rewall
