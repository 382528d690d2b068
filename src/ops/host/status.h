#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "analysis/port_changes.h"
#include "core/result.h"
#include "ops/context/session.h"
#include "ops/expiry/expiry_state.h"
#include "ops/guard/guard_ending.h"
#include "ops/guard/guard_place.h"
#include "ops/guard/guard_state.h"
#include "ops/remote/notify.h"
#include "ops/remote/push_queue.h"

namespace rewall {

/// Whether LIVE matches HEAD, and how many snapshots the remote lacks.
struct RepositoryStatus {
  bool clean = false;    ///< LIVE matches HEAD, but for foreign parts
  bool compared = true;  ///< false where HEAD cannot be read: whether LIVE matches it is not known
  std::string head{};
  std::string host{};
  std::string backend{};
  std::optional<std::string>
      before_lockdown{};    ///< where the template lockdown is in force: what a restore would put back
  std::size_t changes = 0;  ///< of LIVE against HEAD, by meaning, without those of foreign parts
  std::string summary{};    ///< of all changes, as the subject of a commit
  std::size_t foreign_changes = 0;  ///< of parts that other programs own
  /// Ports that the world can reach and could not by the snapshot `good` (opened_ports.h); absent where that
  /// is not known.
  std::optional<std::vector<PortChange>> opened{};
  bool native_unseen = false;  ///< nobody looked at the native nft tables: without the program nft

  struct RemoteStatus {
    Remote remote{};
    Repository::Behind behind{};
    bool stale = false;                ///< the remote lacks a snapshot for longer than `push.stale`
    std::optional<PushQueue> queue{};  ///< absent where no snapshot waits to be pushed
  };
  std::optional<RemoteStatus> remote{};
  std::optional<NotifyFailure> notify_failed{};  ///< the newest run of `notify.command`, where it failed
  std::string settings_unusable{};    ///< why a file of settings cannot be used; empty where it can
  std::vector<std::string> damage{};  ///< what of the branch and of the newest snapshots cannot be read
  std::string journal{};              ///< Session::interrupted
  bool restoring = false;
  bool watch = false;  ///< `rewall watch` is running

  struct GuardStatus {
    Guard guard{};
    std::chrono::milliseconds left{};
    bool gone = false;     ///< the guard's process is dead
    bool stopped = false;  ///< the guard's process is stopped or frozen
    bool overdue = false;  ///< the deadline is over, and there is no process that fires
  };
  std::optional<GuardStatus> guard{};
  std::string guard_unreadable{};            ///< why the guard's file cannot be read; its process goes on
  std::optional<GuardEnding> last_guard{};   ///< of the last guard, for an hour
  std::string good{};                        ///< the snapshot with the tag good, where `good_guard` is there
  std::optional<GuardEnding> good_guard{};   ///< of the guard that took back what the tag good names
  Expiries expiries{};                       ///< rules that expire
  std::vector<std::string> expiries_out{};   ///< the ids of those of which nothing is in force now
  std::vector<ExpiryEnding> expired{};       ///< those of the last hour
  std::optional<PlacedGuard> other_guard{};  ///< of another repository, in this network namespace

  /// What needs a person: "live-differs", "push-stale", "guard-overdue", "expiry-overdue", "interrupted",
  /// "history-damaged", "settings-unusable", "lockdown".
  std::vector<std::string> reasons() const;
};

/// Absent where no guard is armed. Does not open the repository.
Result<std::optional<RepositoryStatus::GuardStatus>> read_guard_status(Session& session);

/// Where the generation of nf_tables is that of the last snapshot, LIVE is not read, but for its sets.
Result<RepositoryStatus> read_repository_status(Session& session);

}  // namespace rewall
