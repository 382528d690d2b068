#include "ops/fleet/hosts.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {
namespace {

// Lower is better.
int preference(const HostBranch& branch, const std::string& own_host) {
  if (branch.remote.empty()) return branch.host == own_host ? 0 : 3;
  return branch.remote == "origin" ? 1 : 2;
}

}  // namespace

Result<std::vector<HostBranch>> fleet_hosts(const Repository& repository) {
  auto branches = TRY(repository.host_branches());
  const auto own = repository.host();
  std::ranges::stable_sort(branches, {}, [&own](const HostBranch& branch) {
    return std::pair(std::string_view(branch.host), preference(branch, own));
  });
  const auto same_host = [](const HostBranch& a, const HostBranch& b) { return a.host == b.host; };
  branches.erase(std::unique(branches.begin(), branches.end(), same_host), branches.end());
  return branches;
}

Result<HostBranch> find_host(std::span<const HostBranch> hosts, const std::string& name) {
  const auto found = std::ranges::lower_bound(hosts, name, {}, &HostBranch::host);
  if (found != hosts.end() && found->host == name) return *found;
  std::vector<std::string> names;
  for (const auto& host : hosts) names.push_back(host.host);
  const auto near = nearest(name, names);
  auto error = error_of<messages::no_such_host>(name);
  return near.empty() ? error : std::move(error).hinted(format("did you mean '{}'?", near));
}

Error unreadable_host(const std::string& host, const std::string& why) {
  return error_of<messages::host_unreadable>(host, why);
}

}  // namespace rewall
