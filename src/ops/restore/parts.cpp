#include "ops/restore/parts.h"

#include <algorithm>
#include <map>
#include <utility>

#include "rules/print.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

using ChainMap = std::map<Parts::ChainKey, const Chain*>;

ChainMap chains_of(const Ruleset& ruleset) {
  ChainMap chains;
  for (const Slot slot : Ruleset::slots()) {
    for (const auto& table : ruleset[slot].tables) {
      for (const auto& chain : table.chains) chains.emplace(std::tuple{slot, table.name, chain.name}, &chain);
    }
  }
  return chains;
}

bool same_chain(const Chain& a, const Chain& b) {
  return a.policy == b.policy && std::ranges::equal(a.rules, b.rules, {}, &Rule::words, &Rule::words);
}

std::map<std::string, std::string> set_texts(const Ruleset& ruleset) {
  std::map<std::string, std::string> texts;
  for (const auto& set : ruleset.sets.sets) texts.emplace(set.name, canonical_text(Sets{.sets = {set}}));
  return texts;
}

Chain* find_chain(Table& table, const std::string& name) {
  const auto found = std::ranges::find(table.chains, name, &Chain::name);
  return found == table.chains.end() ? nullptr : &*found;
}

Table& table_of(Tables& tables, const std::string& name) {
  const auto found = std::ranges::find(tables.tables, name, &Table::name);
  if (found != tables.tables.end()) return *found;
  tables.tables.push_back(empty_table(name));
  return tables.tables.back();
}

void put_chain(Tables& tables, const std::string& table_name, const std::string& name, const Chain* wanted) {
  if (wanted == nullptr && tables.find(table_name) == nullptr) return;
  Table& table = table_of(tables, table_name);
  Chain* chain = find_chain(table, name);
  if (wanted != nullptr && chain != nullptr) {
    *chain = *wanted;
  } else if (wanted != nullptr) {
    table.chains.push_back(*wanted);
  } else if (chain != nullptr && chain->built_in()) {
    chain->rules.clear();
    chain->policy = "ACCEPT";
  } else if (chain != nullptr) {
    std::erase_if(table.chains, [&](const Chain& one) { return one.name == name; });
  }
}

/// By their text; the facts of a table under the kind "table".
std::map<Parts::NativeKey, std::string> native_texts(const Ruleset& ruleset) {
  std::map<Parts::NativeKey, std::string> texts;
  if (!ruleset.native) return texts;
  for (const NativeTable& table : ruleset.native->tables) {
    std::string facts;
    for (const auto fact : table.facts) facts.append(fact).append("\n");
    texts.emplace(std::tuple(table.title(), "table", ""), std::move(facts));
    for (const NativePart& part : table.parts)
      texts.emplace(std::tuple(table.title(), std::string(part.kind), std::string(part.name)), part.text);
  }
  return texts;
}

/// Where both rulesets say which native tables there are.
std::set<Parts::NativeKey> differing_native(const Ruleset& from, const Ruleset& to) {
  std::set<Parts::NativeKey> keys;
  if (!from.native || !to.native) return keys;
  const auto before = native_texts(from);
  const auto after = native_texts(to);
  for (const auto& [key, text] : before) {
    const auto found = after.find(key);
    if (found == after.end() || found->second != text) keys.insert(key);
  }
  for (const auto& [key, text] : after) {
    if (!before.contains(key)) keys.insert(key);
  }
  return keys;
}

