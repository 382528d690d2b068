#include "ops/expiry/expiry.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "diff/renames.h"
#include "kernel/daemon.h"
#include "kernel/process.h"
#include "ops/context/git_command.h"
#include "ops/context/namespace_match.h"
#include "ops/context/pid_lock.h"
#include "ops/context/rewall_command.h"
#include "ops/context/settings.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"
#include "ops/context/systemd.h"
#include "ops/history/blame.h"
#include "ops/history/revision.h"
#include "ops/restore/apply.h"
#include "ops/restore/record_result.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"
#include "ops/restore/unrecorded.h"
#include "rules/foreign.h"
#include "rules/meaning.h"
#include "rules/native_meaning.h"
#include "rules/nft_as_iptables.h"
#include "rules/owners.h"
#include "rules/print.h"
#include "rules/sets.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

using Kind = ExpiringPart::Kind;
using ExpiringParts = std::vector<ExpiringPart>;

constexpr int kSnapshotsOfAChange = 1000;

// --- what a change added

const Chain* chain_of(const Ruleset& ruleset, const ExpiringPart& part) {
  const Table* table = ruleset.tables(part.family, part.backend).find(part.table);
  return table == nullptr ? nullptr : table->find(part.name);
}

std::uint64_t count_of(const Ruleset& ruleset, const ExpiringPart& part) {
  const Chain* chain = chain_of(ruleset, part);
  return chain == nullptr
             ? 0
             : static_cast<std::uint64_t>(std::ranges::count(chain->rules, part.words, &Rule::words));
}

void add_members(const Change& change, ExpiringParts& parts) {
  std::set<std::string_view> had;
  for (const auto& member : change.parts)
    if (member.from) had.insert(element_of(*member.from));
  for (const auto& member : change.parts)
    if (member.to && !had.contains(element_of(*member.to)))
      parts.push_back({.kind = Kind::member, .name = change.set, .words = *member.to});
}

/// All parts that a change added, without counts of others.
ExpiringParts added_parts(const Diff& diff) {
  ExpiringParts parts;
  std::vector<const Change*> changes;
  for (const auto& change : diff.changes) changes.push_back(&change);
  // Rules of the same words are told apart by their order.
  std::ranges::stable_sort(changes, {}, [](const Change* change) { return change->to_pos.value_or(0); });
  for (const Change* change : changes) {
    if (change->native) continue;  // expire takes out of iptables' tables and ipsets alone
    const auto place = [&](Kind kind) {
      return ExpiringPart{.kind = kind,
                          .family = *change->family,
                          .backend = *change->backend,
                          .table = change->table,
                          .name = change->chain};
    };
    if (change->kind == ChangeKind::added || change->kind == ChangeKind::changed) {
      auto part = place(Kind::rule);
      part.words = change->to.value_or("");
      if (change->kind == ChangeKind::changed) part.was = change->from.value_or("");
      parts.push_back(std::move(part));
    } else if (change->kind == ChangeKind::chain_added) {
      parts.push_back(place(Kind::chain));
    } else if (change->kind == ChangeKind::set_added) {
      parts.push_back({.kind = Kind::set, .name = change->set});
      add_members(*change, parts);
    } else if (change->kind == ChangeKind::members) {
      add_members(*change, parts);
    }
  }
  return parts;
}

/// True where both name a rule of the same chain and the same meaning. `words` are those of `one`.
bool same_rule(const ExpiringPart& one, const std::string& words, const ExpiringPart& other) {
  return other.kind == Kind::rule && one.family == other.family && one.backend == other.backend &&
         one.table == other.table && one.name == other.name &&
         meaning(words, one.family).key == meaning(other.words, other.family).key;
}

/// True where both name the same chain, set or member, or a rule of the same meaning.
bool is_same(const ExpiringPart& one, const ExpiringPart& other) {
  if (one.kind != other.kind) return false;
  switch (one.kind) {
    case Kind::rule:
      return same_rule(one, one.words, other);
    case Kind::chain:
      return one.family == other.family && one.backend == other.backend && one.table == other.table &&
             one.name == other.name;
    case Kind::set:
      return one.name == other.name;
    case Kind::member:
      break;
  }
  return one.name == other.name && element_of(one.words) == element_of(other.words);
}

// --- expiries of one rule

bool is_due(const Expiry& expiry) {
  return expiry.due.seconds <= now().seconds;
}

/// The others that a repository knows: a change may alter what an earlier one made for some time.
struct OtherExpiries {
  std::vector<Expiry> pending{};
  std::vector<ExpiryEnding> ended{};
};

OtherExpiries others_of(const Session& session, const Expiry& expiry) {
  OtherExpiries others{.pending = read_expiries(session.state_path()).pending,
                       .ended = expiries_ended(session.state_path(), expiry.asked.seconds)};
  std::erase_if(others.pending, [&](const Expiry& one) { return one.id == expiry.id; });
  std::erase_if(others.ended, [&](const ExpiryEnding& one) { return one.expiry.id == expiry.id; });
  return others;
}

