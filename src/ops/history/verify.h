#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "ops/context/finding.h"
#include "store/repository.h"

namespace rewall {

/// Checks every snapshot of a range: its hashes, that it parses, and its signature. Returns a finding for
/// each snapshot that fails a check, and one for each check that no snapshot fails. Reads each object once.
///
/// `range` is `A..B`, or `REV` for the revision and all its ancestors; empty for HEAD. A missing signature
/// fails only where `sign.require` is true; a bad one always fails. Kind usage: the range or a revision in it
/// does not exist. Kind repository: HEAD or the settings cannot be read.
Result<std::vector<Finding>> verify(const Repository& repository, const std::string& range);

}  // namespace rewall
