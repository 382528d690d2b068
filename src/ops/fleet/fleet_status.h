#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "ops/context/session.h"
#include "ops/fleet/fleet_reader.h"
#include "store/repository.h"

namespace rewall {

struct FleetStatus {
  struct Host {
    HostBranch branch{};
    std::optional<Time> time{};  ///< of the newest snapshot; absent where that cannot be read
    std::size_t group = 0;       ///< from 1; 0 where the host is unreadable
    bool differs = false;        ///< from the baseline
    bool stale = false;
    std::string unreadable{};  ///< why the host cannot be read; empty where it can
  };
  /// Hosts whose rules mean the same, without regard to comments.
  struct Group {
    std::size_t hosts = 0;
    std::string example{};  ///< the first by name
  };

  std::vector<Host> hosts{};  ///< by name
  /// The largest group, the majority, is first; of two of one size the one whose example is first by name.
  std::vector<Group> groups{};
  std::size_t baseline = 0;  ///< the group that others differ from, from 1; 0 where no host is readable
  /// The remotes that could not be reached at the last fetch, and why.
  std::map<std::string, std::string> unreachable{};

  /// Why the remote of a host could not be reached; null where it was.
  const std::string* unreachable_by(const Host& host) const;
  bool is_well(const Host& host) const;
};

/// Compares all hosts with the host `against`; empty: with the majority. A host is stale when its newest
/// snapshot is older than `stale`; absent: than `fleet.stale`. Kind usage: no such host or chain, a bad line
/// in the file of `fleet.vars`. Kind repository: `against` is unreadable.
Result<FleetStatus> fleet_status(Session& session, const FleetScope& scope, const std::string& against,
                                 std::optional<std::chrono::milliseconds> stale);

}  // namespace rewall
