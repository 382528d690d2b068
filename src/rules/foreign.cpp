#include "rules/foreign.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/meaning.h"
#include "rules/native_meaning.h"
#include "rules/print.h"
#include "rules/sets.h"
#include "rules/table_forms.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

bool same_rules(const Chain& a, const Chain& b) {
  return std::ranges::equal(a.rules, b.rules, {}, &Rule::words, &Rule::words);
}

// Without an order, which the kernel keeps as it likes.
std::size_t sum_of_members(const Set& set) {
  std::size_t sum = 0;
  for (const auto member : set.members) sum += std::hash<std::string>{}(meaning_of_member(member));
  return sum;
}

bool same_set(const Set& a, const Set& b) {
  return a.members.size() == b.members.size() && meaning_of_options(a) == meaning_of_options(b) &&
         sum_of_members(a) == sum_of_members(b);
}

// Parts by owner, in the order they were met.
class Tally {
 public:
  void add(const Owner& owner, std::size_t ForeignCount::*what) {
    auto found = std::ranges::find(parts_, owner.name, &ForeignCount::owner);
    if (found == parts_.end()) found = parts_.insert(parts_.end(), ForeignCount{.owner = owner.name});
    ++((*found).*what);
  }
  std::vector<ForeignCount> take() { return std::move(parts_); }

 private:
  std::vector<ForeignCount> parts_{};
};

using Index = std::size_t;

// For each rule of `live` the rule of `wanted` that is the same: by words, and where these differ by meaning.
std::vector<std::optional<Index>> pair_rules(const Chain& wanted, const Chain& live, Family family) {
  std::vector<std::optional<Index>> pairs(live.rules.size());
  std::vector<bool> taken(wanted.rules.size(), false);
  const auto pair_by = [&](const std::function<std::string(const Rule&)>& key) {
    std::unordered_map<std::string, std::vector<Index>> places;
    for (Index i = wanted.rules.size(); i-- > 0;) {
      if (!taken[i]) places[key(wanted.rules[i])].push_back(i);
    }
    for (Index i = 0; i < live.rules.size() && !places.empty(); ++i) {
      if (pairs[i]) continue;
      const auto found = places.find(key(live.rules[i]));
      if (found == places.end() || found->second.empty()) continue;
      pairs[i] = found->second.back();
      taken[found->second.back()] = true;
      found->second.pop_back();
    }
  };
  pair_by([](const Rule& rule) { return std::string(rule.words); });
  pair_by([family](const Rule& rule) {
    const auto means =
        is_in_words_of_nft(rule.words) ? native_meaning(rule.words) : meaning(rule.words, family);
    return means.comment + '\n' + means.key;
  });
  return pairs;
}

// What one table is made of while it is merged.
struct Work {
  Family family = Family::ipv4;
  const Table& wanted;
  const Table& live;
  std::vector<const Rule*> from_live{};  // rules whose needs must be met
  std::set<std::string> lost{};          // chains of wanted to which jumps come back
};

class Merge {
 public:
  Merge(const Ruleset& wanted, const Ruleset& live, std::span<const Owner> owners, LostForeign lost)
      : wanted_(wanted), live_(live), rulesets_{&wanted, &live}, ownership_(owners, rulesets_), lost_(lost) {}

  ForeignMerge run() {
    ForeignMerge out;
    merge_slots(out.ruleset);
    merge_native(out.ruleset);
    merge_sets(out.ruleset);
    out.kept = kept_.take();
    out.left_out = left_out_.take();
    out.brought = brought_.take();
    out.notes = std::move(notes_);
    return out;
  }

 private:
  // The owner of a chain of a table of iptables' name, also of a base chain that the owner made there.
  const Owner* owner_of(std::string_view table, std::string_view chain) const {
    return is_built_in(table, chain) ? nullptr : ownership_.of_chain(chain);
  }

  void merge_slots(Ruleset& out) {
    const auto merged = [this](Family family, Backend backend) {
      return merge_tables(wanted_.tables(family, backend), live_.tables(family, backend));
    };
    out.v4 = merged(Family::ipv4, Backend::nft);
    out.v6 = merged(Family::ipv6, Backend::nft);
    const bool nft = wanted_.backend == Backend::nft || !out.v4.tables.empty() || !out.v6.tables.empty();
    out.backend = nft ? Backend::nft : Backend::legacy;
    for (const Family family : {Family::ipv4, Family::ipv6})
      out[{.family = family, .beside = nft}] = merged(family, Backend::legacy);
  }

