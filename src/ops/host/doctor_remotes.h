#pragma once

#include <string_view>
#include <vector>

#include "ops/context/finding.h"
#include "ops/remote/remote_address.h"
#include "store/repository.h"

namespace rewall {

/// Where anybody may make a repository that everybody can read.
bool is_public_forge(std::string_view host);

/// Each remote: whether it answers, what it lacks, and who can read along.
std::vector<Finding> examine_remotes(const Repository& repository);

}  // namespace rewall
