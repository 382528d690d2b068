#include "diff/native_script.h"

#include <algorithm>

#include "core/format.h"
#include "diff/native_diff.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

bool same_native_text(const NativeTable& a, const NativeTable& b) {
  return a.facts == b.facts && std::ranges::equal(a.parts, b.parts, {}, &NativePart::text, &NativePart::text);
}

// A policy is the one fact that a chain takes anew.
std::vector<std::string_view> facts_but_policy(const NativePart& part) {
  auto out = part.facts;
  for (auto& fact : out) {
    const auto at = fact.starts_with("type ") ? fact.find("; policy ") : std::string_view::npos;
    if (at != std::string_view::npos) fact = fact.substr(0, at);
  }
  return out;
}

bool has_policy(const NativePart& part) {
  return !part.policy().empty();
}

// True when nft can make the one part of the other while the part stays.
bool can_stay(const NativePart& from, const NativePart& to) {
  if (from.kind != to.kind || from.name != to.name) return false;
  if (from.text == to.text) return true;
  if (from.is_chain())
    return facts_but_policy(from) == facts_but_policy(to) && has_policy(from) == has_policy(to);
  return from.has_elements() && from.facts == to.facts;
}

bool can_stay(const NativeTable& from, const NativeTable& to) {
  const auto stays = [](const NativePart& a, const NativePart& b) { return can_stay(a, b); };
  return from.facts == to.facts && std::ranges::equal(from.parts, to.parts, stays);
}

void write_elements(std::string_view verb, const NativeTable& table, const NativePart& set,
                    const std::vector<std::string_view>& elements, std::string& out) {
  if (elements.empty()) return;
  out += format("{} element {} {} {{ ", verb, table.title(), set.name);
  bool first = true;
  for (const auto element : elements) {
    if (!std::exchange(first, false)) out += ", ";
    out += verb == "delete" ? element_key(element) : element;
  }
  out += " }\n";
}

// An element that a deletion would cut out of an interval that nft made of several.
bool merges(const NativePart& set) {
  return std::ranges::find(set.facts, std::string_view("auto-merge")) != set.facts.end();
}

void write_set(const NativeTable& table, const NativePart& from, const NativePart& to, std::string& out) {
  std::vector<std::string_view> gone;
  std::vector<std::string_view> come;
  // By text: the comment of an element is a part of what it shall be.
  auto olds = from.elements;
  auto news = to.elements;
  std::ranges::sort(olds);
  std::ranges::sort(news);
  std::ranges::set_difference(olds, news, std::back_inserter(gone));
  std::ranges::set_difference(news, olds, std::back_inserter(come));
  if (merges(to) && !gone.empty()) {
    out += format("flush set {} {}\n", table.title(), to.name);
    return write_elements("add", table, to, to.elements, out);
  }
  write_elements("delete", table, to, gone, out);
  write_elements("add", table, to, come, out);
}

void write_chains(const NativeTable& from, const NativeTable& to, std::string& out) {
  std::string chains;
  for (std::size_t i = 0; i < to.parts.size(); ++i) {
    const auto& part = to.parts[i];
    if (!part.is_chain() || part.text == from.parts[i].text) continue;
    if (!from.parts[i].rules.empty()) out += format("flush chain {} {}\n", to.title(), part.name);
    chains += format("\tchain {} {{\n", part.name);
    if (part.policy() != from.parts[i].policy()) chains += format("\t\tpolicy {};\n", part.policy());
    for (const auto rule : part.rules) chains.append("\t\t").append(rule).append("\n");
    chains += "\t}\n";
  }
  // Elements jump to chains and rules name sets: both are there all the time.
  for (std::size_t i = 0; i < to.parts.size(); ++i) {
    const auto& part = to.parts[i];
    if (!part.is_chain() && part.text != from.parts[i].text) write_set(to, from.parts[i], part, out);
  }
  if (chains.empty()) return;
  // A table that is named without its flags loses them.
  std::string facts;
  for (const auto fact : to.facts) facts.append("\t").append(fact).append("\n");
  out += format("table {} {{\n{}{}}}\n", to.title(), facts, chains);
}

}  // namespace

std::string native_script(const NativeTables& from, const NativeTables& to, bool known) {
  std::string out;
  for (const auto& table : from.tables)
    if (to.find(table.family, table.name) == nullptr) out += format("delete table {}\n", table.title());
  for (const auto& table : to.tables) {
    const auto* old = from.find(table.family, table.name);
    if (old != nullptr && same_native_text(*old, table)) continue;
    if (old != nullptr && can_stay(*old, table)) {
      write_chains(*old, table, out);
      continue;
    }
    // One of iptables' name may be there in the words of iptables, or without anything in it.
    const bool may_be_there = !known || (old == nullptr && iptables_family(table));
    if (may_be_there) out += format("table {}\n", table.title());
    if (may_be_there || old != nullptr) out += format("delete table {}\n", table.title());
    out += print_native(table);
  }
  return out;
}

}  // namespace rewall
