#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "diff/diff.h"
#include "ops/context/session.h"
#include "ops/history/log.h"
#include "store/repository.h"

namespace rewall {

/// The hosts whose branches the repository has, by name, one branch each: of its own host the local one, of
/// others the one fetched of the remote `origin`, else of the first remote by name, else the local one.
Result<std::vector<HostBranch>> fleet_hosts(const Repository& repository);

/// Kind usage: there is no such host; the nearest is the hint.
Result<HostBranch> find_host(std::span<const HostBranch> hosts, const std::string& name);

/// What of the rules of hosts is compared. The values of `fleet.vars` are taken for their names always.
struct FleetScope {
  std::string chain{};   ///< that chain alone, without sets; empty: everything
  bool foreign = false;  ///< what other programs own, too
};

struct FleetStatus {
  struct Host {
    HostBranch branch{};
    std::optional<Time> time{};  ///< of the newest snapshot; none where that is missing
    std::size_t group = 0;       ///< from 1; 0 where it is unreadable
    bool differs = false;        ///< from the baseline, or from the majority
    bool stale = false;
    std::string unreadable{};  ///< why; empty where it is not
  };
  /// Hosts whose rules mean the same, comments left out.
  struct Group {
    std::size_t hosts = 0;
    std::string example{};  ///< the first by name
  };

  std::vector<Host> hosts{};  ///< by name
  std::vector<Group>
      groups{};            ///< the largest first, the majority; of one size the one whose example is first
  std::size_t wanted = 0;  ///< the number of the group that others differ from; 0 where no host is readable
  /// The remotes that could not be reached at the last fetch, and why.
  std::map<std::string, std::string> unreachable{};

  /// Null where nothing is known against its remote.
  const std::string* unreachable_by(const Host& host) const;
  bool is_well(const Host& host) const;
};

/// `against`: the host that others are held against; empty: the majority. `stale`: how old the newest
/// snapshot may be, instead of `fleet.stale`. Kind usage: a host or a chain that is not there, a bad line in
/// the file of `fleet.vars`; kind repository: `against` is unreadable.
Result<FleetStatus> fleet_status(Session& session, const FleetScope& scope, const std::string& against,
                                 std::optional<std::chrono::milliseconds> stale);

/// Compares `from` with each of `others`, one after the other; with Scope::foreign what is foreign is marked.
/// An error that `visit` gets is that of the other host; one of `from` is the answer.
Status fleet_diff(Session& session, const FleetScope& scope, const HostBranch& from,
                  std::span<const HostBranch> others,
                  const std::function<void(const HostBranch&, const Result<Diff>&)>& visit);

/// The snapshots of the hosts that the filter lets through, in one line of time, newest first; each host's
/// own in the order of its history. An error ends the line of that host. `visit` says whether to go on.
Status fleet_log(Session& session, std::span<const HostBranch> hosts, const LogFilter& filter, bool with_diff,
                 const std::function<bool(const HostBranch&, const Result<LogEntry>&)>& visit);

}  // namespace rewall
