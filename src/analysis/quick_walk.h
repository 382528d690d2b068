#pragma once

#include <optional>

#include "analysis/walk.h"

namespace rewall {

/// The verdict on a packet whose fields are single numbers, as far as rules ask for them; absent where a rule
/// asks for another field, or where something is unknown: then sets of packets must be walked.
std::optional<Verdict> quick_verdict(const Model& model, const Packet& packet);

}  // namespace rewall
