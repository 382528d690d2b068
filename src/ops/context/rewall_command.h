#pragma once

#include <filesystem>
#include <string>

namespace rewall {

/// "rewall", or "rewall -C DIR" where another shell would not find this repository.
std::string rewall_command(const std::filesystem::path& repository);

}  // namespace rewall
