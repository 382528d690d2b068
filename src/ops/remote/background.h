#pragma once

#include <filesystem>

#include "ops/context/session.h"

namespace rewall {

/// Starts a process that does what no command waits for: it pushes queued snapshots (push_queue.h), runs the
/// program of `notify.command` (notify.h) and, with `time_for_gc`, packs the repository (gc.h). Under systemd
/// the process is a transient service. Starts none where there is nothing to do or one is running. A failure
/// is logged: the next command starts the process.
void start_background_work(const Session& session, bool time_for_gc = false);

/// An observer of the session (RecordEvent): queues the new snapshot for a push and starts the process.
void push_and_pack(Session& session, const RecordEvent& event);

/// The main function of that process, `rewall -C DIR background`. It ends when there is nothing to push or
/// to tell, and returns the exit status.
int work_in_background(const std::filesystem::path& repository, const SessionFactory& make_session);

}  // namespace rewall
