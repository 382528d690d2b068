#include "ops/deeds.h"

#include <unistd.h>

#include <algorithm>

#include "core/format.h"
#include "core/text.h"

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

Deed merged(Deed told, const Process& audited) {
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

bool same_deed(const Deed& a, const Deed& b) {
  return a.process == b.process && a.who.words == b.who.words;
}

// A process of another network namespace; by its parent, where it is gone.
bool of_another_network(const AuditRecord& record) {
  const auto own = network_of(::getpid());
  auto network = network_of(record.process);
  if (network == 0) network = network_of(record.who.parent);
  return network != 0 && network != own;
}

bool is_gone(const AuditRecord& record) {
  return network_of(record.process) == 0;
}

}  // namespace

std::string command_of(const Deed& deed) {
  if (deed.who.words.empty()) return deed.who.name;
  std::vector<std::string> words;
  for (const auto& word : deed.who.words) words.push_back(shell_quote(word));
  return join(words, " ") + (deed.words_are_cut ? " ..." : "");
}

std::string text_of(const Deed& deed) {
  auto text = format("{}, pid {}", deed.who.name, deed.process);
  if (const auto actor = actor_of(deed.who).text(); !actor.empty()) text += ", by " + actor;
  return text;
}

void Deeds::add(const Committed& transaction) {
  if (!transaction.touches()) return;
  if (told_.size() >= kMost) {
    ++left_out_;
    return;
  }
  told_.push_back({.generation = transaction.generation,
                   .deed = {.process = transaction.process,
                            .who = process_of(transaction.process, transaction.program)}});
}

void Deeds::add(AuditRecord record) {
  if (!record.family || !sees_all_processes() || record.who.parent == ::getpid()) return;
  if (record.generation) {
    while (audited_.size() >= kMostAudited) audited_.erase(audited_.begin());
    audited_.insert_or_assign({*record.generation, record.process}, std::move(record.who));
  } else if (record.operation == "xt_replace" && !of_another_network(record)) {
    legacy_news_ = true;
    if (legacy_.size() < kMost)
      legacy_.push_back(std::move(record));
    else
      ++left_out_;
  }
}

Deeds::Taken Deeds::take(const std::optional<std::uint32_t>& generation, const Entries& entries) {
  Taken taken{.left_out = std::exchange(left_out_, 0)};
  const auto put = [&](Deed deed) {
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
  std::set<std::pair<Family, std::string>> ours;
  for (const auto& record : legacy_) {
    const std::pair table{*record.family, record.table};
    const auto before = entries.find(table);
    const bool fits = before == entries.end() || before->second == record.entries || ours.contains(table);
    if (is_gone(record) && !fits) continue;
    ours.insert(table);
    put(merged({.process = record.process, .who = {.name = record.who.name}}, record.who));
  }
  legacy_.clear();
  return taken;
}

void add_entries(std::string_view text, Family family, Deeds::Entries& entries) {
  unsigned* count = nullptr;
  for (const auto line : split_lines(text)) {
    if (line.starts_with('*')) count = &(entries[{family, std::string(line.substr(1))}] = 1);
    if (count == nullptr) continue;
    if (line.starts_with(':')) *count += line.find(" - [") == std::string_view::npos ? 1 : 2;
    if (line.starts_with("-A ")) ++*count;
  }
}

}  // namespace rewall
