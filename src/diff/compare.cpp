#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "diff/diff.h"
#include "diff/native_diff.h"
#include "diff/pairs.h"
#include "diff/rules_diff.h"
#include "diff/sets_diff.h"
#include "rules/print.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

void compare_chain(const ChainPair& pair, Change place, const Renames& renames, Diff& out) {
  static const Chain kNoChain{};
  place.chain = pair.name();
  const auto report = [&](ChangeKind kind, std::optional<std::string> from, std::optional<std::string> to) {
    auto& change = out.changes.emplace_back(place);
    change.kind = kind;
    change.from = std::move(from);
    change.to = std::move(to);
  };
  if (pair.from == nullptr) {
    report(ChangeKind::chain_added, std::nullopt, pair.to->name);
    return compare_rules({&kNoChain, pair.to}, place, renames, out);
  }
  if (pair.to == nullptr) {
    report(ChangeKind::chain_removed, pair.from->name, std::nullopt);
    return compare_rules({pair.from, &kNoChain}, place, renames, out);
  }
  if (pair.from->name != pair.to->name) report(ChangeKind::chain_renamed, pair.from->name, pair.to->name);
  if (pair.from->policy != pair.to->policy) report(ChangeKind::policy, pair.from->policy, pair.to->policy);
  compare_rules(pair, place, renames, out);
}

// Built-in chains in the kernel's order, then the others by name.
void sort_chains(std::vector<const ChainPair*>& chains, std::string_view table) {
  const auto built_in = built_in_chains(table);
  std::ranges::sort(chains, {}, [&](const ChainPair* pair) {
    return std::pair(std::ranges::find(built_in, pair->name()), pair->name());
  });
}

void compare_backend(const BackendPair& tables, Diff& out) {
  for (const auto& table : pair_tables(*tables.from, *tables.to)) {
    std::vector<const ChainPair*> differing;
    for (const auto& pair : table.chains) {
      if (!same_text(pair)) differing.push_back(&pair);
    }
    sort_chains(differing, table.name);
    Change place;
    place.family = tables.family;
    place.backend = tables.backend;
    place.table = table.name;
    for (const auto* pair : differing) compare_chain(*pair, place, table.renames, out);
  }
}

/// The policy that a base chain of a table of iptables' name has in the words of nft; absent for none.
std::optional<std::string> policy_in_nft_words(const Ruleset& ruleset, const Change& change) {
  const NativeTable* table =
      change.backend == Backend::nft ? find_in_nft_words(ruleset, *change.family, change.table) : nullptr;
  const NativePart* chain = table != nullptr ? table->find("chain", change.chain) : nullptr;
  if (chain == nullptr || chain->hook().empty()) return std::nullopt;
  return chain->policy() == "drop" ? "DROP" : "ACCEPT";
}

/// A table that changes its form keeps its policies, unless these change too.
void keep_policies(const Ruleset& from, const Ruleset& to, Diff& out) {
  for (auto& change : out.changes) {
    if (change.kind != ChangeKind::policy) continue;
    if (auto policy = policy_in_nft_words(from, change)) change.from = std::move(policy);
    if (auto policy = policy_in_nft_words(to, change)) change.to = std::move(policy);
  }
  std::erase_if(out.changes, [](const Change& change) {
    return change.kind == ChangeKind::policy && change.from == change.to;
  });
}

/// The tables that have another form in `to` are compared by themselves.
Diff compare_with_forms(const Ruleset& from, const Ruleset& to,
                        const std::vector<std::pair<Family, std::string>>& forms) {
  Ruleset before = from;
  Ruleset after = to;
  for (const auto& [family, table] : forms) {
    remove_table(before, family, table);
    remove_table(after, family, table);
  }
  Diff out = compare(before, after);
  for (const auto& [family, table] : forms) compare_forms(from, to, family, table, out);
  return out;
}

}  // namespace

std::string_view name(ChangeKind kind) {
  static constexpr std::array<std::string_view, 16> kNames = {
      "added",       "removed",       "changed",       "moved",        "comment",     "policy",
      "chain-added", "chain-removed", "chain-renamed", "set-added",    "set-removed", "set-changed",
      "members",     "table-added",   "table-removed", "table-changed"};
  return kNames.at(static_cast<std::size_t>(kind));
}

Diff compare(const Ruleset& from, const Ruleset& to) {
  const auto forms = tables_in_different_forms(from, to);
  if (!forms.empty()) return compare_with_forms(from, to, forms);
  Diff out;
  out.respelled = from.backend != to.backend && (holds(from, from.backend) || holds(to, to.backend));
  for (const auto& tables : pair_backends_by_meaning(from, to)) compare_backend(tables, out);
  if (from.native && to.native) keep_policies(from, to, out);
  compare_sets(from.sets, to.sets, out);
  static const NativeTables kNone{};
  // Where nobody recorded which there are, none are said to be gone.
  if (to.native) compare_native(from.native ? *from.native : kNone, *to.native, out);
  return out;
}

std::map<ChangeKind, std::size_t> summary(const Diff& diff) {
  std::map<ChangeKind, std::size_t> out;
  for (const auto& change : diff.changes) ++out[change.kind];
  return out;
}

}  // namespace rewall
