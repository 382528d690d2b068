#include "ops/watch/attribution.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>

#include "core/format.h"
#include "core/text.h"
#include "rules/print.h"

namespace rewall {
namespace {

// Nobody reads a message with more commands, and a message without a limit grows with every change.
constexpr std::size_t kMost = 200;
constexpr std::size_t kMostAudited = 4096;
// MAX_PROCTITLE_AUDIT_LEN of kernel/auditsc.c.
constexpr std::size_t kTitle = 128;

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
  if (audited.login) notified.who.login = audited.login;
  if (audited.user) notified.who.user = audited.user;
  if (!audited.tty.empty()) notified.who.tty = audited.tty;
  if (audited.parent != 0) notified.who.parent = audited.parent;
  return notified;
}

bool same_change(const AttributedChange& a, const AttributedChange& b) {
  return a.process == b.process && a.who.words == b.who.words;
}

// Whether the process is in our network namespace; absent when the process is gone.
std::optional<bool> is_ours(pid_t process) {
  const auto network = network_of(process);
  if (network == 0) return std::nullopt;
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
  if (change.who.words.empty()) return change.who.name;
  std::vector<std::string> words;
  for (const auto& word : change.who.words) words.push_back(shell_quote(word));
  return join(words, " ") + (change.words_are_cut ? " ..." : "");
}

std::string text_of(const AttributedChange& change) {
  auto text = format("{}, pid {}", change.who.name, change.process);
  if (const auto actor = actor_of(change.who).text(); !actor.empty()) text += ", by " + actor;
  return text;
}

void AttributedChanges::append(AttributedChanges later) {
  std::ranges::move(later.changes, std::back_inserter(changes));
  left_out += later.left_out;
}

void Attribution::add(const Committed& transaction) {
  if (!transaction.touches()) return;
  if (notified_.size() >= kMost) {
    ++left_out_;
    return;
  }
  notified_.push_back({.generation = transaction.generation,
                       .change = {.process = transaction.process,
                                  .who = process_of(transaction.process, transaction.program)}});
}

void Attribution::add(AuditRecord record) {
  if (!record.family || !sees_all_processes() || record.who.parent == ::getpid()) return;
  if (record.generation) {
    while (audited_.size() >= kMostAudited) audited_.erase(audited_.begin());
    audited_.insert_or_assign({*record.generation, record.process}, std::move(record.who));
  } else if (record.operation == "xt_replace") {
    const auto ours = is_ours(record.process);
    if (ours == false) return;
    // The parent proves nothing: `ip netns exec` and containers are started from outside.
    const auto evidence = ours                                 ? Evidence::process
                          : is_ours(record.who.parent) == true ? Evidence::parent
                                                               : Evidence::none;
    legacy_changed_ = true;
    if (legacy_.size() < kMost)
      legacy_.push_back({.record = std::move(record), .evidence = evidence});
    else
      ++left_out_;
  }
}

AttributedChanges Attribution::take(const std::optional<std::uint32_t>& generation,
                                    const LegacyTables& before, const LegacyTables& after) {
  AttributedChanges taken{.left_out = std::exchange(left_out_, 0)};
  const auto put = [&](AttributedChange change) {
    if (taken.changes.empty() || !same_change(taken.changes.back(), change))
      taken.changes.push_back(std::move(change));
  };
  const auto later = std::ranges::find_if(notified_, [&](const Notified& notified) {
    return generation && is_after(notified.generation, *generation);
  });
  for (auto notified = notified_.begin(); notified != later; ++notified) {
    const auto audited = audited_.find({notified->generation, notified->change.process});
    if (audited == audited_.end()) {
      put(std::move(notified->change));
    } else {
      put(merged(std::move(notified->change), audited->second));
      audited_.erase(audited);
    }
  }
  notified_.erase(notified_.begin(), later);
  // A record has the number of entries before its change: the first record of this namespace has the number
  // of `before`, those that follow have numbers between it and the number of `after`.
  std::set<std::pair<Family, std::string>> begun;
  std::set<std::pair<Family, std::string>> evident;
  for (const auto& [record, evidence] : legacy_)
    if (evidence != Evidence::none) evident.emplace(*record.family, record.table);
  for (const auto& [record, evidence] : legacy_) {
    const std::pair table{*record.family, record.table};
    const auto [from, hash_before] = state_of(before, table);
    const auto [to, hash_after] = state_of(after, table);
    const bool follows =
        begun.contains(table) && std::min(from, to) <= record.entries && record.entries <= std::max(from, to);
    const bool fits = hash_before != hash_after && (record.entries == from || follows);
    if (evidence == Evidence::none && evident.contains(table)) continue;
    if (evidence != Evidence::process && !fits) continue;
    begun.insert(table);
    put(merged({.process = record.process, .who = {.name = record.who.name}}, record.who));
  }
  legacy_.clear();
  return taken;
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