/// The words that an altered rule gets back: not those which an earlier change gave it for a time that is
/// over, but those before. Empty for none.
std::string words_back(const ExpiringPart& part, const Expiry& expiry, const OtherExpiries& others) {
  std::string words = part.was;
  std::set<std::string> seen;  // two of one second may name each other
  while (!words.empty() && seen.insert(words).second) {
    const ExpiringPart* over = nullptr;
    const auto look = [&](const Expiry& other) {
      if (other.asked.seconds > expiry.asked.seconds) return;
      for (const auto& one : other.parts)
        if (same_rule(part, words, one)) over = &one;
    };
    for (const auto& other : others.pending)
      if (is_due(other)) look(other);
    for (const auto& other : others.ended) look(other.expiry);
    if (over == nullptr) return words;
    words = over->was;
  }
  return words;
}

/// The snapshots in which later expiries gave rules of this one back.
std::set<std::string> given_back(const Expiry& expiry, const OtherExpiries& others) {
  std::set<std::string> snapshots;
  for (const auto& other : others.ended)
    for (const auto& part : other.expiry.parts)
      for (const auto& own : expiry.parts)
        if (!part.was.empty() && other.expiry.asked.seconds >= expiry.asked.seconds &&
            same_rule(part, part.was, own))
          snapshots.insert(other.result);
  return snapshots;
}

// --- what is there of it

/// A rule of a ruleset: slot, table, chain and position from 0.
using RulePlace = std::tuple<Slot, std::string, std::string, std::size_t>;

/// The snapshots from the newest one back to the one before the change of an expiry, which is not among them.
std::set<std::string> snapshots_since(const Repository& repository, const std::string& newest,
                                      const Expiry& expiry) {
  std::set<std::string> all;
  auto at = newest;
  for (int i = 0; i < kSnapshotsOfAChange && !at.empty() && at != expiry.before; ++i) {
    all.insert(at);
    at = repository.parent(at);
  }
  return all;
}

std::optional<Slot> slot_of(const Ruleset& ruleset, Family family, Backend backend) {
  for (const Slot slot : Ruleset::slots())
    if (slot.family == family && ruleset.uses(slot) && ruleset.backend_of(slot) == backend) return slot;
  return std::nullopt;
}

/// The rules that are there of an expiry, each with the part that names it.
using RulePlaces = std::map<RulePlace, const ExpiringPart*>;

/// By the history: the rules that these snapshots brought, or that were put back since.
Result<RulePlaces> places_by_history(Session& session, const Ruleset& ruleset, const std::string& hash,
                                     const Expiry& expiry, const std::set<std::string>& of_change) {
  RulePlaces places;
  std::map<std::tuple<Family, std::string, std::string>, std::vector<BlamedRule>> blamed;
  for (const auto& part : expiry.parts) {
    const auto slot = slot_of(ruleset, part.family, part.backend);
    if (part.kind != Kind::rule || !slot || chain_of(ruleset, part) == nullptr) continue;
    auto& rules = blamed[{part.family, part.table, part.name}];
    if (rules.empty())
      rules = TRY(blame(session, hash, {.family = part.family, .table = part.table, .chain = part.name}));
    const auto key = meaning(part.words, part.family).key;
    for (const auto& rule : rules) {
      const RulePlace place{*slot, part.table, part.name, rule.pos - 1};
      if (rule.backend != part.backend || !rule.from || !of_change.contains(rule.from->hash) ||
          places.contains(place) || meaning(rule.rule, part.family).key != key)
        continue;
      places.emplace(place, &part);
      break;
    }
  }
  return places;
}

/// Of the rules of the same words that were there before a change, those of earlier changes whose time is
/// over since: they are gone, or go too.
std::uint64_t over_since(const ExpiringPart& part, const Expiry& expiry, const OtherExpiries& others) {
  std::uint64_t n = 0;
  const auto look = [&](const Expiry& other) {
    if (other.asked.seconds > expiry.asked.seconds) return;
    for (const auto& one : other.parts)
      if (one.words == part.words && same_rule(part, part.words, one)) ++n;
  };
  for (const auto& other : others.pending)
    if (is_due(other)) look(other);
  for (const auto& other : others.ended)
    if (other.ended.seconds >= other.expiry.due.seconds) look(other.expiry);
  return n;
}

/// By the words: as many rules as the change added, while the chain has more of them than before.
RulePlaces places_by_words(const Ruleset& ruleset, const Expiry& expiry, const OtherExpiries& others) {
  RulePlaces places;
  std::map<std::tuple<Family, Backend, std::string, std::string, std::string>, std::uint64_t> taken;
  for (const auto& part : expiry.parts) {
    const Chain* chain = part.kind == Kind::rule ? chain_of(ruleset, part) : nullptr;
    const auto slot = slot_of(ruleset, part.family, part.backend);
    if (chain == nullptr || !slot) continue;
    auto& n = taken[{part.family, part.backend, part.table, part.name, part.words}];
    const auto before = part.others - std::min(part.others, over_since(part, expiry, others));
    if (count_of(ruleset, part) <= before + n) continue;
    for (std::size_t i = 0; i < chain->rules.size(); ++i) {
      if (chain->rules[i].words != part.words) continue;
      if (!places.emplace(RulePlace{*slot, part.table, part.name, i}, &part).second) continue;
      ++n;
      break;
    }
  }
  return places;
}

Table* find_table(Ruleset& ruleset, Slot slot, const std::string& name) {
  const auto found = std::ranges::find(ruleset[slot].tables, name, &Table::name);
  return found == ruleset[slot].tables.end() ? nullptr : &*found;
}

