#include "rules/table_forms.h"

#include <algorithm>

#include "core/format.h"
#include "core/text.h"
#include "rules/print.h"

namespace rewall {
namespace {

/// The slot that holds the tables of iptables-nft; absent where the legacy backend has them all.
std::optional<Slot> slot_of_nft(const Ruleset& ruleset, Family family) {
  if (ruleset.backend != Backend::nft) return std::nullopt;
  return Slot{family, false};
}

template <class Text>
void append_all(std::vector<Text>& to, const std::vector<Text>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

std::optional<Family> iptables_family(NativeFamily family, std::string_view table) {
  if (family != NativeFamily::ip && family != NativeFamily::ip6) return std::nullopt;
  if (built_in_chains(table).empty()) return std::nullopt;
  return family == NativeFamily::ip ? Family::ipv4 : Family::ipv6;
}

NativeFamily native_family(Family family) {
  return family == Family::ipv4 ? NativeFamily::ip : NativeFamily::ip6;
}

const NativeTable* find_in_nft_words(const Ruleset& ruleset, Family family, std::string_view table) {
  if (!ruleset.native || built_in_chains(table).empty()) return nullptr;
  return ruleset.native->find(native_family(family), table);
}

std::optional<std::string> first_in_nft_words(const Ruleset& ruleset) {
  if (!ruleset.native) return std::nullopt;
  for (const NativeTable& table : ruleset.native->tables)
    if (iptables_family(table)) return table.title();
  return std::nullopt;
}

bool holds_in_nft_words(std::string_view text) {
  constexpr std::string_view kTable = "table ";
  return std::ranges::any_of(split_lines(text), [&](std::string_view line) {
    if (!line.starts_with(kTable)) return false;
    const auto words = split(line.substr(kTable.size()), ' ');
    const auto family = native_family(words.front());
    return words.size() > 1 && family && iptables_family(*family, words[1]);
  });
}

std::vector<std::pair<Family, std::string>> tables_in_different_forms(const Ruleset& a, const Ruleset& b) {
  std::vector<std::pair<Family, std::string>> found;
  const auto look = [&](const Ruleset& by_nft, const Ruleset& other) {
    if (!by_nft.native) return;
    for (const NativeTable& table : by_nft.native->tables) {
      const auto family = iptables_family(table);
      const Table* same = family ? other.tables(*family, Backend::nft).find(table.name) : nullptr;
      if (same != nullptr && !is_empty(*same)) found.emplace_back(*family, table.name);
    }
  };
  look(a, b);
  look(b, a);
  return found;
}

bool means_table(std::string_view name, std::string_view title) {
  if (name == title) return true;
  const auto blank = title.find(' ');
  const auto family = native_family(title.substr(0, blank));
  return family && blank != std::string_view::npos && title.substr(blank + 1) == name &&
         iptables_family(*family, name);
}

std::optional<std::string> table_in_both_forms(const Ruleset& ruleset) {
  if (!ruleset.native) return std::nullopt;
  for (const NativeTable& table : ruleset.native->tables) {
    const auto family = iptables_family(table);
    const auto slot = family ? slot_of_nft(ruleset, *family) : std::nullopt;
    const Table* other = slot ? ruleset[*slot].find(table.name) : nullptr;
    if (other != nullptr && !is_empty(*other)) return table.title();
  }
  return std::nullopt;
}

bool is_in_words_of_nft(std::string_view rule) {
  return !rule.empty() && rule.front() != '-' && rule.front() != '!';
}

void remove_table(Ruleset& ruleset, Family family, std::string_view table) {
  if (const auto slot = slot_of_nft(ruleset, family))
    std::erase_if(ruleset[*slot].tables, [&](const Table& one) { return one.name == table; });
  if (ruleset.native && !built_in_chains(table).empty())
    std::erase_if(ruleset.native->tables, [&](const NativeTable& one) {
      return one.family == native_family(family) && one.name == table;
    });
}

void take_table(Ruleset& ruleset, const Ruleset& wanted, Family family, std::string_view table) {
  remove_table(ruleset, family, table);
  if (const NativeTable* found = find_in_nft_words(wanted, family, table)) {
    if (!ruleset.native) ruleset.native.emplace();
    ruleset.native->tables.push_back(*found);
    append_all(ruleset.native->texts, wanted.native->texts);
    ruleset.native->sort();
    return;
  }
  const Tables& tables = wanted.tables(family, Backend::nft);
  const Table* found = tables.find(table);
  const auto slot = slot_of_nft(ruleset, family);
  if (found == nullptr || !slot) return;
  ruleset[*slot].tables.push_back(*found);
  append_all(ruleset[*slot].texts, tables.texts);
}

void remove_in_nft_words(Ruleset& ruleset, Family family) {
  if (!ruleset.native) return;
  std::erase_if(ruleset.native->tables,
                [&](const NativeTable& table) { return iptables_family(table) == family; });
}

}  // namespace rewall
