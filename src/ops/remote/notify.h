#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/result.h"
#include "core/time.h"
#include "ops/context/session.h"

namespace rewall {

/// A run of the program of `notify.command` that failed.
struct NotifyFailure {
  Time time{};
  std::string hash{};  ///< the snapshot that it was to tell of, full hash
  std::string why{};   ///< escaped
};

/// The newest run, where it failed; absent where it went well, or where there was none. From
/// `.git/rewall/notified`.
std::optional<NotifyFailure> read_notify_failure(const std::filesystem::path& state);

/// An observer of the session (RecordEvent), called with the repository's lock held: notes a snapshot that
/// changed something, where `notify.command` is set. A failure is logged.
void note_for_notify(Session& session, const RecordEvent& event);

/// Whether tell_changes() has something to do now: snapshots are noted, or changes of foreign parts alone
/// have waited for a day.
bool has_changes_to_tell(const std::filesystem::path& state);

/// Runs the program of `notify.command` for each snapshot that was noted, one after the other, and for those
/// of foreign parts alone once a day. A program that fails is not run again for the same snapshot; status
/// shows it (read_notify_failure()). One process at a time. Kind repository: a state file, the history or the
/// settings cannot be read or written.
Status tell_changes(Session& session);

}  // namespace rewall
