#include "ops/watch/attribution.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <tuple>

#include "core/format.h"
#include "core/text.h"
#include "ops/watch/step_fold.h"
#include "rules/print.h"

namespace rewall {
namespace {

// As many transactions, and steps in them, are kept until they are recorded.
constexpr std::size_t kMostNotified = 4096;
constexpr std::size_t kMostSteps = 100000;
// Of each class of evidence for changes of the legacy backend.
constexpr std::size_t kMostLegacy = 200;
// MAX_PROCTITLE_AUDIT_LEN of kernel/auditsc.c.
constexpr std::size_t kTitle = 128;
constexpr std::string_view kPerhaps = "(perhaps) ";

std::size_t length_of(const std::vector<std::string>& words) {
  std::size_t length = 0;
  for (const auto& word : words) length += word.size() + 1;
  return length;
}

// The process of the notification, while it lives: another process may have its number by now.
Process process_of(pid_t number, const std::string& program) {
  Process known{.name = program};
  if (!sees_all_processes()) return known;
  auto process = look_at_process(number);
  // A zombie has no command line.
  return process && process->name == program && !process->words.empty() ? *std::move(process) : known;
}

AttributedChange merged(AttributedChange notified, const Process& audited) {
  const bool longer =
      notified.who.words.size() <= 1 || length_of(notified.who.words) < length_of(audited.words);
  if (longer && !audited.words.empty()) {
    notified.who.words = audited.words;
    notified.words_are_cut = length_of(audited.words) >= kTitle;
  }
  // Of the process itself, where proc(5) may have shown a later one with its number.
  if (audited.user) {
    notified.who.login = audited.login;
    notified.who.user = audited.user;
    notified.who.tty = audited.tty;
  }
  if (audited.parent != 0) notified.who.parent = audited.parent;
  return notified;
}

// What one process did in several transactions is one change.
bool same_change(const AttributedChange& a, const AttributedChange& b) {
  return a.process == b.process && a.who.words == b.who.words && a.table == b.table && a.perhaps == b.perhaps;
}

std::size_t put(AttributedChanges& all, AttributedChange change) {
  if (all.changes.empty() || !same_change(all.changes.back(), change)) {
    all.changes.push_back(std::move(change));
  } else {
    auto& last = all.changes.back();
    last.touched.merge(change.touched);
    last.native.merge(change.native);
    if (last.actor.user.empty()) last.actor = std::move(change.actor);
  }
  return all.changes.size() - 1;
}

// Whoever reads the history cannot see what a transaction does and undoes itself: nothing was ever in force.
std::vector<ChainStep> lasting(std::vector<ChainStep> steps) {
  if (steps.size() < 2) return steps;
  StepFold fold([](const ChainName&) { return std::string(); });
  std::map<ChainName, const ChainStep*> policies;
  for (const auto& step : steps) {
    if (step.kind == ChainStep::Kind::policy)
      policies[step.chain] = &step;
    else
      fold.add(step, 0);
  }
  std::vector<ChainStep> left;
  for (const auto* step : fold.standing_steps()) left.push_back(*step);
  for (const auto& [chain, step] : policies) left.push_back(*step);
  return left;
}

// Whether the process is in our network namespace; absent when the process is gone.
std::optional<bool> is_ours(pid_t number, const std::string& program) {
  const auto network = network_of(number);
  const auto process = look_at_process(number);
  if (network == 0 || !process || process->name != program) return std::nullopt;
  return network == network_of(::getpid());
}

// A table that is not in the text is as the kernel makes it: a policy for each built-in chain, and the end.
LegacyTable state_of(const LegacyTables& tables, const std::pair<Family, std::string>& table) {
  const auto found = tables.find(table);
  if (found != tables.end()) return found->second;
  return {.entries = static_cast<unsigned>(built_in_chains(table.second).size()) + 1};
}

}  // namespace

std::string command_of(const AttributedChange& change) {
  const std::string begin(change.perhaps ? kPerhaps : "");
  if (change.who.words.empty()) return begin + change.who.name;
  std::vector<std::string> words;
  for (const auto& word : change.who.words) words.push_back(shell_quote(word));
  return begin + join(words, " ") + (change.words_are_cut ? " ..." : "");
}

std::string text_of(const AttributedChange& change) {
  auto text = format("{}{}, pid {}", change.perhaps ? kPerhaps : "", change.who.name, change.process);
  if (const auto actor = change.actor.text(); !actor.empty()) text += ", by " + actor;
  return text;
}

void AttributedChanges::append(AttributedChanges later) {
  const std::size_t before = changes.size();
  std::ranges::move(later.changes, std::back_inserter(changes));
  for (auto& step : later.undone) {
    step.by += before;
    step.back_by += before;
    undone.push_back(std::move(step));
  }
  left_out += later.left_out;
}

Actor Attribution::actor_of(const Process& process) {
  const std::tuple key{process.login, process.user, process.tty, process.parent};
  auto found = actors_.find(key);
  if (found == actors_.end()) found = actors_.emplace(key, rewall::actor_of(process)).first;
  return found->second;
}

void Attribution::add(Committed transaction) {
  if (!transaction.touches()) return;
  if (notified_.size() >= kMostNotified) {
    ++left_out_;
    steps_are_all_ = false;
    return;
  }
  Notified made{.change = {.process = transaction.process,
                           .who = process_of(transaction.process, transaction.program)}};
  made.change.actor = actor_of(made.change.who);
  for (const auto& [chain, there] : transaction.chains) made.change.touched.insert(chain);
  made.change.native = transaction.native;
  transaction.steps = lasting(std::move(transaction.steps));
  if (steps_ + transaction.steps.size() > kMostSteps) {
    transaction.steps_are_all = false;
    transaction.steps.clear();
  }
  steps_ += transaction.steps.size();
  steps_are_all_ = steps_are_all_ && transaction.steps_are_all;
  index_.insert_or_assign(TransactionKey{transaction.generation, transaction.process}, notified_.size());
  made.transaction = std::move(transaction);
  notified_.push_back(std::move(made));
}

void Attribution::add(AuditRecord record) {
  if (!record.family || !sees_all_processes() || record.who.parent == ::getpid()) return;
  if (record.generation) {
    const auto found = index_.find({*record.generation, record.process});
    if (found == index_.end()) return;
    auto& made = notified_[found->second];
    if (std::exchange(made.is_audited, true)) return;
    ++audited_;
    audit_spoke_ = true;
    made.change = merged(std::move(made.change), record.who);
    made.change.actor = actor_of(made.change.who);
  } else if (record.operation == "xt_replace") {
    const auto ours = is_ours(record.process, record.who.name);
    if (ours == false) return;
    const auto evidence = ours ? Evidence::process : record.who.user == 0U ? Evidence::root : Evidence::other;
    legacy_changed_ = true;
    if (legacy_counts_[evidence]++ < kMostLegacy)
      legacy_.push_back({.record = std::move(record), .evidence = evidence});
    else if (evidence != Evidence::other)
      ++left_out_;
  }
}

void Attribution::add_notified(const Window& window, AttributedChanges& all) const {
  StepFold fold(window.policy_before);
  std::map<std::size_t, std::size_t> places;
  for (const auto& made : notified_) {
    if (window.generation && is_after(made.transaction.generation, *window.generation)) break;
    const auto place = put(all, made.change);
    for (const auto& step : made.transaction.steps) fold.add(step, place);
    // Of what is not kept, all may stand.
    if (!made.transaction.steps_are_all)
      all.changes[place].chains.insert(made.change.touched.begin(), made.change.touched.end());
  }
  for (const auto& [chain, standing] : fold.standing())
    for (const auto place : standing) all.changes[place].chains.insert(chain);
  if (!steps_are_all_) return;
  for (const auto& pair : fold.undone())
    all.undone.push_back({.step = *pair.step, .by = pair.by, .back_by = pair.back_by});
}

// A record has the number of entries before its change: the first record of this namespace has the number of
// `before`, those that follow have numbers between it and the number of `after`.
void Attribution::add_legacy(const Window& window, AttributedChanges& all) const {
  // The places in legacy_ of the records that fit a table.
  std::map<LegacyTableName, std::map<Evidence, std::vector<std::size_t>>> tables;
  std::set<LegacyTableName> begun;
  for (std::size_t i = 0; i < legacy_.size(); ++i) {
    const auto& [record, evidence] = legacy_[i];
    const LegacyTableName table{*record.family, record.table};
    const auto [from, hash_before] = state_of(window.before, table);
    const auto [to, hash_after] = state_of(window.after, table);
    const bool follows =
        begun.contains(table) && std::min(from, to) <= record.entries && record.entries <= std::max(from, to);
    const bool fits = hash_before != hash_after && (record.entries == from || follows);
    if (evidence != Evidence::process && !fits) continue;
    if (evidence != Evidence::other) begun.insert(table);
    tables[table][evidence].push_back(i);
  }
  std::map<std::size_t, std::pair<bool, bool>> chosen;  // perhaps, perhaps of the actor
  for (auto& [table, fitting] : tables) {
    const auto& proved = fitting[Evidence::process];
    const auto& roots = fitting[Evidence::root];
    const auto& others = fitting[Evidence::other];
    for (const auto i : proved) chosen[i] = {false, false};
    const bool is_one = proved.empty() && roots.size() == 1 && is_whole_;
    const bool same_person =
        proved.empty() && is_whole_ && !roots.empty() && std::ranges::all_of(roots, [&](std::size_t i) {
          const auto& one = legacy_[i].record.who;
          const auto& first = legacy_[roots.front()].record.who;
          return one.login == first.login && one.user == first.user && one.tty == first.tty;
        });
    for (const auto i : roots) chosen[i] = {!is_one, !same_person};
    if (!proved.empty() || !roots.empty()) continue;
    for (const auto i : others) chosen[i] = {true, true};
  }
  for (const auto& [i, perhaps] : chosen) {
    const auto& record = legacy_[i].record;
    auto change = merged({.process = record.process, .who = {.name = record.who.name}}, record.who);
    change.actor = rewall::actor_of(change.who);
    change.perhaps = perhaps.first;
    change.perhaps_actor = perhaps.second;
    change.table = LegacyTableName{*record.family, record.table};
    put(all, std::move(change));
  }
}

AttributedChanges Attribution::changes(const Window& window) const {
  AttributedChanges all{.left_out = left_out_};
  add_notified(window, all);
  add_legacy(window, all);
  return all;
}

void Attribution::forget(const std::optional<std::uint32_t>& generation) {
  const auto later = std::ranges::find_if(notified_, [&](const Notified& made) {
    return generation && is_after(made.transaction.generation, *generation);
  });
  notified_.erase(notified_.begin(), later);
  index_.clear();
  audited_ = 0;
  steps_ = 0;
  steps_are_all_ = true;
  for (std::size_t i = 0; i < notified_.size(); ++i) {
    const auto& made = notified_[i];
    index_.insert_or_assign(TransactionKey{made.transaction.generation, made.transaction.process}, i);
    audited_ += made.is_audited ? 1U : 0U;
    steps_ += made.transaction.steps.size();
    steps_are_all_ = steps_are_all_ && made.transaction.steps_are_all;
  }
  legacy_.clear();
  legacy_counts_.clear();
  actors_.clear();
  is_whole_ = true;
  left_out_ = 0;
}

void add_tables(std::string_view text, Family family, LegacyTables& tables) {
  LegacyTable* table = nullptr;
  for (const auto line : split_lines(text)) {
    if (line.starts_with('*')) table = &(tables[{family, std::string(line.substr(1))}] = {.entries = 1});
    if (table == nullptr) continue;
    if (line.starts_with(':')) table->entries += line.find(" - [") == std::string_view::npos ? 1 : 2;
    if (line.starts_with("-A ")) ++table->entries;
    table->hash = table->hash * 31 + std::hash<std::string_view>{}(line);
  }
}

}  // namespace rewall
