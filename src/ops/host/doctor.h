#pragma once

#include <vector>

#include "ops/context/finding.h"
#include "ops/context/session.h"

namespace rewall {

/// `rewall doctor`: checks the host, the repository and its remotes. It changes nothing; it does not even
/// recover from a restore that was killed. Without a repository or without privilege the findings say so.
/// Each program that it runs has a deadline.
std::vector<Finding> examine(Session& session);

}  // namespace rewall
