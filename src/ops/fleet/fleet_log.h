#pragma once

#include <functional>
#include <span>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/log.h"
#include "store/repository.h"

namespace rewall {

/// The snapshots of all hosts that pass the filter, newest first; those of one host in the order of its
/// history. `visit` gets an entry, or the error that ends the entries of one host; it returns whether to go
/// on.
Status fleet_log(Session& session, std::span<const HostBranch> hosts, const LogFilter& filter, bool with_diff,
                 const std::function<bool(const HostBranch&, const Result<LogEntry>&)>& visit);

}  // namespace rewall
