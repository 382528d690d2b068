#include "ops/guard/boot.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>

#include "core/log.h"
#include "core/text.h"
#include "ops/context/network_place.h"
#include "ops/context/settings.h"
#include "ops/context/state_paths.h"
#include "ops/expiry/expiry.h"
#include "ops/guard/arm.h"
#include "ops/guard/boot_candidates.h"
#include "ops/guard/rollback.h"
#include "ops/guard/wall.h"
#include "ops/restore/recovery.h"

namespace rewall {
namespace {

// TimeoutStartSec of hooks/systemd/rewall-restore.service leaves two minutes more.
constexpr std::chrono::minutes kPatience{3};

/// The lock; absent where it cannot be had, with the reason.
std::optional<Lock> take_lock(Session& session, std::string& why) {
  auto repository = session.repository();
  auto held = repository ? lock(**repository) : Result<Lock>(repository.error());
  if (!held) {
    why = held.error().message;
    return std::nullopt;
  }
  recover_for_boot(session, *held);
  return *std::move(held);
}

/// A guard's file that tells nothing is in the way of the next guard.
void set_guard_aside(Session& session) {
  const auto path = StatePaths(session.state_path()).guard();
  auto aside = path;
  aside += ".unusable";
  std::error_code failed;
  std::filesystem::rename(path, aside, failed);
  if (!failed) log_warning("{} is kept as {}", path.string(), aside.filename().string());
}

// The rules files of the work tree outlive `.git`.
bool has_traces_of_a_history(const std::filesystem::path& folder) {
  return std::ranges::any_of(std::array{".git", "rules.v4", "rules.v6"}, [&](const char* name) {
    std::error_code failed;
    return std::filesystem::exists(folder / name, failed);
  });
}

bool is_of_this_boot(Session& session, const Guard& guard) {
  const auto here = session.firewall().generation();
  return here && guard.place && guard.place->boot == here->boot;
}

/// Somebody ran `restore --boot` while the guard waits: nothing restarted.
void end_by_person(Session& session, const Guard& guard, const FallbackResult& fallback) {
  auto ending = ending_of(session, EndedBy::rollback, fallback);
  ending.by = format("{} ({})", current_actor().text(), session.command_line);
  ending.ended = now();
  const auto told = format("{} {}", name_of(guard), to_text(ending));
  disarm(session, guard, std::move(ending));
  notify_terminals(told, guard.actor);
}

void end_guard(Session& session, const BootCandidates& candidates, const FallbackResult& fallback) {
  if (candidates.guard() && is_of_this_boot(session, *candidates.guard()))
    end_by_person(session, *candidates.guard(), fallback);
  else if (candidates.guard())
    disarm(session, *candidates.guard(), ending_of(session, EndedBy::boot, fallback));
  else if (candidates.guard_is_damaged())
    set_guard_aside(session);
}

}  // namespace

Result<FallbackResult> boot(Session& session, RestoreOptions options) {
  session.uses_what_it_can = true;
  auto repository = session.repository();
  // A host without a history boots as if there were no rewall, one that lost the history does not.
  if (!repository && !has_traces_of_a_history(session.path())) return std::move(repository).error();
  TRY(check_network(session));
  options.trigger = "boot";
  options.way_back = true;
  options.nothing_is_no_loss = true;
  std::string why;
  const auto held = take_lock(session, why);
  BootCandidates candidates(session, options.exact);
  auto fallback = restore_or_fall_back(
      session, held ? &*held : nullptr, [&] { return candidates.next(); }, options, kPatience);
  if (!fallback || options.dry_run) return fallback;
  if (!held && !fallback->restored) fallback->why_unrecorded = why;
  if (!candidates.guard_matter().empty()) {
    fallback->as_wanted = false;
    fallback->refused.insert(fallback->refused.begin(),
                             "the old ruleset of the guard: " + candidates.guard_matter());
  }
  const auto text = to_text(*fallback);
  const bool guarded = candidates.guard().has_value();
  if (!fallback->as_wanted || !fallback->restored || !fallback->left_out.empty())
    notify_terminals("at boot: " + text, guarded ? candidates.guard()->actor : Actor{}, true);
  if (held) {
    end_guard(session, candidates, *fallback);
    settle_after_boot(session, *held);
  }
  // What is not as wanted is the caller's error.
  if (!fallback->as_wanted) return fallback;
  if (guarded && !is_of_this_boot(session, *candidates.guard()))
    log_warning("{} was armed when the machine went down", name_of(*candidates.guard()));
  else if (guarded)
    log_warning("{} was armed: {}", name_of(*candidates.guard()),
                held ? "it is taken back now, and its guard has ended" : "it fires all the same");
  return fallback;
}

}  // namespace rewall
