#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

// The kernel has one table "filter" of family ip, which iptables and nft both change. A ruleset has it in one
// of two forms: in the words of iptables (Ruleset::v4), or, where these cannot say all of it, in those of nft
// (Ruleset::native). The functions below are about such tables of iptables' names, on its nft backend.

/// The family of iptables that a native table belongs to by its name (raw, mangle, nat, filter or security of
/// ip or ip6); absent for any other table.
std::optional<Family> iptables_family(NativeFamily family, std::string_view table);
inline std::optional<Family> iptables_family(const NativeTable& table) {
  return iptables_family(table.family, table.name);
}

NativeFamily native_family(Family family);

/// The table in the words of nft; null where the ruleset has it in those of iptables, or not at all.
const NativeTable* find_in_nft_words(const Ruleset& ruleset, Family family, std::string_view table);

/// The title ("ip filter") of the first table of iptables' names that is in the words of nft.
std::optional<std::string> first_in_nft_words(const Ruleset& ruleset);
/// True where a text that print_native() wrote has such a table.
bool holds_in_nft_words(std::string_view text);

/// The tables that one ruleset has in the words of iptables and the other in those of nft.
std::vector<std::pair<Family, std::string>> tables_in_different_forms(const Ruleset& a, const Ruleset& b);

/// True where `--table NAME` means a table that is called `title` where it is shown: the same words, or the
/// name alone ("filter") of a table of iptables' name in the words of nft ("ip filter").
bool means_table(std::string_view name, std::string_view title);

/// The title ("ip filter") of a table that the ruleset has in both forms, which no kernel has; absent for
/// none. A table that is empty with policy ACCEPT is none.
std::optional<std::string> table_in_both_forms(const Ruleset& ruleset);

/// True for the words of a rule that are those of nft: iptables-save prints options, and "!" before them.
bool is_in_words_of_nft(std::string_view rule);

/// Takes the table out of the ruleset, whichever form it has.
void remove_table(Ruleset& ruleset, Family family, std::string_view table);

/// Makes the table of `ruleset` that of `wanted`, in the form that it has there; where that has none, it
/// goes.
void take_table(Ruleset& ruleset, const Ruleset& wanted, Family family, std::string_view table);

/// Takes out all tables of a family that are in the words of nft.
void remove_in_nft_words(Ruleset& ruleset, Family family);

}  // namespace rewall
