#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/result.h"
#include "diff/diff.h"
#include "ops/context/session.h"

namespace rewall {

/// An event that the programs in pre-restore.d, post-restore.d and post-snapshot.d get, each field as a
/// REWALL_... variable; a field that does not apply is empty. hooks/README.md describes the variables. Lives
/// during one call.
struct Event {
  std::string name{};  ///< "pre-restore", "post-restore", "post-snapshot"
  std::string trigger{};
  std::string from{};      ///< the snapshot before, full hash
  std::string hash{};      ///< the snapshot that was made, full hash
  std::string subject{};   ///< of the snapshot; before a restore, of the snapshot to come
  std::string revision{};  ///< the revision to restore, as the user wrote it
  std::string restores{};  ///< the snapshot to restore, full hash
};

/// A file in a folder of hooks that no event runs, though somebody may have meant it to.
struct IgnoredHook {
  std::string path{};
  std::string why{};   ///< "it is not executable"
  std::string mend{};  ///< the command that makes it run; empty where none does
};
/// What package managers and editors leave behind is passed over. The errors of read_setting().
Result<std::vector<IgnoredHook>> ignored_hooks(const Repository& repository);

/// Runs the programs of the event in the order of their names; stops at the first that fails. Their standard
/// input is the diff. Kind refused: a program failed or ran longer than `hooks.deadline`, or others than root
/// can write to one (then none runs).
Status run_pre_hooks(Session& session, const Event& event, const Diff& diff);

/// Queues an event for run_queued_events(). Renders the diff only where a folder for the event exists.
void queue_event(Session& session, const Event& event, const Diff& diff);

/// Queues the event post-snapshot for a new snapshot. An observer of the session
/// (Session::record_observers).
void queue_post_snapshot(Session& session, const RecordEvent& recorded);

/// A program that gets an event: its name for people, and its words, of which the first is an absolute path.
struct HookProgram {
  std::string name{};
  std::vector<std::string> words{};
};

/// Runs it, without a shell, and shows the first lines of what it prints as warnings. Kind refused: it
/// failed, ran longer than `deadline`, or others than root can write to it (then it does not run).
Status run_hook(const HookProgram& program, const QueuedEvent& event, std::chrono::milliseconds deadline);

/// Runs the programs of every queued event and empties the queue. Call without the lock: the programs may run
/// rewall. Failures are logged as warnings.
void run_queued_events(Session& session);

}  // namespace rewall
