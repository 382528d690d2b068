#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// Returns one family of LIVE, or one table of the family, as canonical text for an editor. Without rules the
/// text has the empty table. The errors are those of a capture.
Result<std::string> editable_text(Session& session, Family family, const std::string& table);

/// The native tables of LIVE, or the one of this title ("inet fw"), for an editor. Kind capture: they cannot
/// be read. Kind usage: there is no such table. Else the errors of a capture.
Result<std::string> editable_native(Session& session, const std::string& title = {});

/// Writes a text into a new folder below $TMPDIR (mode 0700, the file 0600) and returns the file's path. Kind
/// usage: the file cannot be written.
Result<std::string> write_for_editor(const std::string& text, std::string_view file);

/// Removes the file, and the files that the editor left beside it.
void remove_from_editor(const std::string& path);

}  // namespace rewall
