#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// One option and its values: `! --dport 22` is {"--dport", negated, {"22"}}. The old place of the negation
/// (`--dport ! 22`) reads as the same.
struct Option {
  std::string name{};
  bool negated = false;
  std::vector<std::string> values{};
  bool operator==(const Option&) const = default;
};

/// An extension with the options that belong to it: `-m conntrack --ctstate NEW`.
struct Match {
  std::string name{};
  std::vector<Option> options{};
  bool known = true;  ///< false: kept by its words, compared by its words
  bool operator==(const Match&) const = default;
};

struct Target {
  std::string name{};
  bool go_to = false;  ///< -g instead of -j
  std::vector<Option> options{};
  bool known = true;  ///< false for a chain's name and for a target that rewall does not know
  bool operator==(const Target&) const = default;
};

/// The parts of a rule.
struct ParsedRule {
  std::vector<Option> options{};  ///< -p -s -d -i -o -f, by their short names, in the order written
  std::vector<Match>
      matches{};  ///< in the order the kernel evaluates them, implied ones (`-p tcp --dport`) included
  std::optional<Target> target{};
  std::string comment{};               ///< of `-m comment`, unquoted; several are joined by a blank
  std::vector<std::string> unknown{};  ///< options that belong to no extension of this rule, as written
};

/// Splits a line into unquoted words, by the quoting of iptables-restore(8). Kind usage: a quote does not
/// close.
Result<std::vector<std::string>> split_words(std::string_view line);

/// Quotes a word as iptables-save does.
std::string quote_word(std::string_view word);

/// Parses a rule. Words that rewall does not know are no error: they are kept, marked by `known` and in
/// `unknown`. Kind usage: a quote does not close, an option has no value.
Result<ParsedRule> parse_rule(std::string_view words, Family family);

/// Refuses a rule that no iptables accepts, as far as its words show: one with an option that belongs to no
/// extension of the rule, where all its extensions are known. The error (kind usage) names the word and the
/// nearest known one.
Status check_rule(std::string_view words, Family family);

}  // namespace rewall
