#include "kernel/loader.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "kernel/nftables.h"
#include "kernel/refusal.h"
#include "kernel/set_loader.h"
#include "kernel/transaction.h"
#include "rules/print.h"
#include "rules/sets.h"

namespace rewall {

Result<Command> restore_command(Programs& programs, const Slot& slot, std::string text,
                                const std::vector<std::string>& options) {
  auto program = programs.iptables(slot.backend, slot.family, "restore", ErrorKind::kernel);
  if (!program) return std::move(program).error();
  std::vector<std::string> words{*program};
  // Legacy gives up at once when another program holds the xtables lock; programs without variants know no
  // -w.
  if (base_name(*program).find("-legacy-") != std::string::npos) words.insert(words.end(), {"-w", "10"});
  words.insert(words.end(), options.begin(), options.end());
  return programs.command(std::move(words), std::move(text));
}

namespace {

// Rules under other set names: while a set changes its type, rules name its alias.
std::string with_names(std::string text, const Names& names) {
  for (const auto& [name, alias] : names) {
    const std::string from = "-set " + name + " ";  // --match-set, --add-set, --del-set, --map-set
    const std::string to = "-set " + alias + " ";
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  }
  return text;
}

/// The tables' texts as they are in force, by place; one that is not here is empty.
class InForce {
 public:
  explicit InForce(const Ruleset& live) {
    for (const Slot& slot : slots_of(live))
      for (const Table& table : slot.tables->tables) text(slot, table.name) = canonical_text(table);
  }
  std::string& text(const Slot& slot, const std::string& table) {
    std::string& known = texts_[{slot.backend, slot.family, table}];
    if (known.empty()) known = canonical_text(empty_table(table));
    return known;
  }
  std::vector<std::string> tables(const Slot& slot) const {
    std::vector<std::string> names;
    for (const auto& [place, text] : texts_)
      if (std::get<0>(place) == slot.backend && std::get<1>(place) == slot.family)
        names.push_back(std::get<2>(place));
    return names;
  }

 private:
  std::map<std::tuple<Backend, Family, std::string>, std::string> texts_{};
};

/// Those of `wanted` in its order, then those that only live has.
std::vector<std::string> table_names(const Slot& slot, const InForce& in_force) {
  std::vector<std::string> names;
  for (const Table& table : slot.tables->tables) names.push_back(table.name);
  for (std::string& name : in_force.tables(slot))
    if (slot.tables->find(name) == nullptr) names.push_back(std::move(name));
  return names;
}

Status load_slot(Programs& programs, const Slot& slot, InForce& in_force, const Names& names) {
  for (const std::string& name : table_names(slot, in_force)) {
    const Table* table = slot.tables->find(name);
    std::string text = with_names(canonical_text(table != nullptr ? *table : empty_table(name)), names);
    std::string& now = in_force.text(slot, name);
    if (now == text) continue;  // it keeps its counters and its state
    auto command = restore_command(programs, slot, text);
    if (!command) return std::move(command).error();
    const auto outcome = run(*std::move(command), ErrorKind::kernel);
    if (!outcome) return outcome.error();
    if (!outcome->ok())
      return refusal({.tables = *slot.tables, .file = slot.file, .text = text}, *outcome)
          .within(format("table {} {}", short_name(slot.family), name));
    now = std::move(text);
  }
  return {};
}

Status load_tables(Programs& programs, const Ruleset& wanted, InForce& in_force, const Names& names) {
  auto slots = slots_of(wanted);
  const Ruleset nothing;
  const auto empty = slots_of(nothing);
  for (const Backend backend : kBackends) {
    if (std::ranges::find(slots, backend, &Slot::backend) != slots.end()) continue;
    for (Slot slot : empty) {
      slot.backend = backend;
      slots.push_back(std::move(slot));
    }
  }
  for (const Slot& slot : slots)
    if (auto loaded = load_slot(programs, slot, in_force, names); !loaded) return loaded;
  return {};
}

}  // namespace

std::vector<Slot> slots_of(const Ruleset& ruleset, const FileNames& names) {
  std::vector<Slot> slots;
  const auto add = [&](Backend backend, const Tables& tables, const std::string& file) {
    slots.push_back({.backend = backend, .family = tables.family, .tables = &tables, .file = file});
  };
  add(ruleset.backend, ruleset.v4, names.v4);
  add(ruleset.backend, ruleset.v6, names.v6);
  if (ruleset.both_backends()) {
    add(Backend::legacy, ruleset.v4_legacy, names.v4_legacy);
    add(Backend::legacy, ruleset.v6_legacy, names.v6_legacy);
  }
  return slots;
}

namespace {

/// Where there is no scratch namespace: table by table, both backends.
Status load_by_tables(Programs& programs, const Ruleset& wanted, const Ruleset& live) {
  SetLoader sets(programs, live.sets, wanted.sets);
  InForce in_force(live);
  if (auto done = sets.fill(sets.aliases()); !done) return done;
  if (auto done = sets.swap(); !done) return done;
  if (auto done = load_tables(programs, wanted, in_force, sets.aliases()); !done) {
    // Rules that name a set's alias keep it from going.
    if (load_tables(programs, live, in_force, {})) sets.undo();
    return done;
  }
  if (auto done = sets.drop_old(); !done) return done;
  if (sets.aliases().empty()) return {};
  if (auto done = sets.fill({}); !done) return done;
  if (auto done = sets.swap(); !done) return done;
  if (auto done = load_tables(programs, wanted, in_force, {}); !done) return done;
  return sets.drop_aliases();
}

Ruleset legacy_part(const Ruleset& ruleset) {
  Ruleset part;
  part.backend = Backend::legacy;
  const bool beside = ruleset.backend == Backend::nft;
  part.v4 = beside ? ruleset.v4_legacy : ruleset.v4;
  part.v6 = beside ? ruleset.v6_legacy : ruleset.v6;
  return part;
}

/// What the sets are called in the rules when all is done.
Names own_names(const Names& aliases) {
  Names names;
  for (const auto& [name, alias] : aliases) names.emplace(name, name);
  return names;
}

class Load {
 public:
  Load(Programs& programs, const Staged& staged, const Ruleset& live)
      : programs_(programs),
        staged_(staged),
        live_(live),
        sets_(programs, live.sets, staged.ruleset.sets),
        live_legacy_(legacy_part(live)),
        wanted_legacy_(legacy_part(staged.ruleset)),
        in_force_(live_legacy_) {}

