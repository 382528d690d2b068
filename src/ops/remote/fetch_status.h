#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "core/result.h"

namespace rewall {

/// When a remote was last reached by a fetch, and when not, in seconds since 1970; 0: never.
struct FetchStatus {
  std::int64_t success = 0;
  std::int64_t failure = 0;
  std::string why{};  ///< it was not, escaped

  bool lost() const { return failure > success; }
};

/// Of each remote by name, as `.git/rewall/fetched` keeps it. None where that cannot be read.
std::map<std::string, FetchStatus> read_fetch_status(const std::filesystem::path& state);

/// What is known of it is no more: it is gone, or has another address.
Status forget_fetch_status(const std::filesystem::path& state, const std::string& remote);

/// Notes how a fetch of it went: `why` is empty when it was reached.
Status note_fetch_status(const std::filesystem::path& state, const std::string& remote,
                         const std::string& why);

}  // namespace rewall
