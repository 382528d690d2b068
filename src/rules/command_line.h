#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// One line of a rules file, taken apart as iptables does it (do_parse in iptables' xshared.c):
/// getopt_long(3) with the options of iptables and those of the extensions that the line loads so far. Which
/// option takes a value decides what a word is. Where only an extension that rewall does not know could tell,
/// the words stay with the rule as they are, and iptables tells when it loads the rule.
///
/// The views point into the line, into `made`, or into texts that live as long as the program.
struct CommandLine {
  /// "-s" or "-d" with several addresses.
  struct AddressList {
    std::size_t word = 0;  ///< its place in `words`; the addresses are the next word
    std::string_view option{};
    std::string addresses{};
  };
  /// What the line says of its family, by words that the other family cannot load, and by protocols that it
  /// does not use.
  struct FamilySigns {
    bool four = false;
    bool six = false;
    bool four_by_habit = false;
    bool six_by_habit = false;
  };

  char letter = '\0';   ///< of the command: 'A' of -A, --append and `--app`; '\0' where there is none
  std::string chain{};  ///< may be empty for -F, -X, -Z, -L, -S
  std::string name{};   ///< a policy, or a chain's new name
  std::optional<std::uint32_t> number{};
  std::optional<Counters> counters{};
  std::optional<Family> marked{};         ///< by -4 or -6; nothing behind the mark is read where `skipped`
  bool skipped = false;                   ///< marked for the other family
  std::vector<std::string_view> words{};  ///< the rule's own, quotes included
  std::vector<AddressList> lists{};
  bool negated_address = false;  ///< an -s or -d is negated: iptables takes no list beside it
  bool untouched = true;         ///< `words` follow each other in the line
  bool turned = false;           ///< `-s ! ADDRESS` was read as `! -s ADDRESS`
  FamilySigns signs{};
  std::list<std::string> made{};
};

/// Takes a line apart, without counters before it. `family` is that of the program that reads it; with none
/// no line is skipped. Errors are of kind usage and name the word: a quote that does not close, two
/// commands, a word missing behind a command, an option that has no place in a rules file.
Result<CommandLine> take_apart(std::string_view line, std::optional<Family> family);

/// True when take_apart() has nothing to say of a rule's words: no command, counters, table, family or list
/// of addresses among them, and all quotes close. Fast; in doubt false.
bool is_plain(std::string_view words);

}  // namespace rewall