Chain* find_chain(Ruleset& ruleset, const ExpiringPart& part) {
  const auto slot = slot_of(ruleset, part.family, part.backend);
  Table* table = slot ? find_table(ruleset, *slot, part.table) : nullptr;
  if (table == nullptr) return nullptr;
  const auto found = std::ranges::find(table->chains, part.name, &Chain::name);
  return found == table->chains.end() ? nullptr : &*found;
}

bool jumps_to(const Ruleset& ruleset, const ExpiringPart& part) {
  const Table* table = ruleset.tables(part.family, part.backend).find(part.table);
  return std::ranges::any_of(table->chains, [&](const Chain& chain) {
    return std::ranges::any_of(chain.rules, [&](const Rule& rule) {
      return rule.words.find(part.name) != std::string_view::npos &&
             target_of(rule.words, part.family) == part.name;
    });
  });
}

bool is_named(const Ruleset& ruleset, const std::string& set) {
  const auto is_it = [&](std::string_view one) { return one == set; };
  for (const Slot slot : Ruleset::slots())
    for (const auto& table : ruleset[slot].tables)
      for (const auto& chain : table.chains)
        for (const auto& rule : chain.rules)
          if (names_set(rule.words, is_it)) return true;
  if (ruleset.native)
    for (const NativeTable& table : ruleset.native->tables)
      for (const NativePart& part : table.parts)
        for (const auto rule : part.rules)
          if (names_set(split_note(rule).iptables, is_it)) return true;
  return std::ranges::any_of(ruleset.sets.sets, [&](const Set& list) {
    return is_list(list) &&
           std::ranges::any_of(list.members, [&](auto one) { return element_of(one) == set; });
  });
}

/// A ruleset without what an expiry names, and what was there of it.
struct Cut {
  Ruleset ruleset{};
  ExpiringParts gone{};
};

/// True where a rule can have its old words back: the chain that these jump to and the sets that they name
/// are there. `before` is the ruleset in which the rule had them.
bool can_stand(const Ruleset& ruleset, const ExpiringPart& rule, const Ruleset& before) {
  const auto has_target = [&](const Ruleset& in) {
    auto target = rule;
    target.name = target_of(rule.was, rule.family);
    return chain_of(in, target) != nullptr;
  };
  if (has_target(before) && !has_target(ruleset)) return false;
  return !names_set(rule.was, [&](std::string_view set) { return ruleset.sets.find(set) == nullptr; });
}

void cut_rules(Cut& cut, const RulePlaces& places, const Ruleset& before) {
  // From the end: a position is that of the whole chain.
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    const auto& [slot, table_name, name, position] = place->first;
    ExpiringPart part = *place->second;
    Chain* chain = find_chain(cut.ruleset, part);
    const auto rule = chain->rules.begin() + static_cast<std::ptrdiff_t>(position);
    part.words = rule->words;
    if (!part.was.empty() && !can_stand(cut.ruleset, part, before)) part.was.clear();
    if (part.was.empty()) {
      chain->rules.erase(rule);
    } else {
      auto text = std::make_shared<const std::string>(part.was);
      rule->words = *text;
      cut.ruleset[slot].texts.push_back(std::move(text));
    }
    cut.gone.push_back(std::move(part));
  }
}

// Of chains that the change made, those that nobody uses now.
void cut_chains(Cut& cut, const Expiry& expiry) {
  for (bool again = true; again;) {
    again = false;
    for (const auto& part : expiry.parts) {
      const Chain* chain = part.kind == Kind::chain ? find_chain(cut.ruleset, part) : nullptr;
      if (chain == nullptr || chain->built_in() || !chain->rules.empty() || jumps_to(cut.ruleset, part))
        continue;
      Table* table = find_table(cut.ruleset, *slot_of(cut.ruleset, part.family, part.backend), part.table);
      std::erase_if(table->chains, [&](const Chain& one) { return one.name == part.name; });
      cut.gone.push_back(part);
      again = true;
    }
  }
}

void cut_sets(Cut& cut, const Expiry& expiry) {
  std::map<std::string_view, std::set<std::string_view>> members;
  for (const auto& part : expiry.parts)
    if (part.kind == Kind::member) members[part.name].insert(element_of(part.words));
  for (auto& set : cut.ruleset.sets.sets) {
    const auto out = members.find(set.name);
    if (out == members.end()) continue;
    std::deque<std::string> kept;
    std::erase_if(set.members, [&](std::string_view member) {
      const auto words = meaning_of_member(member, kept);
      if (!out->second.contains(element_of(words))) return false;
      cut.gone.push_back({.kind = Kind::member, .name = set.name, .words = std::string(words)});
      return true;
    });
  }
  // Lists of sets come last, and go first.
  for (auto part = expiry.parts.rbegin(); part != expiry.parts.rend(); ++part) {
    const Set* set = part->kind == Kind::set ? cut.ruleset.sets.find(part->name) : nullptr;
    if (set == nullptr || !set->members.empty() || is_named(cut.ruleset, part->name)) continue;
    std::erase_if(cut.ruleset.sets.sets, [&](const Set& one) { return one.name == part->name; });
    cut.gone.push_back(*part);
  }
}

