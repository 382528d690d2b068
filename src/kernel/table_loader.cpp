#include "kernel/table_loader.h"

#include <algorithm>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "kernel/nftables.h"
#include "kernel/reading.h"
#include "kernel/refusal.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/stable_rules.h"
#include "rules/stricter.h"

namespace rewall {

namespace {

enum Turn { kStricter, kBothWays, kLooser };

// Rules under other set names: while a set changes its type, rules name its alias.
std::string with_names(std::string text, const SetNames& names) {
  for (const auto& [name, alias] : names) {
    const std::string from = "-set " + name + " ";  // --match-set, --add-set, --del-set, --map-set
    const std::string to = "-set " + alias + " ";
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  }
  return text;
}

std::string text_of(const Table* table, const std::string& name) {
  return canonical_text(table != nullptr ? *table : empty_table(name));
}

Turn turn_of(const Table* from, const Table* to, const std::string& name, Family family) {
  const Table empty = empty_table(name);
  const Table& before = from != nullptr ? *from : empty;
  const Table& after = to != nullptr ? *to : empty;
  if (only_stricter(before, after, family)) return kStricter;
  return only_stricter(after, before, family) ? kLooser : kBothWays;
}

/// Asking a program for a table that is not there makes it.
bool is_there(Backend backend, Family family, const std::string& name) {
  if (backend == Backend::legacy) {
    const auto names = legacy_table_names(family);
    return std::ranges::find(names, name) != names.end();
  }
  const auto tables = list_nft_tables();
  return tables && std::ranges::any_of(*tables, [&](const NftTable& table) {
           return table.iptables_family() == family && table.name == name;
         });
}

Table with_counters(Table wanted, const Table& live) {
  for (Chain& chain : wanted.chains) {
    const Chain* before = live.find(chain.name);
    chain.counters = before != nullptr ? before->counters : std::nullopt;
    for (Rule& rule : chain.rules) rule.counters.reset();
    if (before == nullptr) continue;
    for (const auto& [from, to] : stable_rules(before->rules, chain.rules))
      chain.rules[to].counters = before->rules[from].counters;
  }
  return wanted;
}

}  // namespace

Result<Command> restore_command(Programs& programs, const BackendTables& of, std::string text,
                                const std::vector<std::string>& options) {
  auto program = TRY(programs.iptables(of.backend, of.family, "restore", ErrorKind::kernel));
  std::vector<std::string> words{program};
  // Legacy gives up at once when another program holds the xtables lock; programs without variants know no
  // -w.
  if (base_name(program).find("-legacy-") != std::string::npos) words.insert(words.end(), {"-w", "10"});
  words.insert(words.end(), options.begin(), options.end());
  return programs.command(std::move(words), std::move(text));
}

TableLoader::TableLoader(Programs& programs, const std::vector<BackendTables>& live) : programs_(programs) {
  for (const BackendTables& of : live)
    for (const Table& table : of.tables->tables)
      in_force_[{of.backend, of.family, table.name}] = {.table = &table, .text = canonical_text(table)};
}

std::string TableLoader::Step::title() const {
  return format("table {} {}", short_name(of.family), name);
}

TableLoader::InForce TableLoader::in_force(const Place& place) const {
  const auto known = in_force_.find(place);
  if (known != in_force_.end()) return known->second;
  return {.text = text_of(nullptr, std::get<std::string>(place))};
}

std::vector<TableLoader::Step> TableLoader::plan(const std::vector<BackendTables>& wanted,
                                                 const SetNames& names, Phase phase) const {
  std::vector<Step> steps;
  for (const BackendTables& of : wanted) {
    std::vector<Step> ours;
    for (const Table& table : of.tables->tables)
      ours.push_back({.of = of, .name = table.name, .wanted = {.table = &table, .ours = true}});
    for (const auto& [place, table] : in_force_) {
      const auto& [backend, family, name] = place;
      if (backend == of.backend && family == of.family && of.tables->find(name) == nullptr)
        ours.push_back({.of = of, .name = name});
    }
    std::ranges::stable_sort(ours, {}, [](const Step& step) { return table_rank(step.name); });
    for (Step& step : ours) {
      const std::string text = text_of(step.wanted.table, step.name);
      step.wanted.text = with_names(text, names);
      step.before = in_force(step.place());
      if (step.before.text == step.wanted.text) continue;  // it keeps its counters and its state
      step.other_sets = step.wanted.text != text;
      steps.push_back(std::move(step));
    }
  }
  for (Step& step : steps) {
    const Family family = step.of.family;
    const auto same_family = [](const Step& other) { return other.of.family; };
    if (phase == Phase::all && std::ranges::count(steps, family, same_family) == 1) continue;
    if (phase != Phase::all && step.wanted.table == nullptr) {
      step.turn = kLooser;
      continue;
    }
    // A rule whose set is another one now says the same and may do anything.
    step.turn =
        step.other_sets ? kBothWays : turn_of(step.before.table, step.wanted.table, step.name, family);
  }
  std::erase_if(steps, [phase](const Step& step) {
    return phase != Phase::all && (step.turn == kLooser) != (phase == Phase::after_transaction);
  });
  std::ranges::stable_sort(steps, {}, &Step::turn);
  return steps;
}

std::optional<Tables> TableLoader::read_counters(Step& step) {
  const BackendTables& of = step.of;
  step.back = text_of(nullptr, step.name);
  if (!is_there(of.backend, of.family, step.name)) return std::nullopt;
  if (step.before.text) step.back = *step.before.text;
  const auto lost = [&](const std::string& why) {
    log_warning("{}: its counters start from 0: {}", step.title(), why);
    return std::nullopt;
  };
  const auto program = programs_.iptables(of.backend, of.family, "save", ErrorKind::kernel);
  if (!program) return lost(program.error().message);
  auto outcome = run(programs_.command({*program, "-c", "-t", step.name}), ErrorKind::kernel);
  if (!outcome) return lost(outcome.error().message);
  if (!outcome->ok()) return lost(outcome->text());
  auto tables = parse_saved(with_names(outcome->out, unaliased_), of.family, base_name(*program));
  if (!tables) return lost(tables.error().message);
  if (tables->find(step.name) == nullptr) return lost(base_name(*program) + " left it out");
  step.back = std::move(outcome->out);
  return *std::move(tables);
}

Status TableLoader::load(Step step, const SetNames& names) {
  std::string text = *step.wanted.text;
  if (const auto live = read_counters(step)) {
    const Table empty = empty_table(step.name);
    const Table& now = *live->find(step.name);
    const Table& before = step.before.table != nullptr ? *step.before.table : empty;
    if (step.before.text && !step.before.ours && canonical_text(now) != canonical_text(before))
      return error_of<messages::table_changed>(step.title());
    const Table& wanted = step.wanted.table != nullptr ? *step.wanted.table : empty;
    text = with_names(counted_text(with_counters(wanted, now)), names);
  }
  auto command = TRY(restore_command(programs_, step.of, std::move(text), {"-c"}));
  const auto outcome = run(std::move(command), ErrorKind::kernel);
  if (!outcome) return outcome.error();
  Status done;
  // The text without counters has the same lines.
  if (!outcome->ok())
    done = refusal({.tables = *step.of.tables, .file = step.of.file, .text = *step.wanted.text}, *outcome)
               .within(step.title());
  // One that was killed may have done its work.
  if (outcome->ok() || outcome->timed_out || outcome->signal != 0) {
    in_force_[step.place()] = step.wanted;
    loaded_.push_back(std::move(step));
  }
  return done;
}

void TableLoader::put_back(Error& why) {
  while (!loaded_.empty()) {
    Step step = std::move(loaded_.back());
    loaded_.pop_back();
    std::string words;
    if (auto command = restore_command(programs_, step.of, std::move(step.back), {"-c"}); !command) {
      words = command.error().message;
    } else if (const auto outcome = run(*std::move(command), ErrorKind::kernel); !outcome) {
      words = outcome.error().message;
    } else if (!outcome->ok()) {
      words = outcome->text();
    }
    if (words.empty()) {
      in_force_[step.place()] = std::move(step.before);
      continue;
    }
    in_force_[step.place()] = {.table = step.before.table};
    whole_ = false;
    why.kind = ErrorKind::kernel;
    why.message += format("; {} could not be put back: {}", step.title(), words);
  }
}

Status TableLoader::bring(const std::vector<BackendTables>& wanted, const SetNames& names, Phase phase) {
  for (const auto& [name, alias] : names) unaliased_.emplace(alias, name);
  loaded_.clear();
  for (Step& step : plan(wanted, names, phase)) {
    auto loaded = load(std::move(step), names);
    if (loaded) continue;
    put_back(loaded.error());
    return loaded;
  }
  return {};
}

}  // namespace rewall
