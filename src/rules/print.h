#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// The tables as iptables-save would print them, in the order they have, with the counters they have; comment
/// lines and timestamps are not kept. For text of iptables-save itself, what was read comes back.
std::string print_tables(const Tables& tables);

/// The canonical text, which a repository holds (rewall-repository(5)): tables in the order raw, mangle, nat,
/// filter, security, others; no table that is empty with policy ACCEPT; built-in chains first in the kernel's
/// order, then the others by name; no counters ([0:0]); rules verbatim. Empty when nothing is left.
std::string canonical_text(const Tables& tables);

/// The canonical text of one table, even when the table is empty: iptables-restore makes the table so.
std::string canonical_text(const Table& table);

/// The same for `iptables-restore -c`: each line with its counters, or with [0:0].
std::string counted_text(const Table& table);

/// Canonical `ipset save` text: sets by name (list:set last, as it names the others), members sorted,
/// remaining timeouts and counters left out; `timeout 0`, a member that stays, is kept.
std::string canonical_text(const Sets& sets);

/// The built-in chains of a table in the kernel's order; empty for a table that no kernel has.
std::vector<std::string> built_in_chains(std::string_view table);
bool is_built_in(std::string_view table, std::string_view chain);

/// The priority of the base chain that iptables makes (nf_ip_hook_priorities of linux/netfilter_ipv4.h; nft.c
/// of iptables). Absent for a table that no kernel has.
std::optional<int> built_in_priority(std::string_view table, std::string_view chain, Backend backend);

/// The order of chains in a canonical text: `built_in`, those of the table, first; the others by name.
bool comes_before(std::string_view chain, std::string_view other, std::span<const std::string> built_in);

/// The place of a table in a canonical text, from 0; tables that no kernel has come last.
std::size_t table_rank(std::string_view table);

/// A table with its built-in chains, policy ACCEPT, and nothing else.
Table empty_table(std::string_view name);

/// True when a table is as the kernel makes it: no rules, no chains of its own, every policy ACCEPT.
bool is_empty(const Table& table);

}  // namespace rewall
