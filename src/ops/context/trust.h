#pragma once

#include <filesystem>

#include "core/result.h"

namespace rewall {

/// Refuses a file or folder that users other than root and this user can write to or replace: checks the
/// owner and mode of the file and of every folder above it. `real` is an absolute path without links. Kind
/// refused; the hint has the commands that repair the owner and the mode.
Status check_trust(const std::filesystem::path& real);

}  // namespace rewall