  Result<bool> carry_out(const std::optional<Generation>& generation) {
    Transaction transaction(live_, staged_.ruleset, *staged_.scratch, sets_.aliases());
    auto done = sets_.fill(sets_.aliases());
    if (done) done = transaction.prepare(generation ? generation->number : 0);
    if (done) done = sets_.swap();
    if (done) done = load_tables(programs_, wanted_legacy_, in_force_, sets_.aliases());
    if (done && !transaction.empty()) done = transaction.send();
    if (!done) {
      if (load_tables(programs_, live_legacy_, in_force_, {})) sets_.undo();
      return std::move(done).error();
    }
    const bool alone = transaction.empty() ? read_generation() == generation : is_next(generation);
    const bool legacy = live_.both_backends() || staged_.ruleset.both_backends() ||
                        live_.backend == Backend::legacy || staged_.ruleset.backend == Backend::legacy;
    const bool proven = generation && alone && !legacy && transaction.reads_back();
    if (auto dropped = sets_.drop_old(); !dropped) return std::move(dropped).error();
    if (sets_.aliases().empty()) return proven;
    if (auto renamed = name_sets(); !renamed) return std::move(renamed).error();
    return false;
  }

 private:
  static bool is_next(const std::optional<Generation>& before) {
    auto expected = before;
    if (expected && ++expected->number == 0) ++expected->number;  // nf_tables_commit
    return read_generation() == expected;
  }

  /// The rules name aliases, and the sets that they stand for are gone: they come back as they should be.
  Status name_sets() {
    if (auto done = sets_.fill({}); !done) return done;
    if (auto done = sets_.swap(); !done) return done;
    const Names names = own_names(sets_.aliases());
    const auto generation = read_generation();
    Transaction transaction(staged_.ruleset, staged_.ruleset, *staged_.scratch, names);
    if (auto done = transaction.prepare(generation ? generation->number : 0); !done) return done;
    if (auto done = load_tables(programs_, wanted_legacy_, in_force_, {}); !done) return done;
    if (!transaction.empty()) {
      if (auto done = transaction.send(); !done) return done;
    }
    return sets_.drop_aliases();
  }

  Programs& programs_;
  const Staged& staged_;
  const Ruleset& live_;
  SetLoader sets_;
  Ruleset live_legacy_;
  Ruleset wanted_legacy_;
  InForce in_force_;
};

}  // namespace

Result<bool> load(Programs& programs, const Staged& staged, const Ruleset& live,
                  const std::optional<Generation>& generation) {
  if (staged.scratch != nullptr) return Load(programs, staged, live).carry_out(generation);
  if (auto done = load_by_tables(programs, staged.ruleset, live); !done) return std::move(done).error();
  return false;
}

}  // namespace rewall
