#include "diff/native_diff.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "diff/rules_diff.h"
#include "rules/native_meaning.h"
#include "rules/nft_as_iptables.h"
#include "rules/print.h"
#include "rules/rule.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

// A chain has other changes for its policy.
std::string fact_without_policy(std::string_view fact) {
  const auto at = fact.starts_with("type ") ? fact.find("; policy ") : std::string_view::npos;
  return std::string(at == std::string_view::npos ? fact : fact.substr(0, at + 1));
}

/// The facts of a table, a chain or an object.
struct Facts {
  /// By name: "flags" is "interval"; of a base chain "type", "hook", "device" and "priority" too.
  struct Fact {
    std::string value{};
    std::string meaning{};
  };
  std::map<std::string, Fact> by_name{};
  std::vector<std::string> words{};

  std::string text() const { return join(words, "; "); }
};

// Names a word of the hook ("type filter hook input device \"eth0\" priority filter").
bool names_hook_word(std::string_view word) {
  return word == "type" || word == "hook" || word == "device" || word == "devices" || word == "priority";
}

void add_fact(Facts& facts, const std::string& name, const std::string& value, const std::string& whole,
              NativeFamily family) {
  auto& fact = facts.by_name[name];
  fact.value += (fact.value.empty() ? "" : ", ") + value;
  fact.meaning += native_fact_meaning(whole, family) + '\n';
}

Facts facts_of(const std::vector<std::string_view>& all, NativeFamily family, bool chain) {
  Facts out;
  for (const auto fact : all) {
    const auto words = chain ? fact_without_policy(fact) : std::string(fact);
    if (native_fact_meaning(words, family).empty()) continue;
    out.words.push_back(words);
    const auto blank = std::min(words.find(' '), words.size());
    if (!chain || !words.starts_with("type ")) {
      add_fact(out, words.substr(0, blank), words.substr(std::min(blank + 1, words.size())), words, family);
      continue;
    }
    std::string name;
    std::string value;
    const auto end = [&] {
      if (!name.empty()) add_fact(out, name, value, name + ' ' + value, family);
      value.clear();
    };
    for (const auto word : split(std::string_view(words).substr(0, words.find(';')), ' ')) {
      if (names_hook_word(word)) {
        end();
        name = word;
      } else {
        value.append(value.empty() ? "" : " ").append(word);
      }
    }
    end();
  }
  return out;
}

std::vector<PartChange> differing_facts(const Facts& from, const Facts& to) {
  std::vector<PartChange> out;
  for (const auto& [name, fact] : from.by_name) {
    const auto other = to.by_name.find(name);
    if (other == to.by_name.end()) {
      out.push_back({.part = name, .from = fact.value});
    } else if (other->second.meaning != fact.meaning) {
      out.push_back({.part = name, .from = fact.value, .to = other->second.value});
    }
  }
  for (const auto& [name, fact] : to.by_name) {
    if (!from.by_name.contains(name)) out.push_back({.part = name, .to = fact.value});
  }
  return out;
}

class NativeRules final : public RuleReader {
 public:
  explicit NativeRules(const NativeRenames& renames) : renames_(renames) {}

  Meaning meaning(std::string_view words) const override { return native_meaning(words); }
  std::vector<NamedPart> parts(std::string_view words) const override { return native_parts(words); }
  bool interchangeable(std::string_view a, std::string_view b) const override {
    return native_interchangeable(a, b);
  }
  std::optional<std::string> renamed(std::string_view words) const override {
    if (renames_.empty()) return std::nullopt;
    return with_new_names(words, renames_);
  }
  std::string shown_comment(const std::string& comment) const override { return '"' + comment + '"'; }
  std::string_view comment_part() const override { return "comment"; }

 private:
  const NativeRenames& renames_;
};

std::string in_one_line(const std::string& rule) {
  return is_in_words_of_nft(rule) ? native_rule_words(rule) : rule;
}

struct NativePartName {
  std::string_view kind{};
  std::string_view name{};
  auto operator<=>(const NativePartName&) const = default;
};

using PartsOfTable = std::map<NativePartName, const NativePart*>;

PartsOfTable parts_of(const NativeTable& table) {
  PartsOfTable out;
  for (const auto& part : table.parts) out.emplace(NativePartName{part.kind, part.name}, &part);
  return out;
}

const NativePart* find_part(const PartsOfTable& parts, const NativePart& like) {
  const auto found = parts.find({like.kind, like.name});
  return found == parts.end() ? nullptr : found->second;
}

void sort_by_text(std::vector<std::string_view>& elements) {
  if (!std::ranges::is_sorted(elements)) std::ranges::sort(elements);
}

