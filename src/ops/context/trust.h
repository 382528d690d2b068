#pragma once

#include <filesystem>

#include "core/result.h"

namespace rewall {

/// Refuses a file or folder that others than root and this user can write, or can put another in the place
/// of. `real`: absolute, without links. Kind refused, with the commands that mend it as hint.
Status check_trust(const std::filesystem::path& real);

}  // namespace rewall
