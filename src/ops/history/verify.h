#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "ops/context/finding.h"
#include "store/repository.h"

namespace rewall {

/// Holds every snapshot of a range against its hashes, its signature, and the parser: one finding for each
/// snapshot that fails, else one for each check. Each object is read once.
///
/// `range` as git has it: `A..B`, `REV` for all that led there, empty for HEAD. A missing signature fails
/// only where sign.require is true, a bad one always. Kind usage: no such revision. Kind repository: it
/// cannot be read at all.
Result<std::vector<Finding>> verify(const Repository& repository, const std::string& range);

}  // namespace rewall
