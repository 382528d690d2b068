#pragma once

#include <sys/stat.h>

#include <filesystem>

#include "core/result.h"

namespace rewall {

/// Whether a repository at `path` may be believed: folder, `.git` and what steers git in it belong to this
/// user or to root, and nobody else can write to them; where others can enter `.git`, that is asked of
/// everything there but the objects. The hint is the command that mends it.
Status check_repository_access(const std::filesystem::path& path);

/// The same for one file or folder (lstat's view: a link is neither) of the repository at `top`.
/// `type` is S_IFDIR or S_IFREG.
Status check_access(const std::filesystem::path& path, mode_t type, const std::filesystem::path& top);

/// Without permission: kind permission. Else kind repository, "no repository at PATH" with the `rewall init`
/// to run.
Error no_repository(const std::filesystem::path& path, int error);

}  // namespace rewall
