#pragma once

#include <sys/stat.h>

#include <filesystem>

#include "core/result.h"

namespace rewall {

/// Refuses a repository that another user can change or replace: the folders above it and the links that lead
/// there must be root's or this user's alone (core/trust.h), and the folder, `.git` and the files that steer
/// git belong to this user or to root, and neither group nor others may write to them. Where others can enter
/// `.git`, this is checked of every file there except objects and hooks. The hint is the command that repairs
/// the owner or the mode.
Status check_repository_access(const std::filesystem::path& path);

/// Checks one file or folder of the repository at `top` in the same way. `type` is S_IFDIR or S_IFREG; a link
/// is neither.
Status check_access(const std::filesystem::path& path, mode_t type, const std::filesystem::path& top);

/// Checks a file or folder anywhere in the same way, with the folders above it and the links that lead there.
Status check_whole_way(const std::filesystem::path& path, mode_t type);

/// True for the folder of a repository whose .git is gone: it has the files of a snapshot.
bool lost_git(const std::filesystem::path& path);

/// The error for a repository that cannot be opened. Kind permission for EACCES and EPERM; else kind
/// repository, "no repository at PATH", with the `rewall init` to run as hint.
Error no_repository(const std::filesystem::path& path, int error);

}  // namespace rewall
