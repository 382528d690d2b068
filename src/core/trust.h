#pragma once

#include <filesystem>

#include "core/file.h"
#include "core/result.h"

namespace rewall {

// Who else than root and this user can put another file into the place of one, and so decide what it says or
// where it is written. Each link on the way counts, and each folder. A folder with the sticky bit, like /tmp,
// may be anybody's to write to: nobody can move there what is not their own.

/// Refuses a file or folder that others can write to or replace. The path is absolute. Kind refused; the hint
/// has the commands that repair the owner and the mode.
Status check_trust(const std::filesystem::path& path);

/// The same for what leads to it alone: the folders above and the links. The file need not be there.
Status check_way_to(const std::filesystem::path& path);

/// Opens a folder that nobody else can write to. The folders above may belong to other users: they can move
/// the folder away, but not put one of root's there. Links of others are refused. To write a file there:
/// path_in(). Kind refused.
Result<Fd> open_own_folder(const std::filesystem::path& path);

/// A path of a file in an open folder, whatever becomes of the folder's name. Valid as long as the
/// descriptor.
std::filesystem::path path_in(const Fd& folder, const std::filesystem::path& name);

}  // namespace rewall
