#include "ops/guard/rollback.h"

#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/namespace_match.h"
#include "ops/context/pid_lock.h"
#include "ops/guard/arm.h"
#include "ops/guard/wall.h"
#include "ops/guard/way_back.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"

namespace rewall {
namespace {

// What is in force cannot be read: nft put rules among those of iptables.
Result<Restored> fall_back_to_old(Session& session, const Lock& held, const Guard& guard,
                                  const RestoreOptions& options) {
  const std::vector<Candidate> candidates{old_ruleset(session, guard)};
  auto fallback = TRY(restore_or_fall_back(session, &held, candidates, options));
  if (fallback.restored) return *std::move(fallback.restored);
  return error_of<messages::in_force_unrecorded>(to_text(fallback));
}

}  // namespace

Result<std::optional<FallbackResult>> fire(Session& session, const Guard& known) {
  auto held = lock(session);
  const auto guard = still_armed(session.path(), known);
  if (!guard || (guard->deadline > known.deadline && guard->deadline > boot_time()))
    return std::optional<FallbackResult>{};
  const InGuardsName name(session, *guard);
  const auto candidates = with_fallbacks(session, old_ruleset(session, *guard), guard->login);
  auto fallback = restore_or_fall_back(session, held ? &*held : nullptr, candidates, options_of(*guard));
  if (!fallback) {
    notify_terminals(format("NOBODY CONFIRMED {}, AND {}", name_of(*guard), fallback.error().message),
                     guard->actor, true);
    return std::move(fallback).error();
  }
  if (held)
    disarm(session, *held, *guard);
  else
    remove_guard(session.state_path(), *guard, Ending::reverted);
  const bool loud = !fallback->as_wanted || !fallback->restored;
  notify_terminals(
      format("nobody confirmed '{}' of {}: {}", guard->command, guard->actor.text(), to_text(*fallback)),
      guard->actor, loud);
  return std::optional(*std::move(fallback));
}

Status fire_overdue_guard(Session& session) {
  auto guard = TRY(read_guard(session.state_path()));
  if (!guard) return {};
  const auto here = session.firewall().generation();
  switch (match_namespace(guard->place, here)) {
    case NamespaceMatch::elsewhere:
      return {};
    case NamespaceMatch::gone:
      log_warning(
          "{} was armed before a restart of the machine: 'rewall restore --boot' or 'rewall rollback' puts "
          "the old ruleset in force, 'rewall confirm' keeps what is there",
          name_of(*guard));
      return {};
    case NamespaceMatch::here:
      break;
  }
  if (time_left(*guard, here).count() > 0) return {};
  if (PidLock::process(guard_lock(session.state_path()), guard->id) != 0) return {};
  log_warning("{} is overdue and its process is gone: the old ruleset is put back now", name_of(*guard));
  auto fired = TRY(fire(session, *guard));
  return {};
}

Result<Restored> roll_back(Session& session) {
  auto repository = TRY(session.repository());
  auto held = TRY(lock(session));
  auto guard = TRY(read_guard(repository->state_path()));
  if (!guard) return error_of<messages::no_guard_armed>();
  if (match_namespace(guard->place, session.firewall().generation()) == NamespaceMatch::elsewhere)
    return error_of<messages::guard_elsewhere>(name_of(*guard));
  auto revision = TRY(read_before(session, *guard));
  RestoreOptions options = options_of(*guard);
  options.actor.reset();
  auto restored = restore(session, held, revision, options);
  if (!restored && restored.error().kind == ErrorKind::capture)
    restored = fall_back_to_old(session, held, *guard, options);
  if (restored) disarm(session, held, *guard);
  return restored;
}

}  // namespace rewall
