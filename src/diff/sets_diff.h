#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "diff/diff.h"
#include "rules/ruleset.h"

namespace rewall {

/// The members that only one of two sets has, sorted and compared by meaning (without remaining timeouts).
/// The order of a list of sets counts: for a list also the members that changed their place, in their order.
/// Linear for sorted members.
struct MemberChanges {
  std::vector<std::string_view> removed{};
  std::vector<std::string_view> added{};

  bool empty() const { return removed.empty() && added.empty(); }
};
MemberChanges compare_members(const Set& from, const Set& to);

/// True when type and options mean the same.
bool same_options(const Set& from, const Set& to);

/// "create NAME TYPE OPTIONS".
std::string create_line(const Set& set);

/// Compares all sets by name, and puts the changes at the end of `out`.
void compare_sets(const Sets& from, const Sets& to, Diff& out);

}  // namespace rewall
