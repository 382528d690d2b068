#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace rewall {

// A guard or an expiry that is over, in a repository whose files nobody can write now (a read-only disk, a
// folder that was moved away): the file /run/rewall/over-ID says so until somebody can write them, or the
// next boot. `id` is Guard::id or Expiry::id.

/// Moves the state file of a guard or an expiry that is over to `to`, or removes it where that fails. False
/// where it is still there, or `state`, the folder `.git/rewall`, is gone: a note is to say it then.
bool move_what_is_over(const std::filesystem::path& file, const std::filesystem::path& to,
                       const std::filesystem::path& state);
/// Writes the note. False where it cannot be written.
bool note_over(const std::string& id, std::string_view text);
/// The text of the note; absent where there is none.
std::optional<std::string> read_over(const std::string& id);
void forget_over(const std::string& id);

}  // namespace rewall
