#include "kernel/loader.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "kernel/namespace.h"
#include "kernel/refusal.h"
#include "kernel/set_loader.h"
#include "rules/print.h"
#include "rules/sets.h"

namespace rewall {

namespace {

Result<Command> restore_command(Programs& programs, const Slot& slot, std::string text,
                                const std::vector<std::string>& options = {}) {
  auto program = programs.iptables(slot.backend, slot.family, "restore", ErrorKind::kernel);
  if (!program) return std::move(program).error();
  std::vector<std::string> words{*program};
  // Legacy gives up at once when another program holds the xtables lock; programs without variants know no
  // -w.
  if (base_name(*program).find("-legacy-") != std::string::npos) words.insert(words.end(), {"-w", "10"});
  words.insert(words.end(), options.begin(), options.end());
  return programs.command(std::move(words), std::move(text));
}

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

std::string text_of(const Slot& slot) {
  return canonical_text(*slot.tables);
}

Result<Ruleset> stage_here(Programs& programs, const Ruleset& wanted, const FileNames& names) {
  const Sets none;
  if (auto sets = SetLoader(programs, none, wanted.sets, names.sets).bring({}); !sets)
    return std::move(sets).error();

  const auto slots = slots_of(wanted, names);
  std::vector<const Slot*> used;
  std::vector<Command> commands;
  for (const Slot& slot : slots) {
    std::string text = text_of(slot);
    if (text.empty()) continue;
    auto command = restore_command(programs, slot, std::move(text));
    if (!command) return std::move(command).error();
    commands.push_back(*std::move(command));
    used.push_back(&slot);
  }
  const auto outcomes = run_side_by_side(std::move(commands), ErrorKind::kernel);
  if (!outcomes) return outcomes.error();
  for (std::size_t i = 0; i < used.size(); ++i) {
    if ((*outcomes)[i].ok()) continue;
    const auto accepts = [&](const std::string& text) {
      auto command = restore_command(programs, *used[i], text);
      if (!command) return false;
      const auto tried = run(*std::move(command), ErrorKind::kernel);
      return tried && tried->ok();
    };
    return refusal({.tables = *used[i]->tables, .file = used[i]->file, .text = text_of(*used[i])},
                   (*outcomes)[i], accepts);
  }

  auto reading = read_once(programs, {.nft = wanted.backend == Backend::nft,
                                      .legacy = wanted.backend == Backend::legacy || wanted.both_backends()});
  if (!reading) {
    Error error = std::move(reading).error().within("scratch network namespace");
    error.kind = ErrorKind::kernel;
    return error;
  }
  return arranged_like(wanted, *std::move(reading));
}

/// A rule whose set is not in the kernel yet cannot be tested there.
std::string testable(const std::string& text) {
  std::string out;
  for (const std::string_view line : split_lines(text)) (out += names_set(line) ? "#" : line) += '\n';
  return out;
}

Result<Ruleset> test_here(Programs& programs, const Ruleset& wanted, const FileNames& names) {
  log_warning("no privilege for a scratch network namespace: each table was tested only, and no set was");
  for (const Slot& slot : slots_of(wanted, names)) {
    const std::string text = text_of(slot);
    if (text.empty()) continue;
    auto command = restore_command(programs, slot, testable(text), {"--test"});
    if (!command) return std::move(command).error();
    const auto outcome = run(*std::move(command), ErrorKind::kernel);
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return refusal({.tables = *slot.tables, .file = slot.file, .text = text}, *outcome);
  }
  return wanted;
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

Ruleset arranged_like(const Ruleset& like, Reading reading) {
  Ruleset ruleset;
  ruleset.backend = like.backend;
  ruleset.v4 = std::move(reading.tables(like.backend, Family::ipv4));
  ruleset.v6 = std::move(reading.tables(like.backend, Family::ipv6));
  if (like.both_backends()) {
    ruleset.v4_legacy = std::move(reading.legacy_v4);
    ruleset.v6_legacy = std::move(reading.legacy_v6);
  }
  ruleset.sets = std::move(reading.sets);
  return ruleset;
}

Result<Ruleset> stage(Programs& programs, const Ruleset& wanted, const FileNames& names) {
  const auto scratch = ScratchNamespace::create();
  if (!scratch) {
    if (scratch.error().kind == ErrorKind::permission) return test_here(programs, wanted, names);
    return scratch.error();
  }
  Result<Ruleset> staged = Ruleset{};
  scratch->run([&] { staged = stage_here(programs, wanted, names); });
  return staged;
}

Status load(Programs& programs, const Ruleset& wanted, const Ruleset& live) {
  SetLoader sets(programs, live.sets, wanted.sets);
  InForce in_force(live);
  if (auto done = sets.bring(sets.aliases()); !done) return done;
  if (auto done = load_tables(programs, wanted, in_force, sets.aliases()); !done) {
    // Rules that name a set's alias keep it from going.
    if (!sets.aliases().empty() && load_tables(programs, live, in_force, {})) sets.undo();
    return done;
  }
  if (auto done = sets.drop_old(); !done) return done;
  if (sets.aliases().empty()) return {};
  if (auto done = sets.bring({}); !done) return done;
  if (auto done = load_tables(programs, wanted, in_force, {}); !done) return done;
  return sets.drop_aliases();
}

}  // namespace rewall
