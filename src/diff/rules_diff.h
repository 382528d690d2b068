#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diff/diff.h"
#include "diff/pairs.h"
#include "rules/meaning.h"
#include "rules/ruleset.h"

namespace rewall {

/// What the words of rules mean, of one chain or of all.
class RuleReader {
 public:
  virtual ~RuleReader() = default;
  virtual Meaning meaning(std::string_view words) const = 0;
  virtual std::vector<NamedPart> parts(std::string_view words) const = 0;
  /// False when unsure whether the rules can change places without an effect.
  virtual bool interchangeable(std::string_view a, std::string_view b) const = 0;
  /// The words of an older rule with the new names of renamed chains; nothing where they are its own.
  virtual std::optional<std::string> renamed(std::string_view words) const = 0;
  /// A comment as it stands in a PartChange, and the part's name.
  virtual std::string shown_comment(const std::string& comment) const = 0;
  virtual std::string_view comment_part() const = 0;
};

/// The words of a chain's rules, in their order.
using RuleWords = std::vector<std::string_view>;

/// Compares the rules of a chain on both sides, and puts the changes at the end of `out`. `place` holds what
/// says whose rules they are. Rules that are equal as text are not read.
void compare_rules(const RuleWords& from, const RuleWords& to, const Change& place, const RuleReader& reader,
                   Diff& out);

/// Compares the rules of a chain that both sides have, and puts the changes at the end of `out`. `place`
/// holds family, backend, table and chain. Rules of `pair.from` are read with the new names of `renames`.
void compare_rules(const ChainPair& pair, const Change& place, const Renames& renames, Diff& out);

}  // namespace rewall
