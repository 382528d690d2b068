#include "ops/restore/recovery.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/proc.h"
#include "core/text.h"
#include "diff/diff.h"
#include "ops/context/namespace_match.h"
#include "ops/context/network_place.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/context/signal_block.h"
#include "ops/context/state_paths.h"
#include "ops/history/record.h"
#include "ops/history/revision.h"
#include "ops/restore/apply.h"
#include "ops/restore/journal.h"
#include "ops/restore/live_foreign.h"
#include "ops/restore/owned_tables.h"
#include "ops/restore/transition.h"
#include "ops/restore/unrecorded.h"
#include "rules/foreign.h"

namespace rewall {
namespace {

/// A restore that did not end.
struct InterruptedRestore {
  JournalEntry entry{};
  Transition transition{};
};

Result<InterruptedRestore> read_interrupted_restore(const Repository& repository, JournalEntry entry) {
  InterruptedRestore interrupted{.entry = std::move(entry)};
  auto snapshot = TRY(repository.snapshot(interrupted.entry.before));
  auto before = TRY(repository.files(interrupted.entry.before));
  auto wanted = TRY(repository.prepared(interrupted.entry.wanted));
  auto old_rules = TRY(ruleset_of(std::move(before), "the old ", snapshot.trailers.backend));
  auto new_rules = TRY(ruleset_of(std::move(wanted), "the wanted ", interrupted.entry.backends));
  // No tree says that there are no native tables, and this one was made where there were some.
  if (old_rules.native && !new_rules.native) new_rules.native.emplace();
  interrupted.transition = Transition(std::move(old_rules), std::move(new_rules));
  return interrupted;
}

/// Both rulesets with LIVE's foreign parts, as a restore would put them in force now.
Result<InterruptedRestore> among_foreign(Session& session, InterruptedRestore interrupted,
                                         const Ruleset& live, const std::vector<Owner>& owners) {
  const auto merged = [&](const Ruleset& recorded) {
    return keep_live_foreign(session, recorded, live, owners, LostForeign::stays_lost, UnsaidForeign::goes);
  };
  auto before = TRY(merged(interrupted.transition.before));
  auto wanted = TRY(merged(interrupted.transition.wanted));
  interrupted.transition = Transition(std::move(before.ruleset), std::move(wanted.ruleset));
  return interrupted;
}

/// Both rulesets with those tables of LIVE that a process owns by now.
Result<InterruptedRestore> among_owned(Session& session, InterruptedRestore interrupted,
                                       const Ruleset& live) {
  Ruleset before = interrupted.transition.before;
  Ruleset wanted = interrupted.transition.wanted;
  std::vector<std::string> notes;
  TRY(leave_to_owners(session, before, live, notes));
  TRY(leave_to_owners(session, wanted, live, notes));
  if (notes.empty()) return interrupted;
  interrupted.transition = Transition(std::move(before), std::move(wanted));
  return interrupted;
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

Error not_here(const Repository& repository, const JournalEntry& entry) {
  return error_of<messages::interrupted_elsewhere>(name_of(entry),
                                                   shell_quote((StatePaths(repository).journal()).string()));
}

Status record_as_is(Session& session, Repository& repository, const Capture& live,
                    const RecordOptions& options) {
  auto head = TRY(read_head(repository));
  auto kept = TRY(record(session, repository, head, live, options));
  return {};
}

Status finish(Session& session, Repository& repository, const InterruptedRestore& interrupted,
              const Capture& live, Side side, bool loaded) {
  const JournalEntry& entry = interrupted.entry;
  if (side == Side::wanted) {
    TRY(record_as_is(session, repository, live, entry.record));
    tell(entry, "it was complete in the kernel, and is recorded");
    return {};
  }
  auto head = TRY(repository.head());
  if (head != entry.before) {
    const RecordOptions options{.message = "back to what was there before a restore that was interrupted",
                                .trigger = "rollback",
                                .restores = entry.before};
    TRY(record_as_is(session, repository, live, options));
  }
  tell(entry, loaded ? "it was undone, LIVE is what it was before" : "LIVE is what it was before");
  return {};
}

/// Makes LIVE one of the two rulesets, and the history say which.
Status recover_to_one_side(Session& session, Repository& repository, const InterruptedRestore& as_journaled) {
  auto owners = TRY(read_owners(repository));
  std::string why = "it reads back otherwise";
  bool loaded = false;
  bool kept = false;
  const BackendScope scope(session, as_journaled.entry.looks_at);
  auto live = session.capture();
  for (Tries tries(kFewTries); tries.next();) {
    if (!live) return std::move(live).error().within(name_of(as_journaled.entry) + " was interrupted");
    const auto recorded = TRY(among_owned(session, as_journaled, live->ruleset));
    const bool as_recorded = recorded.entry.exact || side_of(recorded.transition, live->ruleset) != Side::mix;
    const InterruptedRestore interrupted =
        as_recorded ? recorded : TRY(among_foreign(session, recorded, live->ruleset, owners));
    const Side side = side_of(interrupted.transition, live->ruleset);
    const Ruleset target = side == Side::mix ? undone(interrupted.transition, live->ruleset)
                                             : without_helpers(live->ruleset, interrupted.transition);
    if (side != Side::mix && target.sets.sets.size() == live->ruleset.sets.sets.size())
      return finish(session, repository, interrupted, *live, side, loaded);
    if (!kept && side == Side::mix && holds_more(interrupted.transition, live->ruleset)) {
      TRY(record_as_is(session, repository, *live, found_change("what a restore that was interrupted left")));
      kept = true;
    }
    auto applied = apply_again(session, target, *live);
    if (!applied) why = applied.error().message;
    loaded = loaded || (applied && side == Side::mix);
    if (applied) {
      Capture& after = *applied;
      live = std::move(after);
    } else {
      live = session.capture();
    }
  }
  return error_of<messages::not_recovered>(name_of(as_journaled.entry), why,
                                           as_journaled.entry.before.substr(0, 10));
}

/// A journal that says nothing is no matter where LIVE is what HEAD says.
Status judge_unusable_journal(Session& session, const Repository& repository, Error why) {
  auto head = TRY(read_head(repository));
  auto live = TRY(session.capture());
  if (compare(head.ruleset, live.ruleset).equal()) {
    log_warning("{}; LIVE is what HEAD says, and the journal is removed", escape(why.message));
    return {};
  }
  why.kind = ErrorKind::repository;
  why.message = "a restore was interrupted, and its journal cannot be used: " + why.message;
  return std::move(why).hinted(
      "look at 'rewall diff'; when LIVE is what it should be: rm REPOSITORY/.git/rewall/journal");
}

Status recover_entry(Session& session, Repository& repository, Result<JournalEntry> entry) {
  if (!entry) return judge_unusable_journal(session, repository, std::move(entry).error());
  const auto where = match_namespace(entry->place, session.firewall().generation());
  if (where == NamespaceMatch::elsewhere) return not_here(repository, *entry);
  if (where == NamespaceMatch::gone) {
    tell(*entry, "the rules that it changed went with a restart");
    return {};
  }
  auto interrupted = read_interrupted_restore(repository, *std::move(entry));
  if (!interrupted) return judge_unusable_journal(session, repository, std::move(interrupted).error());
  return recover_to_one_side(session, repository, *interrupted);
}

Status recover_left(Session& session, Repository& repository, Journal& journal) {
  const SignalBlock held;
  try {
    auto settled = recover_entry(session, repository, journal.read());
    if (settled) journal.clear();
    return settled;
  } catch (const std::exception& error) {
    return Error{.kind = ErrorKind::damaged,
                 .message = format("a restore was interrupted, and the recovery failed: {}", error.what())}
        .hinted("run the command again");
  }
}

/// The caller holds the lock: whatever journal is there, nobody is at work on it.
Status recover_under_lock(Session& session, Repository& repository, std::chrono::milliseconds wait) {
  auto journal = TRY(Journal::left(repository, wait));
  if (journal) TRY(recover_left(session, repository, *journal));
  // Whatever keeps it from being recorded keeps the command from recording, which says why.
  if (auto late = record_unrecorded(session, repository); !late)
    log_info("what is not recorded yet stays so: {}", late.error().message);
  return {};
}

Status recover_under_lock(Session& session, Repository& repository) {
  return recover_under_lock(session, repository, TRY(read_setting(repository, settings::lock_wait)));
}

/// A change that could not be recorded, where nobody else is at work: else it is the next holder's.
void record_at_once(Session& session, Repository& repository) {
  const auto held = lock(repository, std::chrono::milliseconds{0});
  if (!held) return;
  if (auto recorded = recover_under_lock(session, repository); !recorded)
    log_info("{}", recorded.error().message);
}

/// Names the restore that holds the lock, while its process lives. Absent where another process holds the
/// lock: one that is about to recover the journal, or one that the dead restore forked.
std::optional<std::string> at_work(const Repository& repository) {
  const auto text = read_plain_file(StatePaths(repository).journal());
  const auto entry = text ? parse_journal(*text) : Result<JournalEntry>(text.error());
  if (!entry || !lives(entry->process)) return std::nullopt;
  const auto holder = repository.lock_holder();
  if (!holder.empty() && holder != format("{}", entry->process)) return std::nullopt;
  return format("{} is at work (process {})", name_of(*entry), entry->process);
}

}  // namespace

Status recover_interrupted_restore(Session& session) {
  auto repository = TRY(session.repository());
  std::error_code failed;
  const bool interrupted = std::filesystem::exists(StatePaths(*repository).journal(), failed) || failed;
  if (!interrupted) {
    if (has_unrecorded(session)) record_at_once(session, *repository);
    return {};
  }
  auto recovered = [&]() -> Status {
    auto held = lock(*repository, std::chrono::milliseconds{0});
    if (held) return recover_under_lock(session, *repository);
    if (held.error().kind == ErrorKind::permission) return std::move(held).error();
    if (auto working = at_work(*repository)) {
      session.interrupted = *std::move(working);
      session.restoring = true;
      return {};
    }
    const Lock waited = TRY(lock(*repository));
    return recover_under_lock(session, *repository);
  }();
  if (!recovered) session.interrupted = recovered.error().message;
  return recovered;
}

void recover_for_boot(Session& session, const Lock&) {
  auto repository = session.repository();
  if (!repository) return;
  const auto recovered = recover_under_lock(session, **repository);
  if (recovered) return;
  const auto journal = StatePaths(**repository).journal();
  auto aside = journal;
  aside += ".unusable";
  std::error_code failed;
  std::filesystem::rename(journal, aside, failed);
  log_warning("{}; the journal {}", escape(recovered.error().message),
              failed ? "stays" : format("is kept as {}", aside.string()));
}

Result<Lock> lock(Session& session) {
  auto repository = TRY(session.repository());
  auto held = TRY(lock(*repository));
  TRY(check_network(session));
  TRY(recover_under_lock(session, *repository));
  return held;
}

bool is_read_only_disk(const Error& why) {
  return why.message.ends_with(errno_text(EROFS));
}

Result<Lock> lock(Session& session, std::chrono::milliseconds patience) {
  using std::chrono::steady_clock;
  auto repository = TRY(session.repository());
  const auto setting = read_setting(*repository, settings::lock_wait);
  const auto wait = setting ? std::min(*setting, patience) : patience;
  const auto end = steady_clock::now() + wait;
  auto held = TRY(lock(*repository, wait));
  TRY(check_network(session));
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_clock::now());
  TRY(recover_under_lock(session, *repository, std::max(left, std::chrono::milliseconds{})));
  return held;
}

Result<Lock> lock_history(Session& session) {
  auto repository = TRY(session.repository());
  auto held = TRY(lock(*repository));
  TRY(recover_under_lock(session, *repository));
  return held;
}

}  // namespace rewall
