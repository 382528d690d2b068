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

/// The word behind an option, in the words of `ipset create` or `add`; empty without it. A view into
/// `options`.
std::string_view option_of(std::string_view options, std::string_view option);

/// True for an option of `ipset create` that has no value (ipset(8)): counters, comment, skbinfo, forceadd.
bool is_flag(std::string_view option);

/// True when `ipset swap` takes the two: sets of one type and family (ipset(8)).
bool can_swap(const Set& a, const Set& b);

/// meaning_of_member() as a view into the member where it is a part of the member, which is nearly always so;
/// otherwise as a view into `kept`.
std::string_view meaning_of_member(std::string_view member, std::deque<std::string>& kept);

/// Sorts members. Sorted members cost one pass.
void sort_members(std::vector<std::string_view>& members);

/// True when both have the same canonical_text().
bool same_text(const Set& a, const Set& b);
bool same_text(const Sets& a, const Sets& b);

/// True where type and options are the same, but for what packets alone can change: the size of the hash of a
/// set with timeouts.
bool same_options_but_for_traffic(const Set& a, const Set& b);
/// The same, and same_text() in all else.
bool same_but_for_traffic(const Set& a, const Set& b);
bool same_but_for_traffic(const Sets& a, const Sets& b);

/// The sets and members that either side has: rules that name sets of one side or of the other load with
/// them. Where both have a set or a member otherwise, it is as in `before`; a set that had no room for the
/// members of both is as in `after`.
Sets with_both(const Sets& before, const Sets& after);

/// True where the options say what the kernel otherwise chooses by itself: the size of the hash and its like.
bool chooses_for_kernel(const Set& set);

/// True for a set whose members have timeouts.
bool has_timeout(const Set& set);

/// True where a set brings temporary members.
bool brings_temporary(const Sets& sets);

/// The first word of a member, which the kernel knows it by: "192.0.2.1", "192.0.2.1,tcp:80".
std::string_view element_of(std::string_view member);

/// True when a rule matches or changes a set for which `wanted` returns true.
bool names_set(std::string_view words, const std::function<bool(std::string_view)>& wanted);
/// The same for any set.
bool names_set(std::string_view words);

}  // namespace rewall
