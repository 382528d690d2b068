#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rewall {

/// Bytes from outside made safe for a terminal: control characters (C0 but tab, DEL, C1), bidirectional
/// overrides and invalid UTF-8 become \x1b, \u202e and the like. Everything else stays as it is.
std::string escape(std::string_view text);

/// One word as a POSIX shell would read it back: unchanged when it is harmless, else in single quotes.
std::string shell_quote(std::string_view word);

/// Lines without their ends (\n or \r\n); a last line without an end counts. Views into `text`.
std::vector<std::string_view> split_lines(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
std::string join(std::span<const std::string> words, std::string_view separator);

/// The candidate nearest to `word` by edit distance; empty when none is near enough to be meant.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// "1 rule", "2 rules".
std::string counted(std::size_t n, std::string_view one);

}  // namespace rewall
