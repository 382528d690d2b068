#pragma once

#include <string>

#include "core/result.h"
#include "diff/diff.h"
#include "ops/context/session.h"

namespace rewall {

/// What the programs in pre-restore.d, post-restore.d and post-snapshot.d get to know, as REWALL_...
/// variables; what does not apply is empty. hooks/README.md is the contract.
struct Event {
  std::string name{};  ///< "pre-restore", "post-restore", "post-snapshot"
  std::string trigger{};
  std::string from{};  ///< the snapshot before
  std::string hash{};  ///< the snapshot that was made
  std::string subject{};
  std::string revision{};  ///< as it was asked for
  std::string restores{};  ///< its hash
};

/// Runs the event's programs, in the order of their names, up to the first that fails. Kind refused: a
/// program said no, was too slow, or may not be trusted (then none runs).
Status run_pre_hooks(Session& session, const Event& event, const Diff& diff);

/// Keeps an event for run_queued_events(). Cheap where no program waits for it.
void queue_event(Session& session, const Event& event, const Diff& diff);

/// Queues the event post-snapshot for a snapshot that record() made: an observer of the session.
void queue_post_snapshot(Session& session, const RecordEvent& recorded);

/// Runs the programs of every event that was told, without the lock: they may run rewall. What fails is a
/// warning.
void run_queued_events(Session& session);

}  // namespace rewall
