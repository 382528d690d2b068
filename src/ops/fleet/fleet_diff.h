#pragma once

#include <functional>
#include <span>

#include "core/result.h"
#include "diff/diff.h"
#include "ops/context/session.h"
#include "ops/fleet/fleet_reader.h"
#include "store/repository.h"

namespace rewall {

/// Compares `from` with each of `others`, one after the other. With FleetScope::foreign the diff marks
/// changes of foreign rules. `visit` gets the diff, or the error of the other host; an error of `from` is
/// returned.
Status fleet_diff(Session& session, const FleetScope& scope, const HostBranch& from,
                  std::span<const HostBranch> others,
                  const std::function<void(const HostBranch&, const Result<Diff>&)>& visit);

}  // namespace rewall
