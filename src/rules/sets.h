#pragma once

#include <functional>
#include <string_view>

#include "rules/ruleset.h"

namespace rewall {

/// True for a set whose members are sets.
bool is_list(const Set& set);

/// True for an option of `ipset create` that has no value (ipset(8)): counters, comment, skbinfo, forceadd.
bool is_flag(std::string_view option);

/// True when `ipset swap` takes the two: sets of one type and family (ipset(8)).
bool can_swap(const Set& a, const Set& b);

/// True when a rule's words name a set, to match or to change it, that `wanted` says yes to.
bool names_set(std::string_view words, const std::function<bool(std::string_view)>& wanted);
/// The same for any set.
bool names_set(std::string_view words);

}  // namespace rewall