  Tables merge_tables(const Tables& wanted, const Tables& live) {
    Tables out{.family = wanted.family, .texts = wanted.texts};
    out.texts.insert(out.texts.end(), live.texts.begin(), live.texts.end());
    for (const auto& table : wanted.tables) {
      const Table* there = live.find(table.name);
      out.tables.push_back(merge_table(wanted.family, table, there != nullptr ? *there : Table{}));
    }
    for (const auto& table : live.tables) {
      if (wanted.find(table.name) != nullptr) continue;
      if (&live == &live_.tables(live.family, Backend::nft) &&
          find_in_nft_words(wanted_, live.family, table.name) != nullptr)
        continue;
      auto merged = merge_table(wanted.family, empty_table(table.name), table);
      if (!is_empty(merged)) out.tables.push_back(std::move(merged));
    }
    return out;
  }

  Table merge_table(Family family, const Table& wanted, const Table& live) {
    Work work{.family = family, .wanted = wanted, .live = live};
    std::unordered_map<std::string_view, const Chain*> in_live;
    for (const auto& chain : live.chains) in_live.emplace(chain.name, &chain);
    std::unordered_map<std::string_view, const Chain*> in_wanted;
    for (const auto& chain : wanted.chains) in_wanted.emplace(chain.name, &chain);
    const auto find = [](const auto& chains, const std::string& name) {
      const auto found = chains.find(name);
      return found == chains.end() ? nullptr : found->second;
    };

    if (lost_ == LostForeign::comes_back) work.lost = lost_chains(wanted, live);
    work.lost.merge(unreached_shared(wanted, live));
    Table out{.name = wanted.name};
    for (const auto& chain : wanted.chains) {
      if (auto merged = merge_chain(work, chain, find(in_live, chain.name))) out.chains.push_back(*merged);
    }
    std::set<std::string> there;
    for (const auto& chain : out.chains) there.insert(chain.name);
    for (const auto& chain : live.chains) {
      if (there.contains(chain.name)) continue;
      if (chain.built_in()) {
        // nft makes base chains when they are needed: one that wanted lacks is one without rules there.
        Chain merged = merge_rules(work, Chain{.name = chain.name, .policy = "ACCEPT"}, chain);
        if (merged.rules.empty()) continue;
        there.insert(merged.name);
        out.chains.push_back(std::move(merged));
        continue;
      }
      const Owner* owner = ownership_.of_chain(chain.name);
      if (owner == nullptr) owner = ownership_.of_shared(chain.name);
      if (owner == nullptr) continue;
      const Chain* same = find(in_wanted, chain.name);
      if (same == nullptr || !same_rules(*same, chain)) kept_.add(*owner, &ForeignCount::chains);
      take_chain(work, chain, out, there);
    }
    bring_needed_chains(work, in_live, out, there);
    return out;
  }

  static std::set<std::string> targets_of(const Table& table) {
    std::set<std::string> targets;
    for (const auto& chain : table.chains) {
      for (const auto& rule : chain.rules) targets.insert(jump_in_either_words(rule.words));
    }
    return targets;
  }

  std::set<std::string> lost_chains(const Table& wanted, const Table& live) const {
    std::set<std::string> lost;
    const auto wanted_targets = targets_of(wanted);
    const auto live_targets = targets_of(live);
    const ChainIndex live_chains(&live);
    for (const auto& chain : wanted.chains) {
      if (chain.built_in() || chain.rules.empty() || ownership_.of_chain(chain.name) == nullptr) continue;
      const Chain* there = live_chains.find(chain.name);
      const bool unreached = wanted_targets.contains(chain.name) && !live_targets.contains(chain.name);
      if (there == nullptr || there->rules.empty() || unreached) lost.insert(chain.name);
    }
    return lost;
  }

  // What people wrote there holds no packet back until something jumps there again.
  std::set<std::string> unreached_shared(const Table& wanted, const Table& live) const {
    std::set<std::string> unreached;
    for (const auto& chain : wanted.chains) {
      if (chain.built_in() || ownership_.of_shared(chain.name) == nullptr) continue;
      const bool used = std::ranges::any_of(chain.rules, [&](const Rule& rule) {
        return ownership_.of_rule(chain.name, rule.words) == nullptr;
      });
      if (used && !targets_of(live).contains(chain.name)) unreached.insert(chain.name);
    }
    return unreached;
  }