std::vector<PartChange> element_parts(const ElementChanges& elements) {
  std::vector<PartChange> out;
  out.reserve(elements.removed.size() + elements.added.size());
  for (const auto element : elements.removed) out.push_back({.part = "member", .from = std::string(element)});
  for (const auto element : elements.added) out.push_back({.part = "member", .to = std::string(element)});
  const auto words = [](const PartChange& part) -> const std::string& {
    return part.from ? *part.from : *part.to;
  };
  std::ranges::stable_sort(out, {}, words);
  return out;
}

Change place_of(const NativeTable& table) {
  Change place;
  place.native = table.family;
  place.table = table.name;
  return place;
}

class TableComparison {
 public:
  TableComparison(const NativeTable& from, const NativeTable& to, Diff& out)
      : TableComparison(from, to, place_of(to), nullptr, out) {}
  /// `place` says whose the table and its chains are. `reader` reads the rules; null: they are in the words
  /// of nft.
  TableComparison(const NativeTable& from, const NativeTable& to, Change place, const RuleReader* reader,
                  Diff& out)
      : from_(from),
        to_(to),
        old_parts_(parts_of(from)),
        new_parts_(parts_of(to)),
        reader_(reader),
        out_(out),
        place_(std::move(place)) {}

  void run() {
    compare_facts(place_, from_.facts, to_.facts, ChangeKind::table_changed, false);
    if (from_.parts.size() == to_.parts.size()) note_order();
    for (const auto& part : to_.parts)
      if (!part.is_chain()) compare_object(find_part(old_parts_, part), &part);
    for (const auto& part : from_.parts)
      if (!part.is_chain() && find_part(new_parts_, part) == nullptr) compare_object(&part, nullptr);
    find_renamed();
    for (const auto& part : to_.parts) {
      if (!part.is_chain()) continue;
      const auto was = renamed_from_.find(part.name);
      compare_chain(was != renamed_from_.end() ? was->second : find_part(old_parts_, part), &part);
    }
    for (const auto& part : from_.parts) {
      if (part.is_chain() && find_part(new_parts_, part) == nullptr && !renames_.contains(part.name))
        compare_chain(&part, nullptr);
    }
  }

 private:
  Change& report(const Change& place, ChangeKind kind) {
    auto& change = out_.changes.emplace_back(place);
    change.kind = kind;
    return change;
  }

  void note_order() {
    const auto same_name = [](const NativePart& a, const NativePart& b) {
      return a.kind == b.kind && a.name == b.name;
    };
    if (!std::ranges::equal(from_.parts, to_.parts, same_name)) out_.respelled = true;
  }

  void compare_facts(const Change& place, const std::vector<std::string_view>& from,
                     const std::vector<std::string_view>& to, ChangeKind kind, bool chain) {
    if (from == to) return;
    const auto before = facts_of(from, to_.family, chain);
    const auto after = facts_of(to, to_.family, chain);
    auto parts = differing_facts(before, after);
    if (parts.empty()) {
      if (before.words != after.words) out_.respelled = true;
      return;
    }
    auto& change = report(place, kind);
    change.from = before.text();
    change.to = after.text();
    change.parts = std::move(parts);
  }

  void compare_object(const NativePart* from, const NativePart* to) {
    const auto& part = to != nullptr ? *to : *from;
    Change place = place_of(to_);
    place.set = part.name;
    place.object = part.kind;
    if (from == nullptr || to == nullptr) {
      auto& change = report(place, from == nullptr ? ChangeKind::set_added : ChangeKind::set_removed);
      (from == nullptr ? change.to : change.from) = facts_of(part.facts, to_.family, false).text();
      change.parts = element_parts(from == nullptr ? ElementChanges{.added = part.elements}
                                                   : ElementChanges{.removed = part.elements});
      return;
    }
    if (from->text == to->text) return;
    compare_facts(place, from->facts, to->facts, ChangeKind::set_changed, false);
    if (from->elements == to->elements) return;
    const auto elements = compare_elements(*from, *to);
    if (elements.empty()) {
      out_.respelled = true;
      return;
    }
    report(place, ChangeKind::members).parts = element_parts(elements);
  }

  // By the text of rules and facts. A chain without rules has nothing to know it by.
  void find_renamed() {
    const auto body = [](const NativePart& part) {
      return part.text.substr(std::min(part.text.find('\n'), part.text.size()));
    };
    std::unordered_map<std::string_view, std::vector<const NativePart*>> gone;
    for (auto part = from_.parts.rbegin(); part != from_.parts.rend(); ++part) {
      if (part->is_chain() && !part->rules.empty() && find_part(new_parts_, *part) == nullptr)
        gone[body(*part)].push_back(&*part);
    }
    if (gone.empty()) return;
    for (const auto& part : to_.parts) {
      if (!part.is_chain() || find_part(old_parts_, part) != nullptr) continue;
      const auto found = gone.find(body(part));
      if (found == gone.end() || found->second.empty()) continue;
      renamed_from_.emplace(part.name, found->second.back());
      renames_.emplace(found->second.back()->name, part.name);
      found->second.pop_back();
    }
  }

