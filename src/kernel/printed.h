#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "kernel/kernel_rules.h"

namespace rewall {

/// A printed rule of which has to be proved that its words make the rule that the kernel has.
struct DoubtfulRule {
  Backend backend = Backend::nft;
  Family family = Family::ipv4;
  std::string table{};
  std::string chain{};
  std::size_t place = 0;      ///< in its chain, from 0
  std::string words{};        ///< without "-A CHAIN"
  std::string unknown{};      ///< OddRule::unknown; empty where only its words are in doubt
  std::string expressions{};  ///< NFTA_RULE_EXPRESSIONS; empty on the legacy backend
  std::string unsaid{};       ///< OddRule::unsaid
};

/// Copies rules out of a text that a save program printed, each held against the rule that the kernel has in
/// its place. Where the program prints a line break that is in a comment or a log prefix, a question mark
/// stands in the copy; where it prints a name as it is and iptables-restore would read something else, the
/// name is in quotes. The text must outlive the object.
class PrintedRules {
 public:
  explicit PrintedRules(std::string_view text) : text_(text) {}

  /// What is left of the text.
  std::string_view rest() const { return text_.substr(at_); }
  /// Passes over some of it.
  void skip(std::size_t size) { at_ += size; }
  /// Takes the rule that begins here with "-A CHAIN" and is the rule `place` of the kernel's chain. Kind
  /// capture for a line break in a name: nothing that iptables reads says that.
  Status take(const KernelTable& table, const KernelChain& chain, std::size_t place);

  /// Begins a copy of what is taken from here on; end_copy() returns it.
  void begin_copy();
  std::string end_copy();
  /// True when the copy is not what was printed.
  bool changed() const { return changed_; }

  std::vector<DoubtfulRule> doubtful{};
  std::vector<std::string> notes{};  ///< for people: what a question mark stands for

 private:
  /// Where the rule ends, and its line without line breaks in comments.
  std::size_t end_of_rule(const KernelTable& table, const KernelChain& chain, const OddRule& rule,
                          std::string& line);

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_{};  ///< the copy up to copied_
  std::size_t copied_ = 0;
  bool changed_ = false;
};

/// What a save program printed, held against the kernel.
struct Printed {
  std::size_t tables = 0;             ///< that were printed to their COMMIT
  std::optional<std::string> text{};  ///< absent: as it was printed
  std::vector<DoubtfulRule> doubtful{};
  std::vector<std::string> notes{};
  /// The kernel has other chains or another number of rules. Absent when both agree.
  std::optional<Error> disagreement{};
};

/// Holds the output of `program`, iptables-save(8), against the kernel's tables of its family and backend.
/// Errors as PrintedRules::take().
Result<Printed> hold_against_kernel(std::string_view text, std::span<const KernelTable> tables,
                                    std::string_view program);

/// True where an iptables-save text has a value in quotes that a save program may print without them.
bool holds_quoted_names(std::string_view text);

/// `words` with those of `names` in quotes that stand behind an option as they are, where iptables-restore
/// would read more than one word.
std::string with_quoted_names(std::string_view words, std::span<const std::string> names);

}  // namespace rewall
