#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// True for a set whose members are sets.
bool is_list(const Set& set);

/// True for an option of `ipset create` that has no value (ipset(8)): counters, comment, skbinfo, forceadd.
bool is_flag(std::string_view option);

/// True when `ipset swap` takes the two: sets of one type and family (ipset(8)).
bool can_swap(const Set& a, const Set& b);

/// meaning_of_member() as a part of the member where it is one, which it nearly always is; else `kept` holds
/// it.
std::string_view meaning_of_member(std::string_view member, std::deque<std::string>& kept);

/// Sorts members; those that come sorted cost one look.
void sort_members(std::vector<std::string_view>& members);

/// True when canonical_text() of the two is the same.
bool same_text(const Set& a, const Set& b);
bool same_text(const Sets& a, const Sets& b);

/// True when `now` is what `before` was, or less by members whose timeout may have run out.
bool only_expired(const Set& before, const Set& now);

/// True when a rule's words name a set, to match or to change it, that `wanted` says yes to.
bool names_set(std::string_view words, const std::function<bool(std::string_view)>& wanted);
/// The same for any set.
bool names_set(std::string_view words);

}  // namespace rewall
