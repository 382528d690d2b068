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
  std::vector<std::string> tags{};   ///< of the host, as HOST/NAME
  std::vector<RefusedPart> refused{};
};

/// Makes the repository at `path` from a remote, with the branch and the tags of `host` (empty: the host with
/// the name of this machine, where the remote has it). The tags are the remote's word, so they stay below the
/// name of the host: the tag good, which boot trusts, is only a person's to set. A misleading tag
/// (is_misleading_tag()) is not taken. An error leaves no repository; a clone that is killed
/// leaves what CloneFolder says. Kind usage: the remote has no such host. Kind remote: its branch is refused.
Result<CloneResult> clone(const std::filesystem::path& path, const std::string& url, const std::string& host,
                          Progress progress);

}  // namespace rewall