NativePart* find_native_chain(Ruleset& ruleset, const ExpiringPart& part) {
  if (part.backend != Backend::nft || find_in_nft_words(ruleset, part.family, part.table) == nullptr)
    return nullptr;
  for (NativeTable& table : ruleset.native->tables)
    if (table.family == native_family(part.family) && table.name == part.table)
      for (NativePart& chain : table.parts)
        if (chain.is_chain() && chain.name == part.name) return &chain;
  return nullptr;
}

/// Rules in the words of nft, as the host's programs make them of those of iptables; empty where they do not.
/// They stand beside the chains that the table has in the ruleset.
std::vector<std::string> said_by_nft(Session& session, const Ruleset& ruleset, const ExpiringPart& place,
                                     const std::vector<std::string>& rules) {
  constexpr const char* kAside = "rewall-aside";
  Ruleset alone{.sets = ruleset.sets};
  Table table{.name = place.table};
  for (const auto& name : built_in_chains(place.table))
    table.chains.push_back({.name = name, .policy = "ACCEPT"});
  std::set<std::string> names;
  for (const NativePart& part : find_in_nft_words(ruleset, place.family, place.table)->parts)
    if (part.is_chain()) names.emplace(part.name);
  for (const auto& name : names)
    if (!is_built_in(place.table, name)) table.chains.push_back({.name = name, .policy = "-"});
  Chain aside{.name = kAside, .policy = "-"};
  for (const auto& rule : rules) aside.rules.push_back({.words = rule});
  table.chains.push_back(std::move(aside));
  alone[{place.family}].tables.push_back(std::move(table));
  std::vector<std::shared_ptr<const std::string>> texts;
  const auto said = session.firewall().in_nft_words(alone, place.family, place.table, texts);
  const NativePart* chain = said ? said->find("chain", kAside) : nullptr;
  if (!said) log_debug("{}", said.error().message);
  if (chain == nullptr || chain->rules.size() != rules.size()) return {};
  return {chain->rules.begin(), chain->rules.end()};
}

/// Of a table that is in the words of nft by now: as many rules of the same meaning as the change added,
/// while the chain has more of them than before. The history does not follow a rule from one form to the
/// other.
void cut_native_rule(Session& session, Cut& cut, ExpiringPart part, const Ruleset& before) {
  NativePart* chain = find_native_chain(cut.ruleset, part);
  if (chain == nullptr) return;
  const auto said = said_by_nft(session, cut.ruleset, part, {part.words});
  const auto key = meaning(part.words, part.family).key;
  const auto is_it = [&](std::string_view rule) {
    if (!said.empty() && native_meaning(rule).key == native_meaning(said.front()).key) return true;
    const auto words = in_words_of_iptables(rule);
    return words && meaning(*words, part.family).key == key;
  };
  const auto there = static_cast<std::uint64_t>(std::ranges::count_if(chain->rules, is_it));
  if (there <= part.others) return;
  auto rules = chain->rules;
  // What is added later stands behind what was there.
  const auto rule = std::ranges::find_if(rules.rbegin(), rules.rend(), is_it);
  auto& texts = cut.ruleset.native->texts;
  if (!part.was.empty()) {
    const auto was = can_stand(cut.ruleset, part, before)
                         ? said_by_nft(session, cut.ruleset, part, {part.was})
                         : std::vector<std::string>{};
    if (was.empty())
      part.was.clear();
    else
      *rule = *texts.emplace_back(std::make_shared<const std::string>(was.front()));
  }
  if (part.was.empty()) rules.erase(std::next(rule).base());
  *chain = with_rules(*chain, rules, texts);
  cut.gone.push_back(std::move(part));
}

/// Of chains that the change made, in a table that is in the words of nft by now, those that nobody uses.
void cut_native_chains(Cut& cut, const Expiry& expiry) {
  for (bool again = true; again;) {
    again = false;
    for (const auto& part : expiry.parts) {
      const NativePart* chain = part.kind == Kind::chain ? find_native_chain(cut.ruleset, part) : nullptr;
      if (chain == nullptr || !chain->hook().empty() || !chain->rules.empty()) continue;
      for (NativeTable& table : cut.ruleset.native->tables) {
        if (table.family != native_family(part.family) || table.name != part.table) continue;
        const bool used = std::ranges::any_of(table.parts, [&](const NativePart& one) {
          return std::ranges::any_of(
              one.rules, [&](std::string_view rule) { return jump_in_either_words(rule) == part.name; });
        });
        if (used) continue;
        std::erase_if(table.parts,
                      [&](const NativePart& one) { return one.is_chain() && one.name == part.name; });
        cut.gone.push_back(part);
        again = true;
      }
    }
  }
}

/// The ruleset before the change; empty where nothing of it can come back, or the history lacks it.
Ruleset ruleset_before(Session& session, const Expiry& expiry) {
  if (std::ranges::all_of(expiry.parts, [](const ExpiringPart& part) { return part.was.empty(); })) return {};
  auto before = read_revision(session, expiry.before);
  if (!before) log_debug("{}", before.error().message);
  return before ? std::move(before->ruleset) : Ruleset{};
}

