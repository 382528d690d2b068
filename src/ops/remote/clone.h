#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/remote/fetch.h"

namespace rewall {

struct CloneResult {
  std::string host{};
  std::string hash{};                ///< of the host's newest snapshot; empty where the remote has none of it
  std::vector<std::string> hosts{};  ///< the hosts that the remote has
  std::vector<RefusedPart> refused{};
};

/// Makes the repository at `path` from a remote, with the branch and the tags of `host` (empty: the host with
/// the name of this machine, where the remote has it). An error leaves no repository; a clone that is killed
/// leaves what CloneFolder says. Kind usage: the remote has no such host. Kind remote: its branch is refused.
Result<CloneResult> clone(const std::filesystem::path& path, const std::string& url, const std::string& host,
                          Progress progress);

}  // namespace rewall
