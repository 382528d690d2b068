#pragma once

#include <filesystem>
#include <string>

namespace rewall {

/// What rewall works on where neither -C nor $REWALL_REPO names a repository, as in the files of `rewall
/// hooks`.
constexpr const char* kDefaultRepository = "/var/lib/rewall";
bool is_default_repository(const std::filesystem::path& repository);

/// "rewall", or "rewall -C DIR" where another shell would not find this repository.
std::string rewall_command(const std::filesystem::path& repository);

}  // namespace rewall
