#include "ops/watch/attribution.h"

#include <unistd.h>

#include <algorithm>
#include <functional>

#include "core/format.h"
#include "core/text.h"
#include "rules/print.h"

namespace rewall {
namespace {

// A message with more commands is read by nobody, and grows with every change.
constexpr std::size_t kMost = 200;
constexpr std::size_t kMostAudited = 4096;
// MAX_PROCTITLE_AUDIT_LEN of kernel/auditsc.c.
constexpr std::size_t kTitle = 128;

std::size_t length_of(const std::vector<std::string>& words) {
  std::size_t length = 0;
  for (const auto& word : words) length += word.size() + 1;
  return length;
}

// The process of the notification, while it is there: another may have its number by now.
Process process_of(pid_t number, const std::string& program) {
  Process known{.name = program};
  if (!sees_all_processes()) return known;
  auto process = look_at_process(number);
  // A zombie has no command line any more.
  return process && process->name == program && !process->words.empty() ? *std::move(process) : known;
}

AttributedChange merged(AttributedChange told, const Process& audited) {
  const bool longer = told.who.words.size() <= 1 || length_of(told.who.words) < length_of(audited.words);
  if (longer && !audited.words.empty()) {
    told.who.words = audited.words;
    told.words_are_cut = length_of(audited.words) >= kTitle;
  }
  if (audited.login) told.who.login = audited.login;
  if (audited.user) told.who.user = audited.user;
  if (!audited.tty.empty()) told.who.tty = audited.tty;
  if (audited.parent != 0) told.who.parent = audited.parent;
  return told;
}

bool same_deed(const AttributedChange& a, const AttributedChange& b) {
  return a.process == b.process && a.who.words == b.who.words;
}

// By the network namespace of the process; absent when it is gone.
std::optional<bool> is_ours(pid_t process) {
  const auto network = network_of(process);
  if (network == 0) return std::nullopt;
  return network == network_of(::getpid());
}

// One that is not there is as the kernel makes it: a policy for each built-in chain and the end.
Attribution::TableState state_of(const Attribution::Tables& tables,
                                 const std::pair<Family, std::string>& table) {
  const auto found = tables.find(table);
  if (found != tables.end()) return found->second;
  return {.entries = static_cast<unsigned>(built_in_chains(table.second).size()) + 1};
}

}  // namespace

std::string command_of(const AttributedChange& deed) {
  if (deed.who.words.empty()) return deed.who.name;
  std::vector<std::string> words;
  for (const auto& word : deed.who.words) words.push_back(shell_quote(word));
  return join(words, " ") + (deed.words_are_cut ? " ..." : "");
}

std::string text_of(const AttributedChange& deed) {
  auto text = format("{}, pid {}", deed.who.name, deed.process);
  if (const auto actor = actor_of(deed.who).text(); !actor.empty()) text += ", by " + actor;
  return text;
}

void Attribution::add(const Committed& transaction) {
  if (!transaction.touches()) return;
  if (told_.size() >= kMost) {
    ++left_out_;
    return;
  }
  told_.push_back({.generation = transaction.generation,
                   .deed = {.process = transaction.process,
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
    // No proof: `ip netns exec` and containers are started from outside.
    const auto evidence = ours                                 ? Evidence::process
                          : is_ours(record.who.parent) == true ? Evidence::parent
                                                               : Evidence::none;
    legacy_news_ = true;
    if (legacy_.size() < kMost)
      legacy_.push_back({.record = std::move(record), .evidence = evidence});
    else
      ++left_out_;
  }
}

Attribution::Taken Attribution::take(const std::optional<std::uint32_t>& generation, const Tables& before,
                                     const Tables& after) {
  Taken taken{.left_out = std::exchange(left_out_, 0)};
  const auto put = [&](AttributedChange deed) {
    if (taken.deeds.empty() || !same_deed(taken.deeds.back(), deed)) taken.deeds.push_back(std::move(deed));
  };
  const auto later = std::ranges::find_if(
      told_, [&](const Told& told) { return generation && is_after(told.generation, *generation); });
  for (auto told = told_.begin(); told != later; ++told) {
    const auto audited = audited_.find({told->generation, told->deed.process});
    if (audited == audited_.end()) {
      put(std::move(told->deed));
    } else {
      put(merged(std::move(told->deed), audited->second));
      audited_.erase(audited);
    }
  }
  told_.erase(told_.begin(), later);
  // A record has the number of entries before its change: the first of ours has that of before, those that
  // follow lie on the way to that of after.
  std::set<std::pair<Family, std::string>> begun;
  std::set<std::pair<Family, std::string>> evident;
  for (const auto& [record, evidence] : legacy_)
    if (evidence != Evidence::none) evident.emplace(*record.family, record.table);
  for (const auto& [record, evidence] : legacy_) {
    const std::pair table{*record.family, record.table};
    const auto [from, words_before] = state_of(before, table);
    const auto [to, words_after] = state_of(after, table);
    const bool follows =
        begun.contains(table) && std::min(from, to) <= record.entries && record.entries <= std::max(from, to);
    const bool fits = words_before != words_after && (record.entries == from || follows);
    if (evidence == Evidence::none && evident.contains(table)) continue;
    if (evidence != Evidence::process && !fits) continue;
    begun.insert(table);
    put(merged({.process = record.process, .who = {.name = record.who.name}}, record.who));
  }
  legacy_.clear();
  return taken;
}

void add_tables(std::string_view text, Family family, Attribution::Tables& tables) {
  Attribution::TableState* state = nullptr;
  for (const auto line : split_lines(text)) {
    if (line.starts_with('*')) state = &(tables[{family, std::string(line.substr(1))}] = {.entries = 1});
    if (state == nullptr) continue;
    if (line.starts_with(':')) state->entries += line.find(" - [") == std::string_view::npos ? 1 : 2;
    if (line.starts_with("-A ")) ++state->entries;
    state->words = state->words * 31 + std::hash<std::string_view>{}(line);
  }
}

}  // namespace rewall
