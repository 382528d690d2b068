#pragma once

#include <span>
#include <string>

#include "analysis/expectations.h"
#include "ui/json.h"
#include "ui/paint.h"

namespace rewall {

/// An expectation and what a ruleset says to it, as `check` and `fleet check` print it.
Json checked_json(const CheckedExpectation& checked);
/// The same for people: a line, and where it does not hold, a second one that says why.
std::string checked_line(const CheckedExpectation& checked, const Paint& paint);

bool all_hold(std::span<const CheckedExpectation> all);

}  // namespace rewall
