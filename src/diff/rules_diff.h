#pragma once

#include "diff/diff.h"
#include "diff/pairs.h"
#include "rules/ruleset.h"

namespace rewall {

/// Compares the rules of a chain that both sides have, and puts the changes at the end of `out`. `place`
/// holds family, backend, table and chain. Rules of `pair.from` are read with the new names of `renames`.
void compare_rules(const ChainPair& pair, const Change& place, const Renames& renames, Diff& out);

}  // namespace rewall
