#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rewall {

/// True for the characters that separate words: space and tab.
inline bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// Splits a line into words without copying them, by the quoting of iptables-restore (add_param_to_argv in
/// iptables' xshared.c): blanks separate words, a closing quote ends a word, a backslash inside quotes keeps
/// the next byte. The line must outlive the words.
class Tokenizer {
 public:
  struct Word {
    std::string_view raw{};  ///< as it stands in the line, quotes included
    bool quoted = false;

    /// The word without its quotes.
    std::string text() const;
    bool is(std::string_view plain) const { return !quoted && raw == plain; }
  };

  explicit Tokenizer(std::string_view line) : rest_(line) {}
  /// The next word; none at the end of the line.
  std::optional<Word> next();
  /// True after next() met a quote that does not close.
  bool unclosed() const { return unclosed_; }

 private:
  std::string_view rest_;
  bool unclosed_ = false;
};

}  // namespace rewall
