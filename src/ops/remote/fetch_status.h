#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "core/result.h"

namespace rewall {

/// The times of the last fetch from a remote that went well and of the last one that failed, in seconds since
/// 1970; 0: never.
struct FetchStatus {
  std::int64_t success = 0;
  std::int64_t failure = 0;
  std::string why{};  ///< why the last fetch failed, escaped; empty where it went well

  bool is_unreachable() const { return failure > success; }
};

/// The status of each remote by name, from `.git/rewall/fetched`. Empty where the file cannot be read.
std::map<std::string, FetchStatus> read_fetch_status(const std::filesystem::path& state);

/// Removes the status of a remote that was removed or got another address.
Status forget_fetch_status(const std::filesystem::path& state, const std::string& remote);

/// Writes that a fetch from a remote ended just now; `why` is empty where it went well.
Status note_fetch_status(const std::filesystem::path& state, const std::string& remote,
                         const std::string& why);

}  // namespace rewall
