#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/result.h"
#include "kernel/firewall.h"
#include "kernel/programs.h"

namespace rewall {

/// Firewall::read_chains() for the namespace of the calling thread.
Result<std::optional<std::vector<ChainsOfTable>>> read_chains(Programs& programs,
                                                              const std::map<ChainName, bool>& chains);

}  // namespace rewall
