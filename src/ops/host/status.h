#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/guard/guard_state.h"
#include "ops/remote/push_queue.h"

namespace rewall {

/// Is LIVE what HEAD says, and how far behind is the remote.
struct RepositoryStatus {
  bool clean = false;
  std::string head{};
  std::string host{};
  std::string backend{};
  std::size_t changes = 0;  ///< by meaning; 0 with `clean` false is impossible
  std::string summary{};    ///< of the changes, in the words of a commit's subject

  struct RemoteStatus {
    Remote remote{};
    Repository::Behind behind{};
    bool stale = false;                ///< it lacks something for longer than `push.stale`
    std::optional<PushQueue> queue{};  ///< what waits to be pushed
  };
  std::optional<RemoteStatus> remote{};
  std::string journal{};  ///< Session::interrupted
  bool watch = false;     ///< `rewall watch` is at work

  struct GuardStatus {
    Guard guard{};
    std::chrono::milliseconds left{};
    bool overdue = false;  ///< its time is up, and its process is not at work
  };
  std::optional<GuardStatus> guard{};
};

/// Absent where none is armed. Opens no repository.
Result<std::optional<RepositoryStatus::GuardStatus>> read_guard_standing(Session& session);

/// When nothing touched nf_tables since the last snapshot, the generation answers and nothing is dumped.
Result<RepositoryStatus> read_repository_status(Session& session);

}  // namespace rewall
