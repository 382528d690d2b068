#pragma once

#include <functional>
#include <span>
#include <vector>

#include "analysis/expectations.h"
#include "core/result.h"
#include "ops/context/session.h"
#include "store/repository.h"

namespace rewall {

/// The expectations of a host's newest snapshot, held against its rules. `checked` refers to `expectations`.
struct HostCheck {
  std::vector<Expectation> expectations{};
  std::vector<CheckedExpectation> checked{};
};

/// Checks the hosts, one after the other. Nothing is known of their addresses and interfaces. `visit` gets
/// the result, or the error of a host whose snapshot or file `expect` cannot be read.
Status fleet_check(Session& session, std::span<const HostBranch> hosts,
                   const std::function<void(const HostBranch&, const Result<HostCheck>&)>& visit);

}  // namespace rewall
