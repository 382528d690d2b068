#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "ops/context/finding.h"
#include "store/repository.h"

namespace rewall {

/// A check that an error stopped.
Finding failed(std::string check, const Error& error);

/// What is set and not used, and hooks that are not run.
std::vector<Finding> examine_host_files(const Repository& repository);

/// Whether the branch has the name of this machine, whether the history was begun on this machine or is a
/// copy, and whether others can put files into the place of what rewall writes outside the repository
/// (export.path, watch.metrics).
std::vector<Finding> examine_host(const Repository& repository);

/// Where snapshots are signed, or signatures asked for: signs an object that no history gets, as a service
/// does (without the agents and the settings of whoever runs doctor), checks its signature, and that of HEAD.
/// Nothing where `sign.key` is not set and `sign.require` is false.
std::vector<Finding> examine_signing(const Repository& repository, const std::string& head);

}  // namespace rewall
