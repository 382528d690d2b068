#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rewall {

/// The columns that a terminal needs for UTF-8 text without control characters: two for a wide character
/// (East Asian, emoji), none for a combining one.
std::size_t display_width(std::string_view text);

/// The columns of the terminal at a descriptor; 0 where it is none, or does not say.
std::size_t terminal_width(int descriptor);

/// Breaks text between words so that no line is longer than `width` columns, as far as words allow. `used`
/// columns of the first line are taken; the others begin with `indent` blanks. A command line, from the word
/// `rewall` to the next quote or semicolon, stays whole: it is there to be copied. `width` 0: the text as it
/// is.
std::string wrapped(std::string_view text, std::size_t used, std::size_t indent, std::size_t width);

}  // namespace rewall