/// The set that `ipset rename` made of `old`, with a member that expires; null where no set or more than one
/// can be it.
const Set* renamed_set(const Sets& after, const Sets& now, const Set& old, const Expiry& expiry) {
  const auto has_member = [&](const Set& set) {
    std::deque<std::string> kept;
    return std::ranges::any_of(set.members, [&](std::string_view member) {
      const auto element = element_of(meaning_of_member(member, kept));
      return std::ranges::any_of(expiry.parts, [&](const ExpiringPart& part) {
        return part.kind == Kind::member && part.name == old.name && element_of(part.words) == element;
      });
    });
  };
  const Set* found = nullptr;
  for (const Set& set : now.sets) {
    if (after.find(set.name) != nullptr || set.type != old.type || set.options != old.options ||
        !has_member(set))
      continue;
    if (found != nullptr) return nullptr;
    found = &set;
  }
  return found;
}

void follow_renamed_sets(const Sets& after, const Sets& now, Expiry& expiry) {
  std::map<std::string, std::string> renames;
  for (const auto& part : expiry.parts) {
    if (part.kind != Kind::member || now.find(part.name) != nullptr || renames.contains(part.name)) continue;
    const Set* old = after.find(part.name);
    const Set* set = old != nullptr ? renamed_set(after, now, *old, expiry) : nullptr;
    if (set != nullptr) renames.emplace(part.name, set->name);
  }
  for (auto& part : expiry.parts)
    if (part.kind == Kind::member || part.kind == Kind::set)
      if (const auto name = renames.find(part.name); name != renames.end()) part.name = name->second;
}

/// Gives the parts the names that their chains and sets have in the ruleset: somebody may have renamed one.
void follow_renames(Session& session, const Ruleset& ruleset, Expiry& expiry) {
  const auto of_chain = [](const ExpiringPart& part) {
    return part.kind == Kind::rule || part.kind == Kind::chain;
  };
  const auto is_gone = [&](const ExpiringPart& part) {
    return of_chain(part) ? chain_of(ruleset, part) == nullptr : ruleset.sets.find(part.name) == nullptr;
  };
  if (expiry.after.empty() || std::ranges::none_of(expiry.parts, is_gone)) return;
  const auto after = read_revision(session, expiry.after);
  if (!after) {
    log_debug("{}", after.error().message);
    return;
  }
  follow_renamed_sets(after->ruleset.sets, ruleset.sets, expiry);
  std::map<std::tuple<Family, Backend, std::string>, Renames> renames;  // of a table
  for (const auto& change : compare(after->ruleset, ruleset).changes)
    if (change.kind == ChangeKind::chain_renamed && !change.native)
      renames[{*change.family, *change.backend, change.table}].emplace(*change.from, *change.to);
  for (auto& part : expiry.parts) {
    const auto found = renames.find({part.family, part.backend, part.table});
    if (!of_chain(part) || found == renames.end()) continue;
    if (const auto name = found->second.find(part.name); name != found->second.end())
      part.name = name->second;
    part.words = renamed_words(part.words, found->second);
    part.was = renamed_words(part.was, found->second);
  }
}

/// `hash` is the snapshot of the ruleset; empty where that is not known.
Cut cut_out(Session& session, Ruleset ruleset, const std::string& hash, const Expiry& asked) {
  Cut cut{.ruleset = std::move(ruleset)};
  const auto others = others_of(session, asked);
  Expiry expiry = asked;
  for (auto& part : expiry.parts) part.was = words_back(part, asked, others);
  follow_renames(session, cut.ruleset, expiry);
  auto repository = session.repository();
  auto of_change = repository ? snapshots_since(**repository, expiry.after, expiry) : std::set<std::string>{};
  if (!of_change.empty()) of_change.merge(given_back(asked, others));
  std::optional<RulePlaces> places;
  if (!hash.empty() && !of_change.empty())
    if (auto known = places_by_history(session, cut.ruleset, hash, expiry, of_change))
      places = *std::move(known);
  const auto before = ruleset_before(session, expiry);
  cut_rules(cut, places ? *places : places_by_words(cut.ruleset, expiry, others), before);
  for (const auto& part : expiry.parts)
    if (part.kind == Kind::rule) cut_native_rule(session, cut, part, before);
  cut_chains(cut, expiry);
  cut_native_chains(cut, expiry);
  cut_sets(cut, expiry);
  return cut;
}

// --- taking it out

bool guard_is_armed(const Session& session) {
  std::error_code failed;
  return std::filesystem::exists(StatePaths(session.state_path()).guard(), failed);
}

/// True where keep_foreign() would leave in what is to go: the change touched what is foreign by now.
bool needs_exact(Session& session, const Ruleset& wanted, const Ruleset& live) {
  return !compare(keep_foreign(wanted, live, owners_of(session)).ruleset, wanted).equal();
}

struct TakenOut {
  ExpiringParts gone{};
  std::string result{};
};

Result<TakenOut> take_out_recorded(Session& session, const Lock& held, const Expiry& expiry) {
  auto repository = TRY(session.repository());
  for (Tries tries(kFewTries); tries.next();) {
    auto known = TRY(know_live_and_head(session, *repository));
    TRY(record_first(session, *repository, known));
    auto cut = cut_out(session, known.live.ruleset, known.head.hash, expiry);
    if (cut.gone.empty()) return TakenOut{};
    RestoreOptions options{.message = "expired: " + subject(compare(known.live.ruleset, cut.ruleset)),
                           .trigger = "expire",
                           .exact = needs_exact(session, cut.ruleset, known.live.ruleset),
                           .actor = expiry.actor,
                           .way_back = true,
                           .of_this_live = true};
    Revision revision{.name = "what is left of LIVE", .ruleset = std::move(cut.ruleset)};
    auto restored = restore(session, held, std::move(revision), std::move(known), options);
    if (restored)
      return TakenOut{std::move(cut.gone), restored->after ? restored->after->hash : std::string()};
    if (restored.error().kind != ErrorKind::refused || tries.last()) return std::move(restored).error();
  }
  return error_of<messages::kept_changing>();
}