  void compare_chain(const NativePart* from, const NativePart* to) {
    static const NativePart kNoChain{};
    Change place = place_;
    place.chain = (to != nullptr ? to : from)->name;
    if (from == nullptr) {
      report(place, ChangeKind::chain_added).to = place.chain;
    } else if (to == nullptr) {
      report(place, ChangeKind::chain_removed).from = place.chain;
    } else if (from->name != to->name) {
      auto& change = report(place, ChangeKind::chain_renamed);
      change.from = from->name;
      change.to = to->name;
    } else if (from->text == to->text && renames_.empty()) {
      return;
    }
    if (from != nullptr && to != nullptr) {
      compare_facts(place, from->facts, to->facts, ChangeKind::table_changed, true);
      if (from->policy() != to->policy() && !from->policy().empty() && !to->policy().empty()) {
        auto& change = report(place, ChangeKind::policy);
        change.from = from->policy();
        change.to = to->policy();
      }
    }
    const auto& before = from != nullptr ? *from : kNoChain;
    const auto& after = to != nullptr ? *to : kNoChain;
    const auto first = out_.changes.size();
    const NativeRules rules(renames_);
    compare_rules(before.rules, after.rules, place, reader_ != nullptr ? *reader_ : rules, out_);
    // The same parts in another order: a limit in front of a counter is not one behind it.
    for (auto i = first; i < out_.changes.size(); ++i) {
      auto& change = out_.changes[i];
      if (change.kind == ChangeKind::changed && change.parts.empty())
        change.parts.push_back(
            {.part = "order", .from = in_one_line(*change.from), .to = in_one_line(*change.to)});
    }
  }

  const NativeTable& from_;
  const NativeTable& to_;
  PartsOfTable old_parts_;
  PartsOfTable new_parts_;
  const RuleReader* reader_;
  Diff& out_;
  Change place_;
  NativeRenames renames_{};
  std::map<std::string_view, const NativePart*> renamed_from_{};
};

struct NativeTablePair {
  const NativeTable* from = nullptr;
  const NativeTable* to = nullptr;
};

void compare_table(const NativeTablePair& pair, Diff& out) {
  const auto& table = pair.to != nullptr ? *pair.to : *pair.from;
  const NativeTable none{.family = table.family, .name = table.name};
  if (pair.from != nullptr && pair.to != nullptr) return TableComparison(*pair.from, *pair.to, out).run();
  auto& change = out.changes.emplace_back();
  change.kind = pair.from == nullptr ? ChangeKind::table_added : ChangeKind::table_removed;
  change.native = table.family;
  change.table = table.name;
  (pair.from == nullptr ? change.to : change.from) = facts_of(table.facts, table.family, false).text();
  auto bare = table;
  bare.facts.clear();
  if (pair.from == nullptr) {
    TableComparison(none, bare, out).run();
  } else {
    TableComparison(bare, none, out).run();
  }
}

/// Rules of a table that has its two forms on the two sides: those of nft are read by what they are in the
/// words of iptables, where these can say them.
class RulesOfBothForms final : public RuleReader {
 public:
  explicit RulesOfBothForms(Family family) : family_(family) {}

  Meaning meaning(std::string_view words) const override {
    const auto of_iptables = said(words);
    return of_iptables ? rewall::meaning(*of_iptables, family_) : native_meaning(words);
  }
  std::vector<NamedPart> parts(std::string_view words) const override {
    const auto of_iptables = said(words);
    return of_iptables ? named_parts(*of_iptables, family_) : native_parts(words);
  }
  bool interchangeable(std::string_view a, std::string_view b) const override {
    const auto one = said(a);
    const auto other = said(b);
    if (one && other) return rewall::interchangeable(*one, *other, family_);
    return !one && !other && native_interchangeable(a, b);
  }
  std::optional<std::string> renamed(std::string_view) const override { return std::nullopt; }
  std::string shown_comment(const std::string& comment) const override { return quote_word(comment); }
  std::string_view comment_part() const override { return "--comment"; }

 private:
  static std::optional<std::string> said(std::string_view words) {
    if (!is_in_words_of_nft(words)) return std::string(words);
    return words == "counter" ? std::string() : in_words_of_iptables(words);
  }

  Family family_;
};

/// What nft says of a base chain that iptables makes. The priority is a number.
std::string facts_of_built_in(std::string_view table, std::string_view chain) {
  const auto type = table == "nat" ? "nat" : table == "mangle" && chain == "OUTPUT" ? "route" : "filter";
  return format("type {} hook {} priority {};", type, lower(chain),
                built_in_priority(table, chain, Backend::nft).value_or(0));
}

