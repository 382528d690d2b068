#include "ops/guard/rollback.h"

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/daemon.h"
#include "ops/context/namespace_match.h"
#include "ops/context/pid_lock.h"
#include "ops/context/rewall_command.h"
#include "ops/guard/arm.h"
#include "ops/guard/tried_command.h"
#include "ops/guard/wall.h"
#include "ops/guard/way_back.h"
#include "ops/restore/owned_tables.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"

namespace rewall {
namespace {

// How long a guard that is due waits for the history.
constexpr std::chrono::milliseconds kLockPatience{5000};
constexpr std::chrono::milliseconds kLockPatienceAgain{1000};

// What is in force cannot be read, as nft put rules among those of iptables, or cannot be recorded.
Result<Restored> fall_back_to_old(Session& session, const Lock& held, const Guard& guard,
                                  const RestoreOptions& options) {
  const std::vector<Candidate> candidates{old_ruleset(session, guard)};
  auto fallback = TRY(restore_or_fall_back(session, &held, candidates, options));
  if (!fallback.restored) return error_of<messages::in_force_unrecorded>(to_text(fallback));
  fallback.restored->left_to_owners = std::move(fallback.left_to_owners);
  return *std::move(fallback.restored);
}

/// What was in force when the way back began.
std::string tried_snapshot(Session& session, const Restored& restored) {
  if (restored.before) return restored.before->hash;
  if (!restored.after) return {};
  if (!restored.after->changed) return restored.after->hash;
  auto repository = session.repository();
  auto snapshot =
      repository ? (*repository)->snapshot(restored.after->hash) : Result<Snapshot>(repository.error());
  return snapshot ? snapshot->parent : "";
}

// What a guard's end could not write: by whoever can.
void settle_ending_of(Session& session) {
  if (!read_guard_that_is_over(session.state_path())) return;
  auto repository = session.repository();
  if (!repository) return;
  if (const auto held = lock(**repository, std::chrono::milliseconds{0})) settle_ending(session.state_path());
}

}  // namespace

GuardEnding ending_of(Session& session, EndedBy how, const FallbackResult& fallback) {
  GuardEnding ending{.how = how, .in_force = fallback.what};
  if (!fallback.restored) return ending;
  ending.tried = tried_snapshot(session, *fallback.restored);
  if (fallback.restored->after) ending.result = fallback.restored->after->hash;
  return ending;
}

Result<std::optional<FallbackResult>> fire(Session& session, const Guard& known) {
  std::optional<Lock> held;
  const auto take_lock = [&](std::chrono::milliseconds patience) {
    if (auto taken = lock(session, patience)) held.emplace(*std::move(taken));
  };
  take_lock(kLockPatience);
  const auto guard = still_armed(session.path(), known);
  if (!guard || (guard->deadline > known.deadline && guard->deadline > boot_time()))
    return std::optional<FallbackResult>{};
  const auto command = end_command(session.state_path(), guard->id);
  // It may have been what held the lock.
  if (!held && !command.ended.empty()) take_lock(kLockPatienceAgain);
  const CommandScope name(session, guard->looks_at, guard->command);
  const auto candidates = with_fallbacks(session, old_ruleset(session, *guard), guard->login);
  auto fallback = restore_or_fall_back(session, held ? &*held : nullptr, candidates, options_of(*guard));
  if (!fallback) {
    notify_terminals(format("NOBODY CONFIRMED {}, AND {}", name_of(*guard), fallback.error().message),
                     guard->actor, true);
    return std::move(fallback).error();
  }
  auto ending = ending_of(session, EndedBy::deadline, *fallback);
  ending.of_command = command.text();
  disarm(session, *guard, std::move(ending));
  const bool loud = !fallback->as_wanted || !fallback->restored || !command.left.empty();
  auto notes = fallback->restored ? fallback->restored->notes : std::vector<std::string>{};
  if (!command.text().empty()) notes.insert(notes.begin(), command.text());
  notify_terminals(format("nobody confirmed '{}' of {}: {}{}{}", guard->command, guard->actor.text(),
                          to_text(*fallback), notes.empty() ? "" : "; ", join(notes, "; ")),
                   guard->actor, loud);
  return std::optional(*std::move(fallback));
}

Status fire_overdue_guard(Session& session) {
  settle_ending_of(session);
  const auto read = read_guard(session.state_path());
  // Whoever needs the guard is told by an error. Its process goes by what it read.
  if (!read) {
    log_warning("{}", escape(full_message(read.error())));
    return {};
  }
  const auto& guard = *read;
  if (!guard) return {};
  const auto here = session.firewall().generation();
  switch (match_namespace(guard->place, here)) {
    case NamespaceMatch::elsewhere:
      return {};
    case NamespaceMatch::gone:
      log_warning(
          "{0} was armed before a restart of the machine: '{1} restore --boot' or '{1} rollback' puts "
          "the old ruleset in force, '{1} confirm' keeps what is there",
          name_of(*guard), rewall_command(session.path()));
      return {};
    case NamespaceMatch::here:
      break;
  }
  if (time_left(*guard, here).count() > 0) return {};
  const auto lock_path = guard_lock(session.state_path());
  const pid_t process = PidLock::process(lock_path, guard->id);
  if (process != 0 && !is_stopped(process)) return {};
  if (process != 0) PidLock::end_process(lock_path, guard->id);
  log_warning("{} is overdue and its process {}: the old ruleset is put back now", name_of(*guard),
              process == 0 ? "is gone" : "was stopped");
  auto fired = TRY(fire(session, *guard));
  return {};
}

Result<Restored> roll_back(Session& session) {
  auto repository = TRY(session.repository());
  auto held = lock(session);
  if (!held && !is_read_only_disk(held.error())) return std::move(held).error();
  auto guard = TRY(read_guard(repository->state_path()));
  if (!guard) return no_guard(session);
  if (match_namespace(guard->place, session.firewall().generation()) == NamespaceMatch::elsewhere)
    return error_of<messages::guard_elsewhere>(name_of(*guard));
  auto revision = TRY(read_before(session, *guard));
  // What goes on would change the firewall behind the way back. A command that rolls itself back goes on.
  const auto command =
      is_of_command(guard->id) ? EndedCommand{} : end_command(session.state_path(), guard->id);
  auto what = with_left_out(old_ruleset(session, *guard).what, revision);
  RestoreOptions options = options_of(*guard);
  options.actor.reset();
  auto restored = held ? restore(session, *held, revision, options)
                       : restore_on_read_only_disk(session, revision, options, held.error());
  // What cannot be read or recorded does not keep the old ruleset away, as it does not when the guard fires.
  if (!restored && held &&
      (restored.error().kind == ErrorKind::capture || restored.error().kind == ErrorKind::repository))
    restored = fall_back_to_old(session, *held, *guard, options);
  if (!restored) return restored;
  if (!command.text().empty()) restored->notes.insert(restored->notes.begin(), command.text());
  what = but_for(what, restored->left_to_owners);
  auto ending = ending_of(session, EndedBy::rollback, {.what = what, .restored = *restored});
  ending.by = current_actor().text();
  ending.ended = now();
  ending.of_command = command.text();
  const auto told = format("{} {}", name_of(*guard), to_text(ending));
  if (!disarm(session, *guard, std::move(ending))) log_warning("{} is armed still", name_of(*guard));
  notify_terminals(told, guard->actor, !restored->left_to_owners.tables.empty() || !command.left.empty());
  return restored;
}

}  // namespace rewall
