#include "ops/settle.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "diff/diff.h"
#include "ops/files.h"
#include "ops/journal.h"
#include "ops/load.h"
#include "ops/revision.h"
#include "ops/settings.h"
#include "ops/signals.h"
#include "ops/snapshot.h"
#include "rules/foreign.h"
#include "rules/print.h"

namespace rewall {
namespace {

constexpr int kAttempts = 3;

/// A table or a set: what a restore changes as one.
using Place = std::tuple<std::optional<Family>, std::optional<Backend>, std::string, std::string>;
using Places = std::set<Place>;

using Slot = Tables Ruleset::*;
constexpr std::array<Slot, 4> kSlots{&Ruleset::v4, &Ruleset::v6, &Ruleset::v4_legacy, &Ruleset::v6_legacy};

bool beside(Slot slot) {
  return slot == &Ruleset::v4_legacy || slot == &Ruleset::v6_legacy;
}

Place place_of(const Ruleset& ruleset, Slot slot, const std::string& table) {
  return {(ruleset.*slot).family, beside(slot) ? Backend::legacy : ruleset.backend, table, ""};
}

Place place_of(const Set& set) {
  return {std::nullopt, std::nullopt, "", set.name};
}

std::map<Place, std::string> texts_of(const Ruleset& ruleset) {
  std::map<Place, std::string> texts;
  for (const Slot slot : kSlots) {
    for (const auto& table : (ruleset.*slot).tables) {
      if (!is_empty(table)) texts.emplace(place_of(ruleset, slot, table.name), canonical_text(table));
    }
  }
  for (const auto& set : ruleset.sets.sets) texts.emplace(place_of(set), canonical_text(Sets{.sets = {set}}));
  return texts;
}

/// Where two rulesets differ: by their words, and by what they mean.
struct Differing {
  Places words{};
  Places meaning{};
};

Differing differing(const Ruleset& one, const Ruleset& other) {
  Differing found;
  const auto texts = texts_of(one);
  const auto others = texts_of(other);
  for (const auto& [place, text] : texts) {
    const auto same = others.find(place);
    if (same == others.end() || same->second != text) found.words.insert(place);
  }
  for (const auto& [place, text] : others) {
    if (!texts.contains(place)) found.words.insert(place);
  }
  for (const auto& change : compare(one, other).changes) {
    found.meaning.insert({change.family, change.backend, change.table, change.set});
  }
  return found;
}

/// A restore that did not end.
struct Unended {
  JournalEntry entry{};
  Ruleset before{};
  Ruleset wanted{};
  Differing change{};  ///< what it was to change
};

enum class Standing { before, wanted, mix };

/// Which of the two LIVE is in the places of the change; what others changed elsewhere is no matter.
Standing judge(const Unended& unended, const Ruleset& live) {
  const auto is = [&](const Ruleset& ruleset) {
    const Differing from = differing(ruleset, live);
    return std::ranges::none_of(unended.change.words, [&](const Place& place) {
      return (unended.change.meaning.contains(place) ? from.meaning : from.words).contains(place);
    });
  };
  if (is(unended.before)) return Standing::before;
  return is(unended.wanted) ? Standing::wanted : Standing::mix;
}

/// True when some place holds what is in neither: it is nowhere in the history.
bool holds_more(const Unended& unended, const Ruleset& live) {
  const auto from_before = differing(unended.before, live).words;
  const auto from_wanted = differing(unended.wanted, live).words;
  return std::ranges::any_of(unended.change.words, [&](const Place& place) {
    return from_before.contains(place) && from_wanted.contains(place);
  });
}

/// A set that rewall fills aside (kernel/set_loader.h).
bool is_helper(const std::string& name) {
  constexpr std::string_view kPrefix = "rewall-";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         name.find_first_not_of("0123456789", kPrefix.size()) == std::string::npos;
}

Ruleset without_helpers(Ruleset live, const Unended& unended) {
  std::erase_if(live.sets.sets, [&](const Set& set) {
    return is_helper(set.name) && unended.before.sets.find(set.name) == nullptr &&
           unended.wanted.sets.find(set.name) == nullptr;
  });
  return live;
}

template <class Text>
void append(std::vector<Text>& to, const std::vector<Text>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// LIVE with the old tables and sets in the places of the change.
Ruleset undone(const Unended& unended, const Ruleset& live) {
  const Ruleset& before = unended.before;
  if (live.backend != before.backend) return before;
  const Places& places = unended.change.words;
  Ruleset target = without_helpers(live, unended);
  for (const Slot slot : kSlots) {
    std::erase_if((target.*slot).tables,
                  [&](const Table& table) { return places.contains(place_of(target, slot, table.name)); });
    for (const auto& table : (before.*slot).tables) {
      if (places.contains(place_of(before, slot, table.name))) (target.*slot).tables.push_back(table);
    }
    append((target.*slot).texts, (before.*slot).texts);
  }
  std::erase_if(target.sets.sets, [&](const Set& set) { return places.contains(place_of(set)); });
  for (const auto& set : before.sets.sets) {
    if (places.contains(place_of(set))) target.sets.sets.push_back(set);
  }
  append(target.sets.texts, before.sets.texts);
  return target;
}

Result<Unended> read_unended(const Repository& repository, JournalEntry entry) {
  Unended unended{.entry = std::move(entry)};
  auto snapshot = repository.snapshot(unended.entry.before);
  if (!snapshot) return std::move(snapshot).error();
  auto before = repository.files(unended.entry.before);
  if (!before) return std::move(before).error();
  auto wanted = repository.prepared(unended.entry.wanted);
  if (!wanted) return std::move(wanted).error();
  auto old_rules = ruleset_of(*std::move(before), "the old ", snapshot->trailers.backend);
  if (!old_rules) return std::move(old_rules).error();
  auto new_rules = ruleset_of(*std::move(wanted), "the wanted ", unended.entry.backends);
  if (!new_rules) return std::move(new_rules).error();
  unended.before = *std::move(old_rules);
  unended.wanted = *std::move(new_rules);
  unended.change = differing(unended.before, unended.wanted);
  return unended;
}

/// Both rulesets with LIVE's foreign parts, as a restore would put them in force now.
Unended among_foreign(Unended unended, const Ruleset& live, const std::vector<Owner>& owners) {
  unended.before = keep_foreign(unended.before, live, owners).ruleset;
  unended.wanted = keep_foreign(unended.wanted, live, owners).ruleset;
  unended.change = differing(unended.before, unended.wanted);
  return unended;
}

/// "2026-11-22 12:03", here.
std::string clock_text(Time time) {
  std::string text = rfc3339(local(time.seconds)).substr(0, 16);
  std::ranges::replace(text, 'T', ' ');
  return text;
}

std::string name_of(const JournalEntry& entry) {
  std::string text = format("the {} of {}", escape(entry.record.trigger), clock_text(entry.began));
  if (!entry.record.commands.empty()) text += format(" ('{}')", escape(entry.record.commands.front()));
  return text;
}

void tell(const JournalEntry& entry, std::string_view ending) {
  log_warning("{} was interrupted: {}", name_of(entry), ending);
}

bool same_place(const std::optional<Generation>& one, const std::optional<Generation>& other) {
  return !one || !other || (one->boot == other->boot && one->network == other->network);
}

Status keep_live(Session& session, Repository& repository, const Capture& live,
                 const RecordOptions& options) {
  auto head = read_head(repository);
  if (!head) return std::move(head).error();
  auto kept = record(session, repository, *head, live, options);
  if (!kept) return std::move(kept).error();
  return {};
}

Status finish(Session& session, Repository& repository, const Unended& unended, const Capture& live,
              Standing standing, bool loaded) {
  const JournalEntry& entry = unended.entry;
  if (standing == Standing::wanted) {
    if (auto kept = keep_live(session, repository, live, entry.record); !kept) return kept;
    tell(entry, "it was complete in the kernel, and is recorded");
    return {};
  }
  auto head = repository.head();
  if (!head) return std::move(head).error();
  if (*head != entry.before) {
    const RecordOptions options{.message = "back to what was there before a restore that was interrupted",
                                .trigger = entry.record.trigger,
                                .restores = entry.before};
    if (auto kept = keep_live(session, repository, live, options); !kept) return kept;
  }
  tell(entry, loaded ? "it was undone, LIVE is what it was before" : "LIVE is what it was before");
  return {};
}

Error not_undone(const Unended& unended, const std::string& why) {
  return Error{.kind = ErrorKind::damaged,
               .message = format("{} was interrupted, and what was there before could not be put back: {}",
                                 name_of(unended.entry), why)}
      .hinted(format("the firewall holds a mix of old and new rules now: mend what is said, and run 'rewall "
                     "status'; or load snapshot {} by hand and remove .git/rewall/journal",
                     unended.entry.before.substr(0, 10)));
}

/// Makes LIVE one of the two rulesets, and the history say which.
Status settle(Session& session, Repository& repository, const Unended& recorded) {
  auto owners = read_owners(repository);
  if (!owners) return std::move(owners).error();
  std::string why = "it reads back otherwise";
  bool loaded = false;
  bool kept = false;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto live = session.firewall().capture(recorded.entry.looks_at);
    if (!live) return std::move(live).error().within(name_of(recorded.entry) + " was interrupted");
    const bool as_recorded = recorded.entry.exact || judge(recorded, live->ruleset) != Standing::mix;
    const Unended unended = as_recorded ? recorded : among_foreign(recorded, live->ruleset, *owners);
    const Standing standing = judge(unended, live->ruleset);
    const Ruleset target =
        standing == Standing::mix ? undone(unended, live->ruleset) : without_helpers(live->ruleset, unended);
    if (standing != Standing::mix && target.sets.sets.size() == live->ruleset.sets.sets.size())
      return finish(session, repository, unended, *live, standing, loaded);
    if (!kept && standing == Standing::mix && holds_more(unended, live->ruleset)) {
      if (auto done =
              keep_live(session, repository, *live, {.message = "what a restore that was interrupted left"});
          !done)
        return done;
      kept = true;
    }
    auto done = put_in_force_again(session, target, *live);
    if (!done) why = done.error().message;
    loaded = loaded || (done && standing == Standing::mix);
  }
  return not_undone(recorded, why);
}

/// A journal that says nothing is no matter where LIVE is what HEAD says.
Status settle_damaged(Session& session, const Repository& repository, Error why) {
  auto head = read_head(repository);
  if (!head) return std::move(head).error();
  auto live = session.capture();
  if (!live) return std::move(live).error();
  if (compare(head->ruleset, live->ruleset).equal()) {
    log_warning("{}; LIVE is what HEAD says, and the journal is removed", escape(why.message));
    return {};
  }
  why.kind = ErrorKind::repository;
  why.message = "a restore was interrupted, and its journal cannot be used: " + why.message;
  return std::move(why).hinted(
      "look at 'rewall diff'; when LIVE is what it should be, remove .git/rewall/journal");
}

Status settle_entry(Session& session, Repository& repository, Result<JournalEntry> entry) {
  if (!entry) return settle_damaged(session, repository, std::move(entry).error());
  if (!same_place(entry->place, session.firewall().generation())) {
    tell(*entry, "the rules that it changed went with a restart, or are in another network namespace");
    return {};
  }
  auto unended = read_unended(repository, *std::move(entry));
  if (!unended) return settle_damaged(session, repository, std::move(unended).error());
  return settle(session, repository, *unended);
}

Status settle_left(Session& session, Repository& repository, Journal& journal) {
  const SignalsHeld held;
  try {
    auto settled = settle_entry(session, repository, journal.read());
    if (settled) journal.clear();
    return settled;
  } catch (const std::exception& error) {
    return Error{.kind = ErrorKind::damaged,
                 .message = format("a restore was interrupted, and to settle it failed: {}", error.what())}
        .hinted("run the command again");
  }
}

Result<std::chrono::milliseconds> lock_wait(const Repository& repository) {
  auto value = setting(repository, "lock.wait");
  if (!value) return std::move(value).error();
  return parse_duration(*value);
}

/// The caller holds the lock: whatever journal is there, nobody is at work on it.
Status settle_locked(Session& session, Repository& repository) {
  auto wait = lock_wait(repository);
  if (!wait) return std::move(wait).error();
  auto journal = Journal::left(repository, *wait);
  if (!journal) return std::move(journal).error();
  if (!*journal) return {};
  return settle_left(session, repository, **journal);
}

Result<std::string> settle_and_say_nothing(Session& session, Repository& repository) {
  if (auto settled = settle_locked(session, repository); !settled) return std::move(settled).error();
  return std::string{};
}

/// Of the restore that holds the lock, while its process lives.
std::optional<std::string> at_work(const Repository& repository) {
  const auto text = read_file(repository.state_path() / "journal");
  const auto entry = text ? parse_journal(*text) : Result<JournalEntry>(text.error());
  if (!entry || (::kill(entry->process, 0) != 0 && errno == ESRCH)) return std::nullopt;
  return format("{} is at work (process {})", name_of(*entry), entry->process);
}

}  // namespace

Result<std::string> settle_journal(Session& session, Repository& repository) {
  std::error_code failed;
  if (!std::filesystem::exists(repository.state_path() / "journal", failed) && !failed) return std::string{};
  auto held = repository.lock(std::chrono::milliseconds{0});
  if (!held) {
    if (held.error().kind == ErrorKind::permission) return std::move(held).error();
    if (auto working = at_work(repository)) return *std::move(working);
    auto waited = lock(repository);
    if (!waited) return std::move(waited).error();
    return settle_and_say_nothing(session, repository);
  }
  return settle_and_say_nothing(session, repository);
}

Result<Lock> lock(Session& session) {
  auto repository = session.repository();
  if (!repository) return std::move(repository).error();
  auto held = lock(**repository);
  if (!held) return std::move(held).error();
  if (auto settled = settle_locked(session, **repository); !settled) return std::move(settled).error();
  return held;
}

}  // namespace rewall
