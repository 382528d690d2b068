#pragma once

#include <vector>

#include "ops/context/finding.h"
#include "ops/context/session.h"

namespace rewall {

/// `rewall doctor`: looks at the host, the repository and its remotes, and changes nothing, not even what a
/// killed restore left. Works without a repository and without privilege, which it says then. Each program
/// that it runs has a deadline.
std::vector<Finding> examine(Session& session);

}  // namespace rewall
