#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/native_tables.h"
#include "rules/ruleset.h"

namespace rewall {

/// The words of iptables-save, without "-A CHAIN", of a rule in the words of nft: those of its note
/// (kIptablesNote), else what stands for plain matches of interfaces, addresses, protocols, ports, flags of
/// tcp, fragments, marks and a limit, a comment, a verdict and NFLOG, which nft needs no note for. Absent for
/// any other rule. They say whose a rule is; what the kernel makes of them is for the host's own iptables to
/// say.
std::optional<std::string> in_words_of_iptables(std::string_view rule);

/// A table of iptables' name in the words of nft, as one in the words of iptables. A rule that these do not
/// say keeps its words of nft (is_in_words_of_nft()). `texts` keeps the characters.
Table in_words_of_iptables(const NativeTable& table, std::vector<std::shared_ptr<const std::string>>& texts);

/// Gives a ruleset in those words the table that it has in the words of nft.
void say_in_words_of_iptables(Ruleset& ruleset, Family family, std::string_view table);

}  // namespace rewall