  static void take_chain(Work& work, const Chain& chain, Table& out, std::set<std::string>& there) {
    for (const auto& rule : chain.rules) work.from_live.push_back(&rule);
    there.insert(chain.name);
    out.chains.push_back(chain);
  }

  // A chain of people that a foreign one jumps to, and what that one jumps to.
  void bring_needed_chains(Work& work, const std::unordered_map<std::string_view, const Chain*>& in_live,
                           Table& out, std::set<std::string>& there) {
    for (Index i = 0; i < work.from_live.size(); ++i) {
      const auto target = jump_in_either_words(work.from_live[i]->words);
      if (target.empty() || there.contains(target)) continue;
      const auto needed = in_live.find(target);
      if (needed == in_live.end()) continue;
      notes_.push_back(format("chain {} of table {} {} stays: foreign rules lead there", quoted(target),
                              short_name(work.family), work.wanted.name));
      take_chain(work, *needed->second, out, there);
    }
  }

  // Nothing: the chain is foreign, and live's or left out.
  std::optional<Chain> merge_chain(Work& work, const Chain& wanted, const Chain* live) {
    if (!wanted.built_in()) {
      if (const auto* owner = ownership_.of_chain(wanted.name)) {
        if (work.lost.contains(wanted.name) && (live == nullptr || live->rules.empty())) {
          brought_.add(*owner, &ForeignCount::chains);
          return wanted;
        }
        if (live == nullptr) left_out_.add(*owner, &ForeignCount::chains);
        return std::nullopt;
      }
    }
    if (live != nullptr && same_rules(wanted, *live)) return wanted;
    const Chain nothing{.name = wanted.name, .policy = wanted.policy};
    Chain merged = merge_rules(work, wanted, live != nullptr ? *live : nothing);
    const auto* owner = wanted.built_in() ? nullptr : ownership_.of_shared(wanted.name);
    if (owner == nullptr || live != nullptr || !merged.rules.empty()) return merged;
    left_out_.add(*owner, &ForeignCount::chains);
    return std::nullopt;
  }

  Chain merge_rules(Work& work, const Chain& wanted, const Chain& live) {
    const auto owner_of = [&](const Rule& rule) { return ownership_.of_rule(wanted.name, rule.words); };
    std::vector<const Owner*> wanted_owners;
    for (const auto& rule : wanted.rules) wanted_owners.push_back(owner_of(rule));
    std::vector<const Owner*> live_owners;
    for (const auto& rule : live.rules) live_owners.push_back(owner_of(rule));
    const auto is_own = [](const Owner* owner) { return owner == nullptr; };
    if (std::ranges::all_of(wanted_owners, is_own) && std::ranges::all_of(live_owners, is_own)) return wanted;

    const auto pairs = pair_rules(wanted, live, work.family);
    std::vector<bool> matched(wanted.rules.size(), false);
    for (const auto& pair : pairs) {
      if (pair) matched[*pair] = true;
    }
    bool brings = false;
    for (Index i = 0; i < wanted.rules.size(); ++i) {
      if (wanted_owners[i] == nullptr || matched[i] ||
          !work.lost.contains(jump_in_either_words(wanted.rules[i].words)))
        continue;
      brings = matched[i] = true;
      brought_.add(*wanted_owners[i], &ForeignCount::rules);
    }
    for (Index i = 0; i < wanted.rules.size(); ++i) {
      if (wanted_owners[i] != nullptr && !matched[i]) left_out_.add(*wanted_owners[i], &ForeignCount::rules);
    }
    for (Index i = 0; i < live.rules.size(); ++i) {
      if (live_owners[i] == nullptr) continue;
      work.from_live.push_back(&live.rules[i]);
      if (!pairs[i]) kept_.add(*live_owners[i], &ForeignCount::rules);
    }
    Chain out = wanted;
    out.rules = !brings && same_own_rules(wanted, wanted_owners, live, live_owners)
                    ? live.rules
                    : place_rules(wanted, wanted_owners, matched, live, live_owners, pairs);
    for (Index i = 0; i < live.rules.size(); ++i)
      if (live_owners[i] != nullptr && !pairs[i] && live.rules[i].words == kReturn)
        put_last(out.rules, live.rules[i]);
    return out;
  }

