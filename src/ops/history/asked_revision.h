#pragma once

#include <optional>
#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/revision.h"

namespace rewall {

/// Reads a revision whose rules are only asked about: as read_revision(), but LIVE is not captured where the
/// generation proves that its rules are those of HEAD, and its sets are too. The errors of read_revision().
Result<Revision> read_asked_revision(Session& session, const std::string& name,
                                     std::optional<Family> family = {});

}  // namespace rewall
