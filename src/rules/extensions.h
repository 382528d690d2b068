#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/ruleset.h"

namespace rewall {

/// What stands behind an option, and so which spellings of it are the same.
enum class Kind {
  flag,      ///< nothing
  words,     ///< one word, compared as it is
  two,       ///< two words
  maybe,     ///< a word, or nothing when the next one is an option
  text,      ///< one word that may be anything, `!` too
  number,    ///< decimal, 0x or 0 octal (strtoul(3), base 0)
  list,      ///< comma list, order and case free
  protocol,  ///< name or number (protocols(5))
  port,      ///< PORT or FIRST:LAST, names or numbers (services(5))
  ports,     ///< comma list of these
  range8,    ///< FIRST:LAST; one left out is the least or the greatest
  range16,
  range32,
  address,  ///< ADDRESS[/MASK]
  span,     ///< ADDRESS[-ADDRESS]
  mark,     ///< VALUE[/MASK], 32 bits
  mac,      ///< six hexadecimal bytes
  id,       ///< user or group: ID[-ID] or a name
};

struct OptionSpec {
  std::string_view name{};  ///< as iptables-save prints it
  std::vector<std::string_view> aliases{};
  Kind kind = Kind::words;
  bool group = false;  ///< for Kind::id: a group, not a user
};

/// A match or target of iptables-extensions(8) and its options.
struct ExtensionSpec {
  std::string_view name{};
  /// Has state that a packet changes by reaching it, so its place among the matches is a part of its meaning.
  bool stateful = false;
  /// Its options are conditions of their own, all of which must hold, in any order.
  bool apart = false;
  std::vector<OptionSpec> options{};

  /// Exact names and aliases only.
  const OptionSpec* find(std::string_view option) const;
};

/// Null for a name that iptables 1.8.9 does not have.
const ExtensionSpec* find_match(std::string_view name);
const ExtensionSpec* find_target(std::string_view name);

/// The match that iptables loads by itself for the options of a protocol (`-p tcp --dport 22`), by name or
/// number; null when there is none.
const ExtensionSpec* find_implied(std::string_view protocol, Family family);

/// -p -s -d -i -o -f and their long names.
const ExtensionSpec& base_options();

}  // namespace rewall
