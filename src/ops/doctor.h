#pragma once

#include <string>
#include <vector>

#include "ops/session.h"

namespace rewall {

/// One thing that a snapshot or a restore needs here, or that keeps what they are worth.
struct Check {
  std::string name{};
  bool ok = true;
  std::string message{};
  std::string hint{};  ///< the command that mends it; of one that is well: advice
};

/// `rewall doctor`: looks at the host, the repository and its remotes, and changes nothing, not even what a
/// killed restore left. Works without a repository and without privilege, which it says then. Each program
/// that it runs has a deadline.
std::vector<Check> examine(Session& session);

}  // namespace rewall
