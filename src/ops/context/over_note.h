#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rewall {

// A guard or an expiry that is over, in a repository whose files nobody can write now (a read-only disk, a
// folder that was moved away): the file /run/rewall/over-ID says so until somebody can write them, or the
// next boot. `id` is Guard::id or Expiry::id.

/// Writes the note. False where it cannot be written.
bool note_over(const std::string& id, std::string_view text);
/// The text of the note; absent where there is none.
std::optional<std::string> read_over(const std::string& id);
void forget_over(const std::string& id);

}  // namespace rewall
