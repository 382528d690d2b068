#pragma once

#include <cstddef>
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

/// Where the words of an expectation begin in checked_line().
constexpr std::size_t kExpectationColumn = 10;

bool all_hold(std::span<const CheckedExpectation> all);

}  // namespace rewall