bool is_open_and_empty(const Chain& chain) {
  return chain.built_in() && chain.policy == "ACCEPT" && chain.rules.empty();
}

/// A table of iptables as one of nft, with its rules in the words of iptables. A built-in chain that `other`
/// lacks is left out where it does nothing.
NativeTable shaped_as(const NativeTable& other, const Table& table,
                      std::vector<std::shared_ptr<const std::string>>& texts) {
  NativeTable out{.family = other.family, .name = other.name};
  const auto add = [&](const Chain& chain) {
    NativePart part{.kind = "chain",
                    .name = *texts.emplace_back(std::make_shared<const std::string>(chain.name))};
    if (chain.built_in())
      part.facts.emplace_back(*texts.emplace_back(std::make_shared<const std::string>(
          format("{} policy {};", facts_of_built_in(table.name, chain.name),
                 chain.policy == "DROP" ? "drop" : "accept"))));
    for (const Rule& rule : chain.rules) part.rules.push_back(rule.words);
    out.parts.push_back(std::move(part));
  };
  for (const Chain& chain : table.chains)
    if (!is_open_and_empty(chain) || other.find("chain", chain.name) != nullptr) add(chain);
  for (const auto& name : built_in_chains(table.name)) {
    if (table.find(name) == nullptr && other.find("chain", name) != nullptr)
      add({.name = name, .policy = "ACCEPT"});
  }
  return out;
}

}  // namespace

void compare_forms(const Ruleset& from, const Ruleset& to, Family family, std::string_view table, Diff& out) {
  const NativeTable* was_native = find_in_nft_words(from, family, table);
  const NativeTable* native = was_native != nullptr ? was_native : find_in_nft_words(to, family, table);
  const Table* other = (was_native != nullptr ? to : from).tables(family, Backend::nft).find(table);
  if (native == nullptr || other == nullptr) return;
  std::vector<std::shared_ptr<const std::string>> texts;
  const NativeTable shaped = shaped_as(*native, *other, texts);
  Change place;
  if (was_native == nullptr) {
    place = place_of(*native);
  } else {
    place.family = family;
    place.backend = Backend::nft;
    place.table = table;
  }
  const bool goes = was_native == nullptr;
  const auto first = out.changes.size();
  const RulesOfBothForms reader(family);
  TableComparison(goes ? shaped : *native, goes ? *native : shaped, place, &reader, out).run();
  for (auto i = first; i < out.changes.size(); ++i) {
    auto& change = out.changes[i];
    if (goes || change.kind != ChangeKind::policy) continue;
    for (auto* policy : {&change.from, &change.to}) *policy = **policy == "drop" ? "DROP" : "ACCEPT";
  }
  // A subject names what comes first.
  auto& form = out.changes.emplace_back(place);
  form.kind = ChangeKind::table_changed;
  form.parts.push_back({.part = "form", .from = goes ? "iptables" : "nft", .to = goes ? "nft" : "iptables"});
}

ElementChanges compare_elements(const NativePart& from, const NativePart& to) {
  ElementChanges out{.removed = from.elements, .added = to.elements};
  const auto [from_begin, to_begin] = std::ranges::mismatch(out.removed, out.added);
  out.removed.erase(out.removed.begin(), from_begin);
  out.added.erase(out.added.begin(), to_begin);
  while (!out.removed.empty() && !out.added.empty() && out.removed.back() == out.added.back()) {
    out.removed.pop_back();
    out.added.pop_back();
  }
  if (out.removed.empty() || out.added.empty()) return out;
  auto olds = out.removed;
  auto news = out.added;
  sort_by_text(olds);
  sort_by_text(news);
  ElementChanges only;
  std::ranges::set_difference(olds, news, std::back_inserter(only.removed));
  std::ranges::set_difference(news, olds, std::back_inserter(only.added));
  if (only.removed.empty() || only.added.empty()) return only;
  // A meaning that both sides have, each as often, is no change.
  std::unordered_multimap<std::string, std::string_view> left;
  for (const auto element : only.removed) left.emplace(native_element_meaning(from, element), element);
  ElementChanges changed;
  for (const auto element : only.added) {
    const auto same = left.find(native_element_meaning(to, element));
    if (same == left.end()) {
      changed.added.push_back(element);
    } else {
      left.erase(same);
    }
  }
  for (const auto& [meaning, element] : left) changed.removed.push_back(element);
  sort_by_text(changed.removed);
  return changed;
}

void compare_native(const NativeTables& from, const NativeTables& to, Diff& out) {
  std::map<std::pair<NativeFamily, std::string_view>, NativeTablePair> tables;
  for (const auto& table : from.tables) tables[{table.family, table.name}].from = &table;
  for (const auto& table : to.tables) tables[{table.family, table.name}].to = &table;
  for (const auto& [name, pair] : tables) compare_table(pair, out);
}

}  // namespace rewall
