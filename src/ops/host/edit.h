#pragma once

#include <string>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// One family of LIVE, or one table of it, as canonical text for an editor. Where there are no rules it has
/// the frame for some. The errors of capture.
Result<std::string> editable_text(Session& session, Family family, const std::string& table);

/// Writes a text to be edited into a folder of its own below $TMPDIR (0700, the file 0600), under a name that
/// tells its family: its path. Kind usage: it cannot be written.
Result<std::string> write_for_editor(const std::string& text, Family family);

/// Removes it, and what the editor left beside it.
void remove_from_editor(const std::string& path);

}  // namespace rewall
