#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// The members that a set loses and gains, without counters.
struct FewMembers {
  std::vector<std::string> removed{};
  std::vector<std::string> added{};
};

/// The members that only one of two sets has, by meaning, sorted.
FewMembers differing_members(const Set& from, const Set& to);

/// The change of members that makes `to` of `from`, where these can be removed and added one after the other:
/// at each moment between, every packet finds in the set what it finds in the old set or in the new one. That
/// is so for members that are all added or all removed, none of them an exception (nomatch), and for one
/// member that gets other extensions. Absent for other changes, for many members, and for a set of another
/// kind.
std::optional<FewMembers> few_members(const Set& from, const Set& to);

}  // namespace rewall