/// Where the history can be neither read nor written, access does not stay open: the change is recorded when
/// it can be.
Result<TakenOut> take_out_unrecorded(Session& session, const Expiry& expiry, const std::string& why) {
  UnrecordedChange unrecorded(session);
  for (Tries tries(kFewTries); tries.next();) {
    auto live = TRY(session.capture());
    auto cut = cut_out(session, live.ruleset, "", expiry);
    if (cut.gone.empty()) return TakenOut{};
    if (auto kept = unrecorded.keep(live.ruleset); !kept)
      log_info("{}: what was in force is kept nowhere", kept.error().message);
    const Ruleset* in_force = live.without_ipv6 ? &live.ruleset : nullptr;
    auto staged = TRY(session.firewall().stage(cut.ruleset, in_force));
    auto applied = apply(session, staged, live, live.generation);
    if (applied) {
      unrecorded.note(*applied,
                      {.message = "expired: " + subject(compare(live.ruleset, cut.ruleset)),
                       .trigger = "expire",
                       .commands = {session.command_line},
                       .actor = expiry.actor},
                      why);
      log_warning("not recorded: {}", escape(why));
      return TakenOut{.gone = std::move(cut.gone)};
    }
    if (applied.error().kind != ErrorKind::refused || tries.last()) return std::move(applied).error();
  }
  return error_of<messages::kept_changing>();
}

/// `held` is an error where the disk is read-only.
Result<TakenOut> take_out(Session& session, const Result<Lock>& held, const Expiry& expiry) {
  const CommandScope name(session, expiry.looks_at, expiry.command);
  if (!held) return take_out_unrecorded(session, expiry, held.error().message);
  auto taken = take_out_recorded(session, *held, expiry);
  if (taken || taken.error().kind != ErrorKind::repository) return taken;
  return take_out_unrecorded(session, expiry, taken.error().message);
}

std::string says_of(const TakenOut& taken, const Expiry& expiry) {
  if (taken.gone.empty() && expiry.done) return taken_out_text(*expiry.done);
  if (taken.gone.empty())
    return format("nothing was left to take out: {} not there as the change added {}",
                  expiry.parts.size() == 1 ? "it is" : "they are", expiry.parts.size() == 1 ? "it" : "them");
  auto out = taken.gone;
  std::erase_if(out, [](const ExpiringPart& part) { return !part.was.empty(); });
  const auto back = taken.gone.size() - out.size();
  const auto stays = expiry.parts.size() - std::min(expiry.parts.size(), taken.gone.size());
  std::string says = out.empty() ? "" : "took out " + count_text(out);
  if (back > 0)
    says += format("{}gave {} back", out.empty() ? "" : ", ",
                   back == 1 ? "1 rule its old words" : format("{} rules their old words", back));
  if (stays > 0) says += format("; {} not there as the change added {}", stays, stays == 1 ? "it" : "them");
  return says;
}

// What could not be written when it was done: by whoever can.
void settle_noted_expiries(Session& session) {
  if (!has_noted_expiries(session.state_path())) return;
  auto repository = session.repository();
  if (!repository) return;
  if (const auto held = lock(**repository, std::chrono::milliseconds{0}))
    settle_expiries(session.state_path());
}

Status take_out_one(Session& session, const Result<Lock>& held, Expiry expiry) {
  const bool armed = guard_is_armed(session);
  if (armed && expiry.done) return {};
  auto taken = TRY(take_out(session, held, expiry));
  const bool again = expiry.done.has_value();
  if (!again || !taken.gone.empty())
    log_warning("the rules {} expired at {}: {}", origin_text(expiry), rfc3339(expiry.due),
                says_of(taken, expiry));
  if (!armed) {
    end_expiry(session.state_path(),
               {.expiry = expiry, .ended = now(), .result = taken.result, .says = says_of(taken, expiry)});
    return {};
  }
  // The guard's old ruleset may have it.
  expiry.done = now();
  return write_expiry(session.state_path(), expiry);
}

// --- who waits

std::string timer_name(const Expiry& expiry) {
  return format("rewall-expire-{}-{}", expiry.id, expiry.due.seconds);
}

bool start_timer(const Command& command, const Expiry& expiry) {
  const auto due = rfc3339({.seconds = expiry.due.seconds, .offset = 0});
  return start_unit({"--unit=" + timer_name(expiry), "--timer-property=AccuracySec=1s",
                     "--description=takes out firewall rules that expire",
                     format("--on-calendar={} {} UTC", due.substr(0, 10), due.substr(11, 8))},
                    command);
}