void put_native(NativeTables& base, const NativeTables& wanted, const Parts::NativeKey& key) {
  const std::string& title = std::get<0>(key);
  const std::string& kind = std::get<1>(key);
  const std::string& name = std::get<2>(key);
  const NativeTable* from = wanted.find(title);
  auto to =
      std::ranges::find_if(base.tables, [&](const NativeTable& table) { return table.title() == title; });
  if (kind == "table") {
    if (from == nullptr && to != base.tables.end()) base.tables.erase(to);
    if (from == nullptr) return;
    if (to == base.tables.end())
      base.tables.push_back({.family = from->family, .name = from->name, .facts = from->facts});
    else
      to->facts = from->facts;
    return;
  }
  if (to == base.tables.end()) return;
  const NativePart* part = from == nullptr ? nullptr : from->find(kind, name);
  const auto at = std::ranges::find_if(
      to->parts, [&](const NativePart& one) { return one.kind == kind && one.name == name; });
  if (part == nullptr && at != to->parts.end()) to->parts.erase(at);
  if (part == nullptr) return;
  if (at != to->parts.end()) {
    *at = *part;
    return;
  }
  // Chains stand behind what they name.
  const auto place =
      part->is_chain() ? to->parts.end() : std::ranges::find_if(to->parts, &NativePart::is_chain);
  to->parts.insert(place, *part);
}

/// A table whose chains come in one form while it stands in the other becomes that of `wanted`.
void settle_forms(Ruleset& base, const Ruleset& wanted) {
  while (const auto title = table_in_both_forms(base)) {
    const NativeTable table = *base.native->find(*title);
    take_table(base, wanted, *iptables_family(table), table.name);
  }
}

template <class Text>
void append_texts(std::vector<Text>& to, const std::vector<Text>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

Parts differing_parts(const Ruleset& from, Ruleset to) {
  Parts parts;
  const auto before = chains_of(from);
  const auto after = chains_of(to);
  for (const auto& [key, chain] : before) {
    const auto found = after.find(key);
    if (found == after.end() || !same_chain(*chain, *found->second)) parts.chains.insert(key);
  }
  for (const auto& [key, chain] : after) {
    if (!before.contains(key)) parts.chains.insert(key);
  }
  const auto old_sets = set_texts(from);
  const auto new_sets = set_texts(to);
  for (const auto& [name, text] : old_sets) {
    const auto found = new_sets.find(name);
    if (found == new_sets.end() || found->second != text) parts.sets.insert(name);
  }
  for (const auto& [name, text] : new_sets) {
    if (!old_sets.contains(name)) parts.sets.insert(name);
  }
  parts.native = differing_native(from, to);
  parts.left = std::move(to);
  return parts;
}

Ruleset with_parts(Ruleset base, const Ruleset& wanted, const Parts& parts) {
  const auto chains = chains_of(wanted);
  for (const auto& key : parts.chains) {
    const auto& [slot, table, name] = key;
    const auto found = chains.find(key);
    put_chain(base[slot], table, name, found == chains.end() ? nullptr : found->second);
  }
  for (const Slot slot : Ruleset::slots()) append_texts(base[slot].texts, wanted[slot].texts);
  for (const auto& name : parts.sets) {
    std::erase_if(base.sets.sets, [&](const Set& set) { return set.name == name; });
    if (const Set* set = wanted.sets.find(name)) base.sets.sets.push_back(*set);
  }
  append_texts(base.sets.texts, wanted.sets.texts);
  if (base.native && wanted.native && !parts.native.empty()) {
    // The tables themselves before what is in them.
    for (const bool tables : {true, false})
      for (const auto& key : parts.native)
        if ((std::get<1>(key) == "table") == tables) put_native(*base.native, *wanted.native, key);
    append_texts(base.native->texts, wanted.native->texts);
    base.native->sort();
  }
  settle_forms(base, wanted);
  return base;
}

Parts left_otherwise(const Parts& parts, const Ruleset& live) {
  Parts since = differing_parts(parts.left, live);
  std::erase_if(since.chains, [&](const auto& key) { return !parts.chains.contains(key); });
  std::erase_if(since.sets, [&](const auto& name) { return !parts.sets.contains(name); });
  std::erase_if(since.native, [&](const auto& key) { return !parts.native.contains(key); });
  return since;
}

}  // namespace rewall