  // What stands behind a rule that takes every packet out of the chain is never reached: docker wants rules
  // of people before its own RETURN.
  static constexpr std::string_view kReturn = "-j RETURN";
  static void put_last(std::vector<Rule>& rules, const Rule& rule) {
    const auto at = std::ranges::find(rules, rule.words, &Rule::words);
    if (at != rules.end()) std::rotate(at, at + 1, rules.end());
  }

  static bool same_own_rules(const Chain& wanted, const std::vector<const Owner*>& wanted_owners,
                             const Chain& live, const std::vector<const Owner*>& live_owners) {
    const auto own = [](const Chain& chain, const std::vector<const Owner*>& owners) {
      std::vector<std::string_view> words;
      for (Index i = 0; i < chain.rules.size(); ++i) {
        if (owners[i] == nullptr) words.push_back(chain.rules[i].words);
      }
      return words;
    };
    return own(wanted, wanted_owners) == own(live, live_owners);
  }

  // Wanted's rules, and around each of them those of live that have no place in wanted.
  static std::vector<Rule> place_rules(const Chain& wanted, const std::vector<const Owner*>& wanted_owners,
                                       const std::vector<bool>& matched, const Chain& live,
                                       const std::vector<const Owner*>& live_owners,
                                       const std::vector<std::optional<Index>>& pairs) {
    std::vector<Rule> head;
    std::vector<std::vector<Rule>> before(wanted.rules.size());
    std::vector<std::vector<Rule>> behind(wanted.rules.size());
    std::vector<Rule> waiting;  // they stood behind rules that wanted does not have
    std::optional<Index> anchor;
    bool first = true;
    for (Index i = 0; i < live.rules.size(); ++i) {
      if (pairs[i]) {
        anchor = pairs[i];
        before[*anchor].insert(before[*anchor].end(), waiting.begin(), waiting.end());
        waiting.clear();
      } else if (live_owners[i] != nullptr) {
        (anchor ? behind[*anchor] : first ? head : waiting).push_back(live.rules[i]);
      } else {
        first = false;
      }
    }
    head.insert(head.end(), waiting.begin(), waiting.end());
    std::vector<Rule> out = std::move(head);
    for (Index i = 0; i < wanted.rules.size(); ++i) {
      out.insert(out.end(), before[i].begin(), before[i].end());
      if (wanted_owners[i] == nullptr || matched[i]) out.push_back(wanted.rules[i]);
      out.insert(out.end(), behind[i].begin(), behind[i].end());
    }
    return out;
  }

  void merge_native(Ruleset& out) {
    if (!wanted_.native) return;
    static const NativeTables kNone{};
    const NativeTables& wanted = *wanted_.native;
    const NativeTables& live = live_.native ? *live_.native : kNone;
    NativeTables& merged = out.native.emplace();
    merged.texts = wanted.texts;
    merged.texts.insert(merged.texts.end(), live.texts.begin(), live.texts.end());
    for (const auto& table : wanted.tables) {
      if (iptables_family(table)) {
        merged.tables.push_back(merge_in_nft_words(table, live.find(table.family, table.name), merged.texts));
        continue;
      }
      const auto* owner = ownership_.of_table(table.family, table.name);
      const bool lost = owner != nullptr && live.find(table.family, table.name) == nullptr;
      const bool back = lost && lost_ == LostForeign::comes_back && has_rules(table);
      if (lost) (back ? brought_ : left_out_).add(*owner, &ForeignCount::tables);
      if (owner == nullptr || back) merged.tables.push_back(table);
    }
    for (const auto& table : live.tables) {
      if (const auto family = iptables_family(table)) {
        if (!has_table(*family, table.name)) keep_in_nft_words(*family, table, out);
        continue;
      }
      const auto* owner = ownership_.of_table(table.family, table.name);
      if (owner == nullptr) continue;
      const auto* same = wanted.find(table.family, table.name);
      if (same == nullptr || print_native(*same) != print_native(table))
        kept_.add(*owner, &ForeignCount::tables);
      merged.tables.push_back(table);
    }
    merged.sort();
  }

