#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/time.h"
#include "ops/guard/guard_state.h"

namespace rewall {

/// What ended a guard: somebody kept the change or took it back, the deadline, a boot, or the change itself,
/// which was never in force.
enum class EndedBy { confirm, rollback, deadline, boot, no_change };

/// How a guard ended. A value. The file `.git/rewall/guards/ID.HOW` holds it (rewall-repository(5), STATE).
struct GuardEnding {
  EndedBy how = EndedBy::no_change;
  Time ended{};
  std::string by{};          ///< the person; empty for the deadline and a boot
  std::string tried{};       ///< the snapshot of the change, full hash; empty where it is not recorded
  std::string result{};      ///< the snapshot of what was in force then, full hash; empty: not recorded
  std::string in_force{};    ///< "the old ruleset (snapshot 1a2b3c4d5e)"; empty: LIVE was left as it was
  std::string of_command{};  ///< what became of a command that was still running; empty where none was
  Guard guard{};
};

// `state` is the folder `.git/rewall` of the repository.

/// Ends a guard: the state file becomes the file of its ending, which no disk is too full for; then the facts
/// are written into it. Removes the copy of the old ruleset. The caller holds the repository's lock, unless
/// it cannot be had. Failures are logged.
/// Where the repository cannot be written, a note beside it says how the guard ended, until settle_ending()
/// (ops/context/over_note.h). False where that cannot be written either: the guard is armed still.
bool end_guard(const std::filesystem::path& state, const Guard& guard, GuardEnding ending);

/// Writes into the repository what the note says of a guard that is over. Does nothing without a note. The
/// caller holds the repository's lock.
void settle_ending(const std::filesystem::path& state);

/// How the guard `id` ended; absent where that is not known, and while it is armed.
std::optional<GuardEnding> read_ending(const std::filesystem::path& state, const std::string& id);

/// The endings that are known, the newest first.
std::vector<GuardEnding> endings(const std::filesystem::path& state);

/// The ending of the guard that ended last, of those whose change was in force; absent where none is known.
std::optional<GuardEnding> last_ending(const std::filesystem::path& state);

/// "confirmed", "rolled-back", "fired", "booted", "dropped".
std::string name_of(EndedBy how);
/// For people, after "the guard of alice, pts/0 (rewall restore HEAD~1)": "was confirmed by bob, pts/1 at
/// 2026-11-22T17:20:01+01:00".
std::string to_text(const GuardEnding& ending);

}  // namespace rewall
