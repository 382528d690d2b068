#include "ops/host/status.h"

#include <algorithm>
#include <future>

#include "core/log.h"
#include "ops/context/pid_lock.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/history/generation_cache.h"
#include "ops/history/record.h"
#include "ops/remote/network.h"
#include "ops/watch/watcher.h"
#include "rules/print.h"

namespace rewall {
namespace {

// Sets have no generation and the legacy backend has none: they are looked at, which is cheap where there are
// none.
Result<bool> surely_unchanged(Session& session, const Repository& repository, const std::string& head,
                              std::future<Result<Sets>> sets) {
  if (!session.interrupted.empty()) return false;
  const auto seen = unchanged_since_cached(session, repository);
  if (!seen || seen->head != head) return false;
  auto live = TRY(sets.get());
  auto recorded = TRY(repository.file(head, "ipset"));
  return canonical_text(live) == recorded;
}

Status compare_whole(Session& session, const Repository& repository, RepositoryStatus& standing) {
  auto read = TRY(read_live_and_head(session, repository));
  const auto& [live, head] = read;
  standing.backend = live.backends;
  const Diff diff = compare(head.ruleset, live.ruleset);
  standing.clean = diff.equal();
  standing.changes = diff.changes.size();
  standing.summary = diff.equal() ? "" : subject(diff);
  // Of the same words only: a restore takes HEAD's for LIVE's then.
  if (diff.identical()) remember_generation(repository, live, head.hash);
  return {};
}

Status add_remote_standing(const Repository& repository, RepositoryStatus& standing) {
  auto known = TRY(repository.remotes());
  if (known.empty()) return {};
  auto chosen = find_remote(repository);
  // `push.remote` names none of several: the first will do to say so.
  const Remote& remote = chosen ? *chosen : known.front();
  auto behind = TRY(repository.behind(remote.name));
  auto longest = TRY(read_setting(repository, settings::push_stale));
  standing.remote = {.remote = remote,
                     .behind = behind,
                     .stale = behind.age(now()) > longest,
                     .queue = read_push_queue(repository.state_path())};
  return {};
}

}  // namespace

Result<std::optional<RepositoryStatus::GuardStatus>> read_guard_standing(Session& session) {
  auto guard = TRY(read_guard(session.state_path()));
  if (!guard) return std::optional<RepositoryStatus::GuardStatus>{};
  const auto here = session.firewall().generation();
  const auto left = time_left(*guard, here);
  const bool overdue =
      left.count() == 0 && PidLock::process(guard_lock(session.state_path()), guard->id) == 0;
  return std::optional(
      RepositoryStatus::GuardStatus{.guard = *std::move(guard), .left = left, .overdue = overdue});
}

Result<RepositoryStatus> read_repository_status(Session& session) {
  // While the repository is opened: a program takes as long.
  auto sets = std::async(std::launch::async, [&session] { return session.firewall().sets(); });
  auto opened = TRY(session.repository());
  const Repository& repository = *opened;
  RepositoryStatus standing{.host = repository.host(),
                            .journal = session.interrupted,
                            .watch = watching_process(session.state_path()) != 0};
  auto head = TRY(repository.head());
  standing.head = std::move(head);
  auto unchanged = TRY(surely_unchanged(session, repository, standing.head, std::move(sets)));
  if (unchanged) {
    auto snapshot = TRY(repository.snapshot(standing.head));
    standing.clean = true;
    standing.backend = snapshot.trailers.backend;
  } else if (auto compared = compare_whole(session, repository, standing); !compared) {
    return std::move(compared).error();
  }
  TRY(add_remote_standing(repository, standing));
  auto guard = TRY(read_guard_standing(session));
  standing.guard = std::move(guard);
  return standing;
}

}  // namespace rewall
