#pragma once

#include <vector>

#include "analysis/expectations.h"
#include "rules/ruleset.h"

namespace rewall {

/// Holds expectations against a ruleset of this host (check_expectations()): its addresses and interfaces are
/// those of now.
std::vector<CheckedExpectation> check_here(std::vector<Expectation>& expectations, const Ruleset& ruleset);

/// Expectations that hold in `ruleset` and that none of `known` says: for the session of whoever asks, for
/// the ports that somebody listens on, for services that should be closed to the world, and for what this
/// host sends.
std::vector<Expectation> suggest_expectations(const Ruleset& ruleset, const std::vector<Expectation>& known);

/// What people should know of an expectation on this host, as packet_notes() says it.
std::vector<std::string> notes_here(const Expectation& expectation, const Ruleset& ruleset);

}  // namespace rewall
