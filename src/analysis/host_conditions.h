#pragma once

#include <optional>

#include "analysis/conditions.h"

/// Matches that ask about this host. What HostFacts does not say is an unknown.
namespace rewall {

std::optional<Condition> read_address_type(const Match& match, const Surroundings& around);
std::optional<Condition> read_policy(const Match& match, const Surroundings& around);
std::optional<Condition> read_reverse_path(const Match& match, const Surroundings& around);

}  // namespace rewall
