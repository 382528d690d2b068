#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rewall {

/// What parts two words of a line: a space or a tab.
inline bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// Takes the words of a line apart without copying them, by the quoting of iptables-restore
/// (add_param_to_argv in iptables' xshared.c): blanks part words, a closing quote ends one, a backslash
/// inside quotes keeps the next byte.
class Words {
 public:
  struct Word {
    std::string_view raw{};  ///< as it stands in the line, quotes included
    bool quoted = false;

    /// Without its quotes.
    std::string text() const;
    bool is(std::string_view plain) const { return !quoted && raw == plain; }
  };

  explicit Words(std::string_view line) : rest_(line) {}
  /// The next word; none at the end of the line.
  std::optional<Word> next();
  /// True once a word was met whose quote does not close.
  bool unclosed() const { return unclosed_; }

 private:
  std::string_view rest_;
  bool unclosed_ = false;
};

}  // namespace rewall
