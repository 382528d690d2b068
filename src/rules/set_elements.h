#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// The members that `ipset` makes of one that a person wrote, in the words of `ipset save` (ipset(8)): one of
/// each address and port of a range, networks without host bits, `tcp:` before a port, options in its order.
/// What it does not know stays as it is: names of hosts, protocols without ports, more than 65536 members.
std::vector<std::string> spelled_out(const Set& set, std::string_view member);

/// True where the member is certainly spelled_out(). Fast; in doubt false.
bool is_spelled_out(const Set& set, std::string_view member);

/// The options of a set that a person created, likewise: `range 192.0.2.0/24` becomes FIRST-LAST.
std::string spelled_options(std::string_view type, std::string_view options);

}  // namespace rewall
