#include "rules/text_delta.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "rules/owners.h"
#include "rules/print.h"

namespace rewall {
namespace {

// A table of a canonical text: "*filter\n", the lines of its chains, those of its rules, "COMMIT\n".
struct Section {
  std::string_view name{};
  std::string_view built_in{};  // the lines of the built-in chains
  std::string_view chains{};    // those of the others
  std::string_view rules{};
  std::string_view whole{};
};

std::string_view first_line(std::string_view text) {
  return text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
}

// Of the last rule's line; memmem(3), as std::string_view::find stops at each line.
std::size_t end_of_rules(std::string_view text) {
  constexpr std::string_view kEnd = "\nCOMMIT\n";
  const void* found = ::memmem(text.data(), text.size(), kEnd.data(), kEnd.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

std::optional<Section> take_section(std::string_view& text) {
  if (!text.starts_with('*')) return std::nullopt;
  const auto end = text.starts_with("COMMIT\n") ? 0 : end_of_rules(text);
  if (end == std::string_view::npos) return std::nullopt;
  Section section{.whole = text.substr(0, end + 8)};
  text.remove_prefix(section.whole.size());
  auto rest = section.whole.substr(0, section.whole.size() - 7);
  const auto head = first_line(rest);
  section.name = head.substr(1, head.size() - 2);
  rest.remove_prefix(head.size());
  const auto* begin = rest.data();
  while (rest.starts_with(':') && first_line(rest).find(" - [") == std::string_view::npos) {
    rest.remove_prefix(first_line(rest).size());
  }
  section.built_in = {begin, static_cast<std::size_t>(rest.data() - begin)};
  begin = rest.data();
  while (rest.starts_with(':')) rest.remove_prefix(first_line(rest).size());
  section.chains = {begin, static_cast<std::size_t>(rest.data() - begin)};
  section.rules = rest;
  return section;
}

std::vector<Section> sections(std::string_view text) {
  std::vector<Section> all;
  while (auto section = take_section(text)) all.push_back(*section);
  if (!text.empty()) all.clear();  // not canonical
  return all;
}

std::size_t common_length(std::string_view a, std::string_view b) {
  constexpr std::size_t kBlock = 1024;
  const auto most = std::min(a.size(), b.size());
  std::size_t n = 0;
  while (n + kBlock <= most && std::memcmp(a.data() + n, b.data() + n, kBlock) == 0) n += kBlock;
  while (n < most && a[n] == b[n]) ++n;
  return n;
}

std::size_t common_end(std::string_view a, std::string_view b) {
  constexpr std::size_t kBlock = 1024;
  const auto most = std::min(a.size(), b.size());
  const auto* end_a = a.data() + a.size();
  const auto* end_b = b.data() + b.size();
  std::size_t n = 0;
  while (n + kBlock <= most && std::memcmp(end_a - n - kBlock, end_b - n - kBlock, kBlock) == 0) n += kBlock;
  while (n < most && *(end_a - n - 1) == *(end_b - n - 1)) ++n;
  return n;
}

// The chain of the rule that begins at `at`; empty at the end.
std::string_view chain_at(std::string_view rules, std::size_t at) {
  if (at + 3 > rules.size()) return {};
  const auto line = rules.substr(at + 3);
  return line.substr(0, line.find_first_of(" \n"));
}

// Walks the rules of one side, chain by chain.
class Cursor {
 public:
  explicit Cursor(std::string_view rules) : rules_(rules) {}

  std::string_view rest() const { return rules_.substr(at_); }
  std::string_view chain() const { return chain_at(rules_, at_); }
  void skip(std::size_t bytes) { at_ += bytes; }

  // Back to where the line that `at` is in begins.
  std::size_t line_begin(std::size_t offset) const {
    const auto at = at_ + offset;
    const auto end = at == 0 ? std::string_view::npos : rules_.rfind('\n', at - 1);
    return (end == std::string_view::npos ? 0 : end + 1) - at_;
  }

  // Takes the whole chain around the cursor: its rules before and behind.
  std::string_view take(std::string_view chain) {
    auto begin = at_;
    while (begin > 0) {
      const auto before = begin < 2 ? std::string_view::npos : rules_.rfind('\n', begin - 2);
      const auto line = before == std::string_view::npos ? 0 : before + 1;
      if (chain_at(rules_, line) != chain) break;
      begin = line;
    }
    while (at_ < rules_.size() && chain_at(rules_, at_) == chain) {
      at_ = std::min(rules_.find('\n', at_), rules_.size() - 1) + 1;
    }
    return rules_.substr(begin, at_ - begin);
  }

 private:
  std::string_view rules_;
  std::size_t at_ = 0;
};

struct DifferingRules {
  std::set<std::string> chains{};
  std::string from{};
  std::string to{};
};

std::unordered_set<std::string_view> names_of(std::string_view chains) {
  std::unordered_set<std::string_view> names;
  for (; !chains.empty(); chains.remove_prefix(first_line(chains).size()))
    names.insert(chains.substr(1, chains.find(' ') - 1));
  return names;
}

// Where rules lead they need a chain to be there.
void add_targets(std::string_view rules, const std::unordered_set<std::string_view>& declared,
                 std::set<std::string>& chains) {
  for (; !rules.empty(); rules.remove_prefix(first_line(rules).size())) {
    auto line = first_line(rules);
    line.remove_suffix(1);
    if (auto target = jump_of(line); declared.contains(target)) chains.insert(std::move(target));
  }
}

DifferingRules differing_rules(const Section& from, const Section& to) {
  const auto built_in = built_in_chains(from.name);
  DifferingRules out;
  Cursor one(from.rules);
  Cursor two(to.rules);
  while (one.rest() != two.rest()) {
    const auto common = one.line_begin(common_length(one.rest(), two.rest()));
    one.skip(common);
    two.skip(common);
    // A side that has no more chains comes last.
    const bool first =
        two.chain().empty() || (!one.chain().empty() && !comes_before(two.chain(), one.chain(), built_in));
    const std::string chain(first ? one.chain() : two.chain());
    out.from += one.take(chain);
    out.to += two.take(chain);
    if (std::ranges::find(built_in, chain) == built_in.end()) out.chains.insert(chain);
  }
  const auto declared = names_of(from.chains);
  add_targets(out.from, declared, out.chains);
  add_targets(out.to, declared, out.chains);
  return out;
}

void append_table(std::string& text, const Section& section, const std::set<std::string>& chains,
                  std::string_view rules) {
  text.append("*").append(section.name).append("\n").append(section.built_in);
  for (const auto& chain : chains) text.append(":").append(chain).append(" - [0:0]\n");
  text.append(rules).append("COMMIT\n");
}

// The name of the table that the line at `at` stands in.
std::string_view table_at(std::string_view text, std::size_t at) {
  std::size_t begin = 0;
  for (auto end = end_of_rules(text); end != std::string_view::npos && begin + end + 8 <= at;
       end = end_of_rules(text.substr(begin)))
    begin += end + 8;
  const auto line = first_line(text.substr(begin));
  return line.size() > 2 && line.starts_with('*') ? line.substr(1, line.size() - 2) : std::string_view{};
}

// The chain of the line before `at`, and how many lines before that it goes on; memrchr(3), as
// std::string_view::rfind looks at each byte.
std::pair<std::string_view, std::size_t> chain_before(std::string_view text, std::size_t at) {
  std::string_view start;  // "-A CHAIN "
  std::size_t lines = 0;
  for (; at > 1; ++lines) {
    const void* end = ::memrchr(text.data(), '\n', at - 1);
    const auto begin =
        end == nullptr ? 0 : static_cast<std::size_t>(static_cast<const char*>(end) - text.data()) + 1;
    const auto line = text.substr(begin, at - begin);
    if (start.empty() && line.starts_with("-A ")) start = line.substr(0, chain_at(line, 0).size() + 4);
    if (start.empty() || !line.starts_with(start)) break;
    at = begin;
  }
  return {start.empty() ? start : start.substr(3, start.size() - 4), lines};
}

// False where there is more than rules.
bool add_rules(std::string_view stretch, Table& table) {
  for (; !stretch.empty(); stretch.remove_prefix(first_line(stretch).size())) {
    auto line = first_line(stretch);
    const auto name = chain_at(line, 0);
    if (!line.starts_with("-A ") || !line.ends_with('\n') || line.size() < name.size() + 5) return false;
    line.remove_suffix(1);
    if (table.chains.empty() || table.chains.back().name != name)
      table.chains.push_back(Chain{.name = std::string(name), .policy = "-"});
    table.chains.back().rules.push_back(Rule{.words = line.substr(name.size() + 4)});
  }
  return true;
}

void add_chains(Table& table, const Table& other, const std::vector<std::string>& built_in) {
  std::unordered_set<std::string_view> there;
  for (const auto& chain : table.chains) there.insert(chain.name);
  std::vector<Chain> missing;
  for (const auto& chain : other.chains) {
    if (!there.contains(chain.name)) missing.push_back(Chain{.name = chain.name, .policy = chain.policy});
  }
  std::ranges::move(missing, std::back_inserter(table.chains));
  for (auto& chain : table.chains) {
    if (std::ranges::find(built_in, chain.name) != built_in.end()) chain.policy = "ACCEPT";
  }
}

bool without_counters(std::string_view chains) {
  for (; !chains.empty(); chains.remove_prefix(first_line(chains).size())) {
    if (!first_line(chains).ends_with(" [0:0]\n")) return false;
  }
  return true;
}

bool rules_in_order(const Section& section) {
  const auto built_in = built_in_chains(section.name);
  std::string_view last;
  for (auto rules = section.rules; !rules.empty(); rules.remove_prefix(first_line(rules).size())) {
    if (!rules.starts_with("-A ")) return false;
    const auto rest = rules.substr(3);
    if (!last.empty() && rest.starts_with(last) && rest.substr(last.size()).starts_with(' ')) continue;
    const auto chain = chain_at(rules, 0);
    if (chain.empty() || (!last.empty() && !comes_before(last, chain, built_in))) return false;
    last = chain;
  }
  return without_counters(section.built_in) && without_counters(section.chains);
}

void replace_chains(Table& table, const Table* from, const Table& to) {
  const ChainIndex before(from);
  const ChainIndex after(&to);
  std::erase_if(table.chains, [&](const Chain& chain) {
    return before.find(chain.name) != nullptr && after.find(chain.name) == nullptr;
  });
  std::unordered_map<std::string_view, Chain*> places;
  for (Chain& chain : table.chains) places.emplace(chain.name, &chain);
  std::vector<const Chain*> added;
  for (const Chain& chain : to.chains) {
    const auto place = places.find(chain.name);
    const Chain* old = before.find(chain.name);
    if (place == places.end()) {
      added.push_back(&chain);
      continue;
    }
    place->second->policy = chain.policy;
    // A chain without its rules stands for one that both sides share.
    if (old != nullptr && old->rules.empty() && chain.rules.empty()) continue;
    place->second->rules = chain.rules;
  }
  for (const Chain* chain : added) table.chains.push_back(*chain);
}

void replace_tables(Tables& tables, const Tables& from, const Tables& to) {
  std::erase_if(tables.tables, [&](const Table& table) {
    return from.find(table.name) != nullptr && to.find(table.name) == nullptr;
  });
  for (const Table& table : to.tables) {
    const auto place = std::ranges::find(tables.tables, table.name, &Table::name);
    if (place == tables.tables.end()) {
      tables.tables.push_back(table);
    } else {
      replace_chains(*place, from.find(table.name), table);
    }
  }
  tables.texts.insert(tables.texts.end(), to.texts.begin(), to.texts.end());
}

}  // namespace

bool is_canonical(std::string_view text) {
  const auto tables = sections(text);
  if (tables.empty()) return text.empty();
  return std::ranges::is_sorted(tables, std::ranges::less_equal{},
                                [](const Section& section) { return table_rank(section.name); }) &&
         std::ranges::all_of(tables, rules_in_order);
}

Ruleset with_differing_chains(Ruleset whole, const Ruleset& from, const Ruleset& to) {
  for (const Slot slot : Ruleset::slots()) replace_tables(whole[slot], from[slot], to[slot]);
  whole.sets = to.sets;
  whole.backend = to.backend;
  return whole;
}

std::optional<DifferingStretch> differing_stretch(std::string_view from, std::string_view to) {
  auto begin = common_length(from, to);
  begin = begin == 0 ? 0 : from.rfind('\n', begin - 1) + 1;
  auto end = common_end(from.substr(begin), to.substr(begin));
  const auto at_line = [&](std::string_view text) {
    const auto at = text.size() - end;
    return at == begin || text[at - 1] == '\n';
  };
  if (!at_line(from) || !at_line(to)) end -= first_line(from.substr(from.size() - end)).size();
  DifferingStretch out;
  out.from.name = out.to.name = table_at(from, begin);
  if (out.to.name.empty() || !add_rules(from.substr(begin, from.size() - end - begin), out.from) ||
      !add_rules(to.substr(begin, to.size() - end - begin), out.to))
    return std::nullopt;
  const auto built_in = built_in_chains(out.to.name);
  add_chains(out.from, out.to, built_in);
  add_chains(out.to, out.from, built_in);
  const auto [chain, lines] = chain_before(from, begin);
  out.chain = chain;
  out.before = lines;
  return out;
}

std::pair<std::string, std::string> differing_chains(std::string_view from, std::string_view to) {
  if (from == to) return {};
  const auto ones = sections(from);
  const auto twos = sections(to);
  const bool same_tables = std::ranges::equal(ones, twos, {}, &Section::name, &Section::name);
  if (!same_tables || ones.empty()) return {std::string(from), std::string(to)};
  std::pair<std::string, std::string> out;
  for (std::size_t i = 0; i < ones.size(); ++i) {
    if (ones[i].whole == twos[i].whole) continue;
    if (ones[i].chains != twos[i].chains) {
      out.first += ones[i].whole;
      out.second += twos[i].whole;
      continue;
    }
    const auto differing = differing_rules(ones[i], twos[i]);
    append_table(out.first, ones[i], differing.chains, differing.from);
    append_table(out.second, twos[i], differing.chains, differing.to);
  }
  return out;
}

}  // namespace rewall
