#pragma once

#include <fmt/core.h>

namespace rewall {
using fmt::format;
}  // namespace rewall