Status start_waiting(Session& session, const Expiry& expiry) {
  if (session.program.empty()) return {};
  const auto path = absolute_path(session.path());
  // What it records is signed: git finds the same agent and keys.
  const Command command{.words = {session.program, "-C", path, std::string(kExpiryWork)},
                        .environment = signing_environment()};
  if (start_timer(command, expiry)) return {};
  const auto lock_path = expiry_lock(session.state_path());
  const std::string work(kExpiryWork);
  if (const pid_t process = PidLock::process(lock_path, work); process != 0 && is_stopped(process))
    PidLock::end_process(lock_path, work);
  if (PidLock::process(lock_path, work) != 0) {
    wake_expiries(session.state_path());
    return {};
  }
  if (const auto limit = limit_too_small())
    return error_of<messages::no_expiry>(*limit + " cannot be raised");
  auto started = start_detached(command, ErrorKind::refused);
  if (!started) return error_of<messages::no_expiry>(started.error().message);
  const auto why = PidLock::await(lock_path, work, *started);
  if (!why.empty()) return error_of<messages::no_expiry>(why);
  return {};
}

}  // namespace

std::string native_parts_of(const Diff& diff) {
  std::set<std::string> titles;
  for (const Change& change : diff.changes)
    if (change.native && change.kind != ChangeKind::removed && change.kind != ChangeKind::chain_removed &&
        change.kind != ChangeKind::set_removed && change.kind != ChangeKind::table_removed)
      titles.insert(format("{} {}", name(*change.native), escape(change.table)));
  return join(std::vector<std::string>(titles.begin(), titles.end()), ", ");
}

namespace {

/// The ruleset before a change, with the tables that the change brings to the words of iptables in these:
/// what was there in the words of nft is not added. Rules that nft alone can say are left out.
Ruleset in_the_words_of(const Ruleset& to, Ruleset from) {
  for (const auto& [family, table] : tables_in_different_forms(from, to)) {
    if (find_in_nft_words(from, family, table) == nullptr) continue;
    say_in_words_of_iptables(from, family, table);
    for (Table& one : from[{family}].tables)
      for (Chain& chain : one.chains)
        std::erase_if(chain.rules, [](const Rule& rule) { return is_in_words_of_nft(rule.words); });
  }
  return from;
}

}  // namespace

ExpiringParts added_parts(const Diff& diff, const Ruleset& changed, const Ruleset& to,
                          std::span<const Owner> owners) {
  const bool same_forms = tables_in_different_forms(changed, to).empty();
  const Ruleset from = same_forms ? changed : in_the_words_of(to, changed);
  Diff marked = same_forms ? diff : compare(from, to);
  mark_foreign(marked, from, to, owners);
  std::erase_if(marked.changes, [](const Change& change) { return !change.foreign.empty(); });
  auto parts = added_parts(marked);
  for (auto& part : parts)
    if (part.kind == Kind::rule) part.others = count_of(from, part);
  return parts;
}

Expiry make_expiry(Session& session, std::chrono::milliseconds length, ExpiringParts parts) {
  const auto asked = now();
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(length).count();
  return {.id = fresh_id(),
          .due = local(asked.seconds + seconds),
          .asked = asked,
          .looks_at = session.backend(),
          .command = session.command_line,
          .actor = current_actor(),
          .parts = std::move(parts)};
}

Status begin_expiry(Session& session, const Lock&, Expiry& expiry) {
  expiry.place = session.firewall().generation();
  const auto state = session.state_path();
  if (auto written = write_expiry(state, expiry); !written)
    return std::move(written).error().within("no expiry").with_live(LiveState::untouched);
  auto started = start_waiting(session, expiry);
  if (!started) drop_expiry(state, expiry);
  return started;
}

void wait_for_expiries(Session& session) {
  const auto state = session.state_path();
  if (session.program.empty() || !has_expiries(state)) return;
  const auto here = session.firewall().generation();
  const bool waits = PidLock::process(expiry_lock(state), std::string(kExpiryWork)) != 0;
  for (auto& expiry : read_expiries(state).pending) {
    const bool timed = at_systemd() && match_namespace(expiry.place, here) != NamespaceMatch::gone;
    if (timed || (waits && !at_systemd())) continue;
    if (auto started = start_waiting(session, expiry); !started) {
      log_warning("{}", started.error().message);
      return;
    }
    expiry.place = here;
    if (auto written = write_expiry(state, expiry); !written) log_warning("{}", written.error().message);
  }
}

Status take_out_expired(Session& session, Waiter waiter) {
  const auto state = session.state_path();
  if (!has_expiries(state)) return {};
  settle_noted_expiries(session);
  const auto due = [&] {
    auto pending = read_expiries(state).pending;
    const bool armed = guard_is_armed(session);
    std::erase_if(pending, [&](const Expiry& one) { return !is_due(one) || (one.done && armed); });
    return pending;
  };
  if (due().empty()) return {};
  if (waiter == Waiter::may_be_another) {
    const auto process = PidLock::process(expiry_lock(state), std::string(kExpiryWork));
    if (process != 0 && !is_stopped(process)) return {};
  }
  const auto held = lock(session);
  if (!held && !is_read_only_disk(held.error())) return held.error();
  Status done;
  for (auto& expiry : due())
    if (auto one = take_out_one(session, held, std::move(expiry)); !one && done) done = std::move(one);
  return done;
}

namespace {

/// True for a snapshot of the time between the change and the end of its expiry.
bool is_between(Session& session, const std::string& hash, const ExpiryEnding& ending) {
  auto repository = session.repository();
  if (!repository || hash.empty() || ending.result.empty() || hash == ending.result) return false;
  return snapshots_since(**repository, ending.result, ending.expiry).contains(hash);
}

}  // namespace

