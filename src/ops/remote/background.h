#pragma once

#include <filesystem>

#include "ops/context/session.h"

namespace rewall {

/// What no command waits for: snapshots are pushed (push_queue.h), and where it is `time_for_gc`, the
/// repository is packed (gc.h). Starts a process of its own for it, under systemd as a transient service,
/// where there is something to do and none is at work. A failure is only said: the next rewall does it.
void start_background_work(const Session& session, bool time_for_gc = false);

/// The same for a snapshot that record() made, which waits to be pushed now: an observer of the session.
void push_and_pack(Session& session, const RecordEvent& event);

/// That process, `rewall -C DIR background`: ends when nothing waits any more. The exit status.
int work_in_background(const std::filesystem::path& repository);

}  // namespace rewall
