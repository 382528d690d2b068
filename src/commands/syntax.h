#pragma once

#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/result.h"

namespace rewall {

/// An option or a positional argument of a command, and the variable that the parser writes the value to. The
/// variable must live until the command has run.
struct Argument {
  /// Takes one value. Its error is shown as "NAME: message".
  using Reader = std::function<Status(const std::string& value)>;
  static constexpr std::size_t kMany = std::numeric_limits<std::size_t>::max();

  std::string names{};  ///< "-m,--message", the long name last; "REV", without dashes, is positional
  std::string type{};   ///< how help calls the value of an option, like "TIME"
  std::string help{};
  /// bool: a flag; int: a flag that counts; std::vector: every value, in order.
  std::variant<bool*, int*, std::string*, std::optional<std::string>*, std::vector<std::string>*, Reader>
      target{};
  bool required = false;
  std::size_t most = 1;                 ///< how many values a std::vector takes
  std::vector<std::string> words{};     ///< the only values that are taken; none: every value
  std::vector<std::string> excludes{};  ///< the names of what cannot stand beside it
  bool dashed = false;                  ///< -5 is this option with the value 5, as for `git log`
  bool given = false;                   ///< set by the parser

  /// "--message", "REV".
  std::string_view name() const;
};

/// Words of another language among those of a command: those of a packet (`-p tcp --dport 22`). They may
/// stand before and behind the options of the command, which come first where a name is both.
struct OtherWords {
  /// How many words at the beginning belong together: 2 for `--dport 22`; 0 where the first is no option.
  std::function<std::size_t(std::span<const std::string> words)> length{};
  std::vector<std::string> options{};          ///< for the hint of a word that nobody knows, and completion
  std::vector<std::string>* target = nullptr;  ///< gets these words, and all that are no options
};

/// The options and positional arguments of one command: what its help lists and what its command line may
/// hold. References to an Argument stay valid as long as the Syntax.
class Syntax {
 public:
  Argument& flag(std::string names, bool& value, std::string help);
  Argument& flag(std::string names, int& times, std::string help);
  Argument& option(std::string names, std::string type, decltype(Argument::target) target, std::string help);
  /// Several are filled in the order in which they are defined.
  Argument& positional(std::string name, decltype(Argument::target) target, std::string help);

  /// The positional arguments are then for help alone: all words but the command's options go to the target.
  void take(OtherWords words) { other_words_ = std::move(words); }
  const std::optional<OtherWords>& other_words() const { return other_words_; }

  /// The argument of that name(); null where there is none.
  Argument* find(std::string_view name);
  const Argument* find(std::string_view name) const;
  /// The option that a number behind a dash stands for; null where none is.
  const Argument* dashed() const;
  std::deque<Argument>& arguments() { return arguments_; }

 private:
  std::deque<Argument> arguments_{};
  std::optional<OtherWords> other_words_{};
};

}  // namespace rewall
