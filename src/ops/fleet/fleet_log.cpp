#include "ops/fleet/fleet_log.h"

#include <cstdint>
#include <queue>
#include <string>
#include <utility>

#include "ops/fleet/hosts.h"

namespace rewall {
namespace {

// Where the walk along one host's history is.
struct Walker {
  std::int64_t seconds = 0;
  std::size_t host = 0;
  std::string hash{};
  /// Of two the newer one comes first, of one time that of the first host.
  bool operator<(const Walker& other) const {
    return std::pair(seconds, other.host) < std::pair(other.seconds, host);
  }
};

}  // namespace

Status fleet_log(Session& session, std::span<const HostBranch> hosts, const LogFilter& filter, bool with_diff,
                 const std::function<bool(const HostBranch&, const Result<LogEntry>&)>& visit) {
  auto matcher = TRY(LogMatcher::make(filter));
  auto opened = TRY(session.repository());
  const Repository& repository = *opened;
  std::priority_queue<Walker> walkers;
  bool more = true;
  const auto stop_at = [&](std::size_t host, const Error& why) {
    more = more && visit(hosts[host], unreadable_host(hosts[host].host, why.message));
  };
  const auto go_to = [&](std::size_t host, const std::string& hash) {
    if (hash.empty()) return;
    const auto snapshot = repository.snapshot(hash);
    if (!snapshot) return stop_at(host, snapshot.error());
    walkers.push({.seconds = snapshot->time.seconds, .host = host, .hash = hash});
  };
  for (std::size_t host = 0; host < hosts.size(); ++host) go_to(host, hosts[host].hash);
  while (more && !walkers.empty()) {
    const auto [seconds, host, hash] = walkers.top();
    walkers.pop();
    const auto snapshot = repository.snapshot(hash);
    if (!snapshot) {
      stop_at(host, snapshot.error());
      continue;
    }
    auto entry = matcher.entry(repository, *snapshot, with_diff);
    if (!entry) {
      stop_at(host, entry.error());
      continue;
    }
    if (*entry) more = visit(hosts[host], **std::move(entry));
    if (more) go_to(host, snapshot->parent);
  }
  return {};
}

}  // namespace rewall
