#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/result.h"
#include "rules/ruleset.h"
#include "rules/set_digest.h"

namespace rewall {

/// The sets of two canonical texts (print.h) without the members that both have, as far as a load needs no
/// more: of a set that is the same, and of one in which few members differ (set_change.h), Set::left_out
/// stands for them. Other sets are whole. `digest` is that of `from`. Kind usage: a text cannot be read.
Result<std::pair<Sets, Sets>> differing_sets(std::string_view from, std::string_view to,
                                             const SetsDigest& digest);

/// `to`, with the members that were left out: those of `whole`, of which `from` is a part.
Sets with_left_out(const Sets& whole, const Sets& from, const Sets& to);

}  // namespace rewall