  bool has_table(Family family, std::string_view table) const {
    if (find_in_nft_words(wanted_, family, table) != nullptr) return true;
    const Table* found = wanted_.tables(family, Backend::nft).find(table);
    return found != nullptr && !is_empty(*found);
  }

  // A table of iptables' name, chain by chain as in the words of iptables.
  Table as_table(const NativeTable& table) const {
    Table out{.name = table.name};
    for (const NativePart& part : table.parts) {
      if (!part.is_chain()) continue;
      const bool base = !part.hook().empty() && owner_of(table.name, part.name) == nullptr;
      const auto policy = !base ? "-" : part.policy() == "drop" ? "DROP" : "ACCEPT";
      Chain chain{.name = std::string(part.name), .policy = policy};
      for (const auto rule : part.rules) chain.rules.push_back({.words = rule});
      out.chains.push_back(std::move(chain));
    }
    return out;
  }

  using Texts = std::vector<std::shared_ptr<const std::string>>;

  NativeTable merge_in_nft_words(const NativeTable& wanted, const NativeTable* live, Texts& texts) {
    const NativeTable nothing{.family = wanted.family, .name = wanted.name};
    const NativeTable& there = live != nullptr ? *live : nothing;
    const Table merged = merge_table(*iptables_family(wanted), as_table(wanted), as_table(there));
    NativeTable out = wanted;
    std::erase_if(out.parts, [&](const NativePart& part) {
      return part.is_chain() && merged.find(part.name) == nullptr;
    });
    for (const Chain& chain : merged.chains) {
      const auto at = std::ranges::find_if(
          out.parts, [&](const NativePart& part) { return part.is_chain() && part.name == chain.name; });
      const NativePart* in_live = there.find("chain", chain.name);
      const bool foreign = owner_of(wanted.name, chain.name) != nullptr;
      const NativePart* part = at != out.parts.end() && (in_live == nullptr || !foreign) ? &*at : in_live;
      if (part == nullptr) continue;
      std::vector<std::string_view> rules;
      for (const Rule& rule : chain.rules) rules.push_back(rule.words);
      NativePart with = rules == part->rules ? *part : with_rules(*part, rules, texts);
      if (at != out.parts.end())
        *at = std::move(with);
      else
        out.parts.push_back(foreign ? std::move(with) : with_policy(with, "accept", texts));
    }
    bring_needed_parts(there, out);
    return out;
  }

  // What is foreign in a table that wanted lacks, in chains without anything else.
  void keep_in_nft_words(Family family, const NativeTable& live, Ruleset& out) {
    const NativeTable nothing{.family = live.family, .name = live.name};
    NativeTable kept = merge_in_nft_words(nothing, &live, out.native->texts);
    if (kept.parts.empty()) return;
    remove_table(out, family, live.name);  // an empty one
    out.native->tables.push_back(std::move(kept));
  }

  // The sets and objects of live that the rules name ("@blocked", "counter name", in quotes or not) and
  // wanted lacks. Those that foreign rules alone name are as foreign as these: live's, as they are.
  void bring_needed_parts(const NativeTable& live, NativeTable& out) {
    for (const NativePart& part : live.parts) {
      if (part.is_chain()) continue;
      const auto at = std::ranges::find_if(
          out.parts, [&](const NativePart& one) { return one.kind == part.kind && one.name == part.name; });
      if (at != out.parts.end() && at->text == part.text) continue;
      const auto named = part.has_elements() ? format("@{}", part.name) : format("\"{}\"", part.name);
      bool foreign = false;
      bool own = false;
      for (const NativePart& chain : out.parts) {
        const bool of_owner = chain.is_chain() && owner_of(live.name, chain.name) != nullptr;
        for (const auto rule : chain.rules) {
          if (split_note(rule).words.find(named) == std::string_view::npos) continue;
          (of_owner || ownership_.of_rule(chain.name, rule) != nullptr ? foreign : own) = true;
        }
      }
      if (at == out.parts.end() && (foreign || own))
        out.parts.insert(std::ranges::find_if(out.parts, &NativePart::is_chain), part);
      else if (foreign && !own)
        *at = part;
    }
  }

  static bool has_rules(const NativeTable& table) {
    return std::ranges::any_of(table.parts, [](const NativePart& part) { return !part.rules.empty(); });
  }

