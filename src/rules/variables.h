#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"
#include "rules/value_parse.h"

namespace rewall {

/// The addresses and networks of one host, by the names that stand for them.
struct Variables {
  struct Value {
    std::string name{};
    Family family = Family::ipv4;
    Address address{};
  };
  std::vector<Value> values{};  ///< in the order they were read; the first that fits names it
};

/// Adds the values of "NAME=VALUE[,VALUE...]". Kind usage: the name holds other characters than letters,
/// digits and '_', or a value is not an address or a network.
Status add_variable(Variables& variables, std::string_view word);

/// The ruleset with `$NAME` for every address and network that is a value: in the options that have
/// addresses, as the whole value, in lists, as an end of a range, before a port; in members of sets; and
/// likewise in rules and elements of native tables. An
/// address alone and with the prefix that means it alone are the same; a part of a number is never meant, nor
/// is an address inside a network or a range.
Ruleset with_variables(Ruleset ruleset, const Variables& variables);

}  // namespace rewall
