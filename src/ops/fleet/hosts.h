#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

/// The hosts whose branches the repository has, by name, one branch each: of its own host the local branch,
/// of another host the branch that was fetched from the remote `origin`, else from the first remote by name,
/// else the local branch.
Result<std::vector<HostBranch>> fleet_hosts(const Repository& repository);

/// Kind usage: there is no such host; the hint names the nearest.
Result<HostBranch> find_host(std::span<const HostBranch> hosts, const std::string& name);

/// Kind repository: why a host's history cannot be read.
Error unreadable_host(const std::string& host, const std::string& why);

}  // namespace rewall
