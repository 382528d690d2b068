#pragma once

#include <spdlog/fmt/fmt.h>

namespace rewall {
using fmt::format;
}  // namespace rewall