  void merge_sets(Ruleset& out) {
    Sets& sets = out.sets;
    sets.texts = wanted_.sets.texts;
    sets.texts.insert(sets.texts.end(), live_.sets.texts.begin(), live_.sets.texts.end());
    for (const auto& set : wanted_.sets.sets) {
      if (ownership_.of_set(set.name) == nullptr) take_set(set, sets);
    }
    for (const auto& set : live_.sets.sets) {
      const auto* owner = ownership_.of_set(set.name);
      if (owner == nullptr) continue;
      const auto* same = find(wanted_sets_, set.name);
      if (same == nullptr || !same_set(*same, set)) kept_.add(*owner, &ForeignCount::sets);
      take_live_set(set, sets);
    }
    for (const Slot slot : Ruleset::slots()) {
      for (const auto& table : out[slot].tables) {
        for (const auto& chain : table.chains) {
          for (const auto& rule : chain.rules) bring_needed_sets(rule.words, sets);
        }
      }
    }
    if (out.native)
      for (const NativeTable& table : out.native->tables)
        for (const NativePart& part : table.parts)
          for (const auto rule : part.rules) bring_needed_sets(split_note(rule).iptables, sets);
    for (Index i = 0; i < sets.sets.size(); ++i) {
      if (!is_list(sets.sets[i])) continue;
      const auto members = sets.sets[i].members;
      for (const auto member : members) {
        if (const auto name = Tokenizer(member).next()) bring_set(name->text(), sets);
      }
    }
    for (const auto& set : wanted_.sets.sets) {
      const auto* owner = ownership_.of_set(set.name);
      if (owner != nullptr && !set_names_.contains(set.name)) left_out_.add(*owner, &ForeignCount::sets);
    }
  }

  void take_set(const Set& set, Sets& sets) {
    if (set_names_.insert(set.name).second) sets.sets.push_back(set);
  }

  // Timeouts run on in the kernel: what is left of them now is no part of what is wanted, and a member that
  // is about to go must not be missed where the set is tried.
  void take_live_set(Set set, Sets& sets) {
    if (!set.members.empty() && set.options.find("timeout") != std::string::npos) {
      auto text = std::make_shared<std::string>();
      std::vector<std::size_t> ends;
      for (const auto member : set.members) {
        *text += meaning_of_member(member);
        ends.push_back(text->size());
      }
      std::size_t start = 0;
      for (Index i = 0; i < ends.size(); ++i) {
        set.members[i] = std::string_view(*text).substr(start, ends[i] - start);
        start = ends[i];
      }
      sets.texts.push_back(std::move(text));
    }
    take_set(set, sets);
  }

  void bring_needed_sets(std::string_view words, Sets& sets) {
    names_set(words, [&](std::string_view name) {
      bring_set(std::string(name), sets);
      return false;
    });
  }

  void bring_set(const std::string& name, Sets& sets) {
    if (set_names_.contains(name)) return;
    if (const auto* there = find(live_sets_, name)) {
      notes_.push_back(format("set {} stays: foreign parts name it", quoted(name)));
      take_live_set(*there, sets);
    } else if (const auto* gone = find(wanted_sets_, name)) {
      take_set(*gone, sets);
    }
  }

  using SetsByName = std::unordered_map<std::string_view, const Set*>;

  static SetsByName by_name(const Sets& sets) {
    SetsByName all;
    for (const auto& set : sets.sets) all.emplace(set.name, &set);
    return all;
  }

  static const Set* find(const SetsByName& sets, std::string_view name) {
    const auto found = sets.find(name);
    return found == sets.end() ? nullptr : found->second;
  }

  const Ruleset& wanted_;
  const Ruleset& live_;
  SetsByName wanted_sets_ = by_name(wanted_.sets);
  SetsByName live_sets_ = by_name(live_.sets);
  std::array<const Ruleset*, 2> rulesets_;
  Ownership ownership_;
  Tally kept_{};
  Tally left_out_{};
  LostForeign lost_;
  Tally brought_{};
  std::vector<std::string> notes_{};
  std::set<std::string> set_names_{};
};

}  // namespace

