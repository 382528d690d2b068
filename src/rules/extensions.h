#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// The kind of value that an option takes; the kind decides which spellings of a value are the same.
enum class ValueKind {
  flag,           ///< nothing
  word,           ///< one word, compared as it is
  two_words,      ///< two words
  optional_word,  ///< a word, or nothing when the next one is an option
  free_text,      ///< one word that may be anything, `!` too
  caseless,       ///< one word, upper or lower case
  number,         ///< decimal, 0x or 0 octal (strtoul(3), base 0)
  list,           ///< comma list, order and case free
  protocol,       ///< name or number (protocols(5))
  port,           ///< PORT or FIRST:LAST, names or numbers (services(5))
  ports,          ///< comma list of these
  range8,         ///< FIRST:LAST; one left out is the least or the greatest
  range16,
  range32,
  address,        ///< ADDRESS[/MASK], `10.1` is 10.1.0.0
  host,           ///< ADDRESS[/MASK], `10.1` is 10.0.0.1 (getaddrinfo(3))
  address_range,  ///< ADDRESS[-ADDRESS]
  mark,           ///< VALUE[/MASK], 32 bits
  mac,            ///< six hexadecimal bytes
  id,             ///< user or group: ID[-ID] or a name
};

struct OptionSpec {
  std::string_view name{};  ///< as iptables-save prints it
  std::vector<std::string_view> aliases{};
  ValueKind kind = ValueKind::word;
  bool six = false;                              ///< of ip6tables alone
  bool group = false;                            ///< for ValueKind::id: a group, not a user
  std::size_t longest = std::string_view::npos;  ///< bytes of a text that the kernel keeps
};

/// A match or target of iptables-extensions(8) and its options.
struct ExtensionSpec {
  std::string_view name{};
  /// A packet that reaches the match changes its state (limit, recent): the match's place in the rule is part
  /// of the rule's meaning.
  bool stateful = false;
  /// Each option is a condition of its own; all must hold, in any order.
  bool independent = false;
  std::vector<OptionSpec> options{};

  /// Exact names and aliases only.
  const OptionSpec* find(std::string_view option) const;
};

/// The extension of that name; null for a name that iptables 1.8.9 does not have.
const ExtensionSpec* find_match(std::string_view name);
const ExtensionSpec* find_target(std::string_view name);

/// The match that iptables loads by itself for the options of a protocol (`-p tcp --dport 22`); null when
/// there is none. `protocol` is a name or a number.
const ExtensionSpec* find_implied(std::string_view protocol, Family family);

/// -p -s -d -i -o -f and their long names.
const ExtensionSpec& base_options();

}  // namespace rewall
