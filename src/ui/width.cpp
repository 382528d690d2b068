#include "ui/width.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/text.h"

namespace rewall {
namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// Wide in UAX 11 (East Asian Width W and F), whole blocks at a time.
constexpr std::array<Range, 15> kWide{{{0x1100, 0x115f},
                                       {0x2329, 0x232a},
                                       {0x231a, 0x231b},
                                       {0x2e80, 0x303e},
                                       {0x3041, 0x33ff},
                                       {0x3400, 0x4dbf},
                                       {0x4e00, 0x9fff},
                                       {0xa000, 0xa4cf},
                                       {0xa960, 0xa97f},
                                       {0xac00, 0xd7a3},
                                       {0xf900, 0xfaff},
                                       {0xfe30, 0xfe6f},
                                       {0xff01, 0xff60},
                                       {0x1f300, 0x1faff},
                                       {0x20000, 0x3fffd}}};
constexpr std::array<Range, 7> kCombining{{{0x0300, 0x036f},
                                           {0x0483, 0x0489},
                                           {0x1ab0, 0x1aff},
                                           {0x1dc0, 0x1dff},
                                           {0x200b, 0x200f},
                                           {0x20d0, 0x20ff},
                                           {0xfe00, 0xfe0f}}};

template <std::size_t count>
bool is_in(const std::array<Range, count>& ranges, std::uint32_t character) {
  return std::ranges::any_of(
      ranges, [&](const Range& range) { return character >= range.first && character <= range.last; });
}

// The character at the begin of the text, and its bytes; a byte that begins none is one.
std::pair<std::uint32_t, std::size_t> first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t bytes = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (bytes == 1 || text.size() < bytes) return {lead, 1};
  std::uint32_t character = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i)
    character = (character << 6) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  return {character, bytes};
}

// Words, and command lines as one.
std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> all;
  bool command = false;
  for (const auto word : split(text, ' ')) {
    if (command) {
      all.back().append(" ").append(word);
    } else {
      all.emplace_back(word);
    }
    const bool begins = word == "rewall" || word.ends_with("'rewall") || word.ends_with("`rewall");
    command = (command || begins) && word.find_first_of(";,)`") == std::string_view::npos &&
              (begins || word.find('\'') == std::string_view::npos);
  }
  return all;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto [character, bytes] = first_character(text);
    if (!is_in(kCombining, character)) width += is_in(kWide, character) ? 2 : 1;
    text.remove_prefix(bytes);
  }
  return width;
}

std::size_t terminal_width(int descriptor) {
  winsize size{};
  return ::isatty(descriptor) == 1 && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::string wrapped(std::string_view text, std::size_t used, std::size_t indent, std::size_t width) {
  if (width == 0) return std::string(text);
  // Where little is left behind the indent, a small one is easier to read.
  constexpr std::size_t kLeast = 16;
  if (indent + kLeast > width) indent = std::min<std::size_t>(indent, 2);
  std::string out;
  std::size_t column = used;
  bool begins = true;
  for (const auto& piece : pieces(text)) {
    const auto columns = display_width(piece);
    if (column + (begins ? 0 : 1) + columns > width && column > indent) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!begins) {
      out += ' ';
      ++column;
    }
    out += piece;
    column += columns;
    begins = false;
  }
  return out;
}

}  // namespace rewall