Ruleset without_expired(Session& session, Ruleset ruleset, const std::string& hash, std::string& left_out) {
  const auto state = session.state_path();
  auto over = read_expiries(state).pending;
  std::erase_if(over, [](const Expiry& expiry) { return !is_due(expiry); });
  for (auto& ending : expiries_ended(state, 0))
    if (is_between(session, hash, ending)) over.push_back(std::move(ending.expiry));
  std::string of = hash;
  for (const auto& expiry : over) {
    auto cut = cut_out(session, std::move(ruleset), of, expiry);
    ruleset = std::move(cut.ruleset);
    if (cut.gone.empty()) continue;
    // Its positions are no longer those of the snapshot.
    of.clear();
    left_out += (left_out.empty() ? "" : ", ") + count_text(cut.gone);
    log_warning("left out: {} that {} added, which expired at {}", count_text(cut.gone),
                escape(expiry.command), rfc3339(expiry.due));
  }
  return ruleset;
}

void settle_after_boot(Session& session, const Lock&) {
  const auto state = session.state_path();
  if (!has_expiries(state)) return;
  for (const auto& expiry : read_expiries(state).pending)
    if (is_due(expiry))
      end_expiry(state, {.expiry = expiry, .ended = now(), .says = "left out at the start of the machine"});
  wait_for_expiries(session);
}

std::vector<BroughtBack> brought_back(const Session& session, const Diff& diff) {
  std::vector<BroughtBack> all;
  auto brought = added_parts(diff);
  for (auto& ending : expiries_ended(session.state_path(), 0)) {
    if (brought.empty()) break;
    // One that was kept ended before it was due.
    if (ending.ended.seconds < ending.expiry.due.seconds) continue;
    BroughtBack back;
    std::erase_if(brought, [&](const ExpiringPart& part) {
      if (std::ranges::none_of(ending.expiry.parts, [&](const auto& one) { return is_same(one, part); }))
        return false;
      back.parts.push_back(part);
      return true;
    });
    if (back.parts.empty()) continue;
    back.expiry = std::move(ending.expiry);
    all.push_back(std::move(back));
  }
  return all;
}

Result<Expiry> find_expiry(Session& session, const std::string& id) {
  std::optional<Expiry> found;
  for (auto& expiry : read_expiries(session.state_path()).pending) {
    if (id.empty() || !expiry.id.starts_with(id)) continue;
    if (found) return error_of<messages::ambiguous_expiry>(id);
    found = std::move(expiry);
  }
  if (!found) return error_of<messages::no_such_expiry>(escape(id), rewall_command(session.path()));
  return *std::move(found);
}

std::vector<ExpiringPart> parts_in_force(Session& session, const Ruleset& live, const std::string& hash,
                                         const Expiry& expiry) {
  return cut_out(session, live, hash, expiry).gone;
}

namespace {

/// ", as undo c19a620d1e took the change back"; empty where no undo did.
std::string undone_since(Session& session, const std::string& head, const Expiry& expiry) {
  auto repository = session.repository();
  if (!repository || expiry.after.empty()) return {};
  std::string by;
  const auto walked = (*repository)->walk(head, [&](const Snapshot& snapshot) -> Result<bool> {
    if (snapshot.trailers.undoes == expiry.after) by = snapshot.hash;
    return by.empty() && snapshot.hash != expiry.after;
  });
  return walked && !by.empty() ? format(", as undo {} took the change back", by.substr(0, 10)) : "";
}

/// Of what cannot be read, all is taken to be in force.
Result<std::vector<ExpiringPart>> still_in_force(Session& session, const Expiry& expiry) {
  auto repository = TRY(session.repository());
  auto known = know_live_and_head(session, *repository);
  if (!known) return expiry.parts;
  const auto& head = known->head.hash;
  auto parts = parts_in_force(session, known->live.ruleset, known->same ? head : "", expiry);
  if (parts.empty())
    return error_of<messages::nothing_to_keep>(count_text(expiry.parts), escape(expiry.command),
                                               undone_since(session, head, expiry));
  return parts;
}

}  // namespace

Result<Expiry> keep_expiring(Session& session, const std::string& id,
                             std::optional<std::chrono::milliseconds> extend) {
  const auto held = TRY(lock(session));
  auto expiry = TRY(find_expiry(session, id));
  if (expiry.done) return error_of<messages::expiry_is_over>(escape(id), rfc3339(*expiry.done));
  const auto old_timer = timer_name(expiry) + ".timer";
  if (extend) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*extend).count();
    expiry.due = local(std::max(expiry.due.seconds, now().seconds) + seconds);
    auto written = write_expiry(session.state_path(), expiry);
    if (!written) return std::move(written).error().within("the rules expire as before");
    TRY(start_waiting(session, expiry));
  } else {
    auto in_force = TRY(still_in_force(session, expiry));
    end_expiry(session.state_path(),
               {.expiry = expiry, .ended = now(), .says = "kept for good by " + current_actor().text()});
    wake_expiries(session.state_path());
    expiry.parts = std::move(in_force);
  }
  stop_unit(old_timer);
  return expiry;
}

}  // namespace rewall
