#pragma once

#include <string_view>
#include <vector>

#include "ops/context/finding.h"
#include "ops/remote/remote_address.h"
#include "store/repository.h"

namespace rewall {

/// True for a public forge: anybody can make a repository there that everybody can read.
bool is_public_forge(std::string_view host);

/// For each remote: whether it answers, how many snapshots it lacks, and who else can read them.
std::vector<Finding> examine_remotes(const Repository& repository);

}  // namespace rewall
