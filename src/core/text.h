#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rewall {

/// Makes bytes from outside safe for a terminal. Control characters (C0 except tab, DEL, C1), bidirectional
/// overrides and invalid UTF-8 become \x1b, \u202e and the like; all other text is unchanged.
std::string escape(std::string_view text);

/// Quotes a word for a POSIX shell. A harmless word is unchanged, any other one is in single quotes.
std::string shell_quote(std::string_view word);

/// The same for a word that stands in an error: control characters are escapes of printf(1) in `"$(...)"`.
std::string shell_word(std::string_view word);

/// The lines of a text, without their ends (\n or \r\n). A last line without an end counts. The views point
/// into `text`.
std::vector<std::string_view> split_lines(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
/// The text with its ASCII letters in lower case.
std::string lower(std::string_view text);
std::string join(std::span<const std::string> words, std::string_view separator);

/// The candidate with the smallest edit distance to `word`; empty when no candidate is near enough.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// "1 rule", "2 rules".
std::string counted(std::size_t n, std::string_view one);

}  // namespace rewall
