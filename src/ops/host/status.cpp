#include "ops/host/status.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/text.h"
#include "kernel/daemon.h"
#include "ops/context/network_place.h"
#include "ops/context/pid_lock.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/expiry/expiry.h"
#include "ops/guard/good_tag.h"
#include "ops/guard/lockdown.h"
#include "ops/guard/way_back.h"
#include "ops/history/generation_cache.h"
#include "ops/history/live_sets.h"
#include "ops/history/record.h"
#include "ops/host/opened_ports.h"
#include "ops/remote/network.h"
#include "ops/watch/watcher.h"

namespace rewall {
namespace {

constexpr std::int64_t kShownFor = 3600;  // seconds
constexpr std::int64_t kOverdue = 30;     // seconds, for a process that is just about to do it

// True where LIVE matches HEAD for certain. Sets have no generation, so they are read, which is cheap where
// there are none.
Result<bool> is_surely_unchanged(Session& session, const Repository& repository, const std::string& head,
                                 Task<std::optional<SetsDigest>> sets) {
  if (!session.interrupted.empty()) return false;
  const auto seen = unchanged_since_cached(session, repository);
  if (!seen || seen->head != head) return false;
  auto digest = TRY(sets.get());
  auto recorded = TRY(repository.file(head, "ipset"));
  return sets_are(session, recorded, digest);
}

Status compare_whole(Session& session, const Repository& repository, RepositoryStatus& status) {
  const auto read = TRY(read_live_and_head(session, repository));
  const auto& [live, head] = read;
  status.backend = live.backends;
  status.native_unseen = !live.ruleset.native;
  Diff diff = compare(head.ruleset, live.ruleset);
  mark_foreign(diff, head.ruleset, live.ruleset, TRY(read_owners(repository)));
  status.foreign_changes = static_cast<std::size_t>(
      std::ranges::count_if(diff.changes, [](const Change& change) { return !change.foreign.empty(); }));
  status.changes = diff.changes.size() - status.foreign_changes;
  status.clean = status.changes == 0;
  status.summary = diff.equal() ? "" : subject(diff);
  // Only where the words are the same too: a restore then takes the rules of HEAD for those of LIVE.
  if (diff.identical()) remember_generation(repository, live, head.hash);
  status.opened =
      opened_since_good(repository, head.hash, diff.equal() && !head.hash.empty() ? nullptr : &live.ruleset);
  return {};
}

Status add_remote_status(const Repository& repository, RepositoryStatus& status) {
  auto known = TRY(repository.remotes());
  if (known.empty()) return {};
  auto chosen = find_remote(repository);
  // Where `push.remote` names none of several remotes, the status shows the first.
  const Remote& remote = chosen ? *chosen : known.front();
  auto behind = TRY(repository.behind(remote.name));
  auto longest = TRY(read_setting(repository, settings::push_stale));
  status.remote = {.remote = remote,
                   .behind = behind,
                   .stale = behind.age(now()) > longest,
                   .queue = read_push_queue(repository.state_path())};
  return {};
}

/// The older ones are for verify(): to read all takes its time.
constexpr int kLookedAt = 20;

std::string trouble_of(const std::string& hash, const std::string& message) {
  const auto name = format("snapshot {}", hash);
  return format("snapshot {}{}", hash.substr(0, 10),
                message.starts_with(name) ? message.substr(name.size()) : ": " + message);
}

/// What cannot be read: commits, trees and the beginnings of files.
std::vector<std::string> damage_near(const Repository& repository, const std::string& head) {
  std::vector<std::string> damage;
  if (repository.branch_is_lost())
    damage.push_back(
        format("the branch hosts/{} cannot be read: it goes on from the newest snapshot that is "
               "known",
               repository.host()));
  std::set<std::string> seen;
  std::string at = head;
  for (int n = 0; n < kLookedAt && !at.empty(); ++n, at = repository.parent(at)) {
    const auto snapshot = repository.snapshot(at);
    const auto files =
        snapshot ? repository.file_hashes(at) : Result<std::map<std::string, std::string>>(snapshot.error());
    if (!files) {
      damage.push_back(trouble_of(at, files.error().message));
      continue;
    }
    for (const auto& [name, hash] : *files)
      if (seen.insert(hash).second && !repository.begins_well(hash))
        damage.push_back(trouble_of(at, name + " cannot be read"));
  }
  return damage;
}

/// A guard that is armed here, and of which this repository has no file that can be read.
void add_other_guard(Session& session, RepositoryStatus& status) {
  auto other = guard_of_other_repository(session);
  const bool stood_here = other && other->repository == absolute_path(session.path());
  // It goes by what it read; where somebody removed the file, it ends without a deed. A repository that
  // stands where that of the guard stood cannot tell it to.
  if (!stood_here ||
      (status.guard_unreadable.empty() && !knows_of_its_end(session.state_path(), other->id))) {
    status.other_guard = std::move(other);
    return;
  }
  if (!status.guard_unreadable.empty())
    status.guard_unreadable +=
        format("; {} is armed all the same, and its process reverts the change", other->name);
}

/// Those of which nothing is in force: what cannot be read is taken to be.
void look_for_expiring(Session& session, RepositoryStatus& status) {
  if (std::ranges::all_of(status.expiries.pending, [](const Expiry& one) { return one.done.has_value(); }))
    return;
  const auto live = session.capture();
  if (!live) return;
  const bool same = status.clean && status.foreign_changes == 0;
  for (const auto& expiry : status.expiries.pending)
    if (!expiry.done && parts_in_force(session, live->ruleset, same ? status.head : "", expiry).empty())
      status.expiries_out.push_back(expiry.id);
}

/// Compares LIVE with HEAD, the quick way where that can be.
Status compare_with_head(Session& session, const Repository& repository, RepositoryStatus& status,
                         Task<std::optional<SetsDigest>> sets) {
  if (TRY(is_surely_unchanged(session, repository, status.head, std::move(sets)))) {
    auto snapshot = TRY(repository.snapshot(status.head));
    status.clean = true;
    status.backend = snapshot.trailers.backend;
    const auto files = TRY(repository.file_hashes(status.head));
    status.native_unseen = !files.contains(std::string(kNativeFile)) && snapshot.trailers.native.empty();
    status.opened = opened_since_good(repository, status.head, nullptr);
    return {};
  }
  return compare_whole(session, repository, status);
}

}  // namespace

Result<std::optional<RepositoryStatus::GuardStatus>> read_guard_status(Session& session) {
  auto guard = TRY(read_guard(session.state_path()));
  if (!guard) return std::optional<RepositoryStatus::GuardStatus>{};
  const auto here = session.firewall().generation();
  const auto left = time_left(*guard, here);
  RepositoryStatus::GuardStatus status{.guard = *std::move(guard), .left = left};
  const pid_t process = PidLock::process(guard_lock(session.state_path()), status.guard.id);
  status.gone = process == 0;
  status.stopped = process != 0 && is_stopped(process);
  status.overdue = left.count() == 0 && (status.gone || status.stopped);
  return std::optional(std::move(status));
}

Result<RepositoryStatus> read_repository_status(Session& session) {
  // While the repository is opened.
  auto sets = beside("sets", ErrorKind::capture, [&session]() -> Result<std::optional<SetsDigest>> {
    return session.firewall().sets_digest();
  });
  auto opened = TRY(session.repository());
  const Repository& repository = *opened;
  RepositoryStatus status{.host = repository.host(),
                          .journal = session.interrupted,
                          .restoring = session.restoring,
                          .watch = watching_process(session.state_path()) != 0};
  if (const auto here = check_network(session); !here) log_warning("{}", escape(full_message(here.error())));
  auto head = TRY(repository.head());
  status.head = std::move(head);
  status.damage = damage_near(repository, status.head);
  if (auto compared = compare_with_head(session, repository, status, std::move(sets)); !compared) {
    // Of HEAD itself, or of something else.
    const auto readable = read_head(repository);
    if (readable) return std::move(compared).error();
    status.compared = false;
    if (status.damage.empty()) status.damage.push_back(trouble_of(status.head, readable.error().message));
  }
  if (status.clean) status.before_lockdown = before_lockdown(repository);
  if (auto added = add_remote_status(repository, status); !added && status.damage.empty())
    return std::move(added).error();
  auto guard = read_guard_status(session);
  if (guard)
    status.guard = *std::move(guard);
  else
    status.guard_unreadable = format("{} ({})", guard.error().message, guard.error().hint);
  if (auto last = last_ending(session.state_path());
      last && std::abs(now().seconds - last->ended.seconds) < kShownFor)
    status.last_guard = std::move(last);
  status.notify_failed = read_notify_failure(session.state_path());
  if (status.good_guard = took_good_back(repository); status.good_guard)
    status.good = good_snapshot(repository);
  status.expiries = read_expiries(session.state_path());
  look_for_expiring(session, status);
  status.expired = expiries_ended(session.state_path(), now().seconds - kShownFor);
  if (!status.guard) add_other_guard(session, status);
  // What reads them has done so by now, or does it here.
  (void)read_setting(repository, settings::lock_wait);
  if (const auto& why = repository.settings_error()) status.settings_unusable = full_message(*why);
  return status;
}

std::vector<std::string> RepositoryStatus::reasons() const {
  std::vector<std::string> all;
  if (!clean && compared) all.emplace_back("live-differs");
  if (remote && remote->stale) all.emplace_back("push-stale");
  if ((guard && guard->overdue) || !guard_unreadable.empty()) all.emplace_back("guard-overdue");
  const auto is_overdue = [](const Expiry& one) {
    return !one.done && one.due.seconds + kOverdue < now().seconds;
  };
  if (std::ranges::any_of(expiries.pending, is_overdue) || !expiries.unreadable.empty())
    all.emplace_back("expiry-overdue");
  if (!journal.empty() && !restoring) all.emplace_back("interrupted");
  if (!damage.empty()) all.emplace_back("history-damaged");
  if (!settings_unusable.empty()) all.emplace_back("settings-unusable");
  if (before_lockdown) all.emplace_back("lockdown");
  return all;
}

}  // namespace rewall
