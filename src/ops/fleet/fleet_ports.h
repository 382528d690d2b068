#pragma once

#include <functional>
#include <span>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/open_ports.h"
#include "store/repository.h"

namespace rewall {

/// Which ports the rules of each host's newest snapshot open, one host after the other. Nothing is known of
/// their addresses and interfaces. `visit` gets the result, or the error of a host whose snapshot cannot be
/// read.
Status fleet_ports(
    Session& session, std::span<const HostBranch> hosts, const OpenPortsOptions& options,
    const std::function<void(const HostBranch&, const Result<std::vector<FamilyPorts>>&)>& visit);

}  // namespace rewall
