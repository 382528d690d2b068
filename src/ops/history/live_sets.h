#pragma once

#include <optional>
#include <string_view>

#include "ops/context/session.h"
#include "rules/set_digest.h"

namespace rewall {

/// True where LIVE's sets are those of `text`, the file `ipset` of a snapshot. `digest` is what sets_digest()
/// said of LIVE; where it is absent, the sets are read. The errors of Firewall::sets().
Result<bool> sets_are(Session& session, std::string_view text, const std::optional<SetsDigest>& digest);

}  // namespace rewall