std::string to_text(std::span<const ForeignCount> parts) {
  std::string out;
  for (const auto& part : parts) {
    std::vector<std::string> counts;
    if (part.chains > 0) counts.push_back(counted(part.chains, "chain"));
    if (part.rules > 0) counts.push_back(counted(part.rules, "rule"));
    if (part.sets > 0) counts.push_back(counted(part.sets, "set"));
    if (part.tables > 0) counts.push_back(counted(part.tables, "table"));
    out += format("{}{} ({})", out.empty() ? "" : ", ", part.owner, join(counts, ", "));
  }
  return out;
}

// Rules anywhere may name a set that comes or goes.
bool keeps_foreign_alone(const Ruleset& wanted, const Ruleset& live, std::span<const Owner> owners) {
  const auto made_alike = [](const Set& a, const Set& b) {
    return a.name == b.name && a.type == b.type && a.options == b.options;
  };
  return std::ranges::equal(wanted.sets.sets, live.sets.sets, made_alike) &&
         !depends_on_interfaces(owners, wanted) && !depends_on_interfaces(owners, live);
}

ForeignMerge keep_foreign(const Ruleset& wanted, const Ruleset& live, std::span<const Owner> owners,
                          LostForeign lost) {
  return Merge(wanted, live, owners, lost).run();
}

OwnRuleset::OwnRuleset(Ruleset whole, std::span<const Owner> owners, OwnerExpressions& expressions)
    : ruleset(std::move(whole)), has_beside_(ruleset.backend == Backend::nft && ruleset.both_backends()) {
  const std::array<const Ruleset*, 1> rulesets{&ruleset};
  const Ownership ownership(owners, rulesets, expressions);
  for (const Slot slot : Ruleset::slots()) strip(slot, ownership);
  std::erase_if(ruleset.sets.sets, [&](const Set& set) { return ownership.of_set(set.name) != nullptr; });
  if (!ruleset.native) return;
  std::erase_if(ruleset.native->tables, [&](const NativeTable& table) {
    return !iptables_family(table) && ownership.of_table(table.family, table.name) != nullptr;
  });
  for (NativeTable& table : ruleset.native->tables) {
    const auto family = iptables_family(table);
    if (!family) continue;
    std::erase_if(table.parts, [&](const NativePart& part) {
      return part.is_chain() && !is_built_in(table.name, part.name) &&
             ownership.of_chain(part.name) != nullptr;
    });
    for (NativePart& part : table.parts) {
      std::vector<std::string_view> own;
      std::vector<std::uint32_t> positions;
      for (std::uint32_t i = 0; i < part.rules.size(); ++i) {
        if (ownership.of_rule(part.name, part.rules[i]) != nullptr) continue;
        own.push_back(part.rules[i]);
        positions.push_back(i + 1);
      }
      if (own.size() == part.rules.size()) continue;
      part = with_rules(part, own, ruleset.native->texts);
      positions_[{Slot{*family, false}, table.name, std::string(part.name)}] = std::move(positions);
    }
  }
}

void OwnRuleset::strip(Slot slot, const Ownership& ownership) {
  for (auto& table : ruleset[slot].tables) {
    std::erase_if(table.chains, [&](const Chain& chain) {
      return !chain.built_in() && ownership.of_chain(chain.name) != nullptr;
    });
    for (auto& chain : table.chains) {
      std::vector<Rule> own;
      std::vector<std::uint32_t> positions;
      for (std::uint32_t i = 0; i < chain.rules.size(); ++i) {
        if (ownership.of_rule(chain.name, chain.rules[i].words) != nullptr) continue;
        own.push_back(chain.rules[i]);
        positions.push_back(i + 1);
      }
      if (own.size() == chain.rules.size()) continue;
      chain.rules = std::move(own);
      positions_[{slot, table.name, chain.name}] = std::move(positions);
    }
    std::erase_if(table.chains, [&](const Chain& chain) {
      return !chain.built_in() && chain.rules.empty() && ownership.of_shared(chain.name) != nullptr;
    });
  }
}

std::uint32_t OwnRuleset::position(Family family, Backend backend, std::string_view table,
                                   std::string_view chain, std::uint32_t position) const {
  const Slot slot{family, backend == Backend::legacy && has_beside_};
  const auto found = positions_.find({slot, std::string(table), std::string(chain)});
  return found == positions_.end() ? position : found->second.at(position - 1);
}

}  // namespace rewall
