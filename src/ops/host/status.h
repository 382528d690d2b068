#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/guard/guard_ending.h"
#include "ops/guard/guard_state.h"
#include "ops/remote/push_queue.h"

namespace rewall {

/// Whether LIVE matches HEAD, and how many snapshots the remote lacks.
struct RepositoryStatus {
  bool clean = false;
  std::string head{};
  std::string host{};
  std::string backend{};
  std::size_t changes = 0;  ///< of LIVE against HEAD, by meaning; above 0 where LIVE does not match
  std::string summary{};    ///< of the changes, as the subject of a commit

  struct RemoteStatus {
    Remote remote{};
    Repository::Behind behind{};
    bool stale = false;                ///< the remote lacks a snapshot for longer than `push.stale`
    std::optional<PushQueue> queue{};  ///< absent where no snapshot waits to be pushed
  };
  std::optional<RemoteStatus> remote{};
  std::string journal{};  ///< Session::interrupted
  bool watch = false;     ///< `rewall watch` is running

  struct GuardStatus {
    Guard guard{};
    std::chrono::milliseconds left{};
    bool gone = false;     ///< the guard's process is dead
    bool stopped = false;  ///< the guard's process is stopped or frozen
    bool overdue = false;  ///< the deadline is over, and there is no process that fires
  };
  std::optional<GuardStatus> guard{};
  std::string guard_unreadable{};           ///< why the guard's file cannot be read; its process goes on
  std::optional<GuardEnding> last_guard{};  ///< of the last guard, for an hour
};

/// Absent where no guard is armed. Does not open the repository.
Result<std::optional<RepositoryStatus::GuardStatus>> read_guard_status(Session& session);

/// Where the generation of nf_tables is that of the last snapshot, LIVE is not read, but for its sets.
Result<RepositoryStatus> read_repository_status(Session& session);

}  // namespace rewall
