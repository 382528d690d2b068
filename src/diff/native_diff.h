#pragma once

#include <string_view>
#include <vector>

#include "diff/diff.h"
#include "rules/native_tables.h"
#include "rules/ruleset.h"

namespace rewall {

/// Compares the native tables of two rulesets by meaning, and puts the changes at the end of `out`, table by
/// table: what the table is, then its sets and other objects, then its chains, in the order of the newer
/// text. Parts that are equal as text are not looked into. Sets `out.respelled` where texts differ and
/// meanings do not.
///
/// - A table, chain or object that one side lacks is `*_added` or `*_removed`, with a change for each of its
/// rules;
///   its elements are parts of the change.
/// - A chain with the same rules and hook under another name is `chain_renamed`.
/// - Another hook, priority, device or comment of a chain is `table_changed` with that chain.
/// - An object that became one of another kind is removed and added.
void compare_native(const NativeTables& from, const NativeTables& to, Diff& out);

/// Compares a table of iptables' name that one ruleset has in the words of iptables and the other in those of
/// nft (tables_in_different_forms()), and puts the changes at the end of `out`: what changed by meaning, then
/// that the form changed (`table_changed` with the part "form"). Each change but those of sets and other
/// objects is of the form that `to` has; each rule stands in the words of its own side.
void compare_forms(const Ruleset& from, const Ruleset& to, Family family, std::string_view table, Diff& out);

/// The elements that only one of two sets has, by meaning. Linear for equal sets.
struct ElementChanges {
  std::vector<std::string_view> removed{};
  std::vector<std::string_view> added{};

  bool empty() const { return removed.empty() && added.empty(); }
};
ElementChanges compare_elements(const NativePart& from, const NativePart& to);

}  // namespace rewall
