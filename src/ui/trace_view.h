#pragma once

#include <cstddef>
#include <string>

#include "analysis/walk.h"
#include "ui/json.h"
#include "ui/paint.h"

namespace rewall {

/// The way of `packet`, as it was asked for, as people read it (rewall-trace(8)): a block for each chain,
/// its rules with their positions, the rules that did not match where the trace has them, and the verdict.
/// `width`: the columns of a terminal, in which lines are wrapped; 0 for no wrapping. Escaped.
std::string render(const Trace& trace, const Packet& packet, std::size_t width, Paint paint);

/// The fields of `trace --json` that the walk gives: "verdict", "depends_on", "path", "packet", "left",
/// "family", "hook". `why`: with the rules that did not match.
Json to_json(const Trace& trace, const Packet& packet, Why why);

}  // namespace rewall
