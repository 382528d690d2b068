#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/meaning.h"
#include "rules/native_tables.h"

namespace rewall {

/// Chains of a native table that got another name: old name to new name.
using NativeRenames = std::map<std::string, std::string, std::less<>>;

/// The meaning of a rule of a native table: its words in one spelling. The members of an anonymous set stand
/// in one order, a set of one is its member, services, protocols and marks are numbers, /32 and /128 are left
/// out, and so are counts of packets and the comment. A jump to a chain of `renames` goes to its new name.
/// Words that rewall does not know stand in the key as they are. Of a rule with a note (kIptablesNote) it is
/// the meaning of the words in the note. Never fails.
Meaning native_meaning(std::string_view rule);

/// The rule with the new names of the chains it jumps to; nothing where it jumps to none that has one, and
/// for a rule with a note.
std::optional<std::string> with_new_names(std::string_view rule, const NativeRenames& renames);

/// The parts of a rule by name, in their order: "tcp dport" "22", "ct state" "new", "counter" "", "verdict"
/// "accept". A second part of a name has " #2" behind it.
std::vector<NamedPart> native_parts(std::string_view rule);

/// True when two rules can certainly change places without a change of any packet's verdict: one of them does
/// nothing but match, count and log, or both do nothing else and end in the same `accept` or `drop`.
bool native_interchangeable(std::string_view a, std::string_view b);

/// The rule in one line without its comment, as it is spoken of.
std::string native_rule_words(std::string_view rule);

/// The meaning of a fact of a table or of one of its parts: a priority is a number, and counts are left out.
/// Empty for a fact that holds nothing but counts.
std::string native_fact_meaning(std::string_view fact, NativeFamily family);

/// The meaning of an element of a set or map, with its comment and without what is left of its timeout.
std::string native_element_meaning(const NativePart& set, std::string_view element);

/// Writes the meaning of native tables in an order that does not depend on that of their texts: two write the
/// same when compare() (diff/diff.h) finds no change, or changed comments alone.
void write_native_meaning(const NativeTables& tables, const std::function<void(std::string_view)>& write);

}  // namespace rewall
