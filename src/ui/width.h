#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rewall {

/// The columns that a terminal needs for UTF-8 text without control characters other than the colours of
/// Paint: two for a wide character (East Asian, emoji), none for a combining one and for a colour.
std::size_t display_width(std::string_view text);

/// The columns of a line of output at a descriptor: $COLUMNS where it is a number above 0, else those of the
/// terminal; 0 where it is no terminal, or the terminal does not say.
std::size_t terminal_width(int descriptor);

/// Breaks text between words so that no line is longer than `width` columns, as far as words allow. `used`
/// columns of the first line are taken; the others begin with `indent` blanks. A command line, from the word
/// `rewall`, or from another program's name behind a colon, to the next quote or semicolon, stays whole: it
/// is there to be copied. A colour ends with the line and begins again in the next. `width` 0: the text as it
/// is.
std::string wrapped(std::string_view text, std::size_t used, std::size_t indent, std::size_t width);

/// Each line of a text that ends in a newline, wrapped().
std::string wrapped_lines(std::string_view text, std::size_t indent, std::size_t width);

/// `start`, as columns of a table, and `text` beside it: further lines of the text hang below its first.
/// Where `width` leaves the text fewer than 20 columns, the columns of `start` lose their padding, and the
/// text stands below, four blanks in.
std::string beside(std::string_view start, std::string_view text, std::size_t width);

}  // namespace rewall
