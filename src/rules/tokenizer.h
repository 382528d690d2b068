#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rewall {

/// True for the characters that separate words: space and tab.
inline bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// iptables: add_param_to_argv() of iptables' xshared.c: a closing quote ends a word, a backslash inside
/// quotes keeps the next byte. ipset: build_argv() of ipset.c: quotes keep blanks wherever they stand in a
/// word, and nothing is escaped.
enum class Quoting { iptables, ipset };

/// Splits a line into words without copying them: blanks separate words. The line must outlive the words.
class Tokenizer {
 public:
  struct Word {
    std::string_view raw{};  ///< as it stands in the line, quotes included
    bool quoted = false;
    Quoting quoting = Quoting::iptables;

    /// The word without its quotes.
    std::string text() const;
    bool is(std::string_view plain) const { return !quoted && raw == plain; }
  };

  explicit Tokenizer(std::string_view line, Quoting quoting = Quoting::iptables)
      : rest_(line), quoting_(quoting) {}
  /// The next word; none at the end of the line.
  std::optional<Word> next();
  /// True after next() met a quote that does not close.
  bool unclosed() const { return unclosed_; }

 private:
  std::optional<Word> next_of_ipset();

  std::string_view rest_;
  Quoting quoting_;
  bool unclosed_ = false;
};

}  // namespace rewall
