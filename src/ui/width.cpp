#include "ui/width.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
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

// The length of the colour (ECMA-48, SGR) at the begin of the text; 0 where there is none.
std::size_t colour_length(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  const auto end = text.find_first_not_of("0123456789;", 2);
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

// The colour that is on behind the text; empty for none. `colour` is on before it.
std::string colour_behind(std::string_view text, std::string colour) {
  constexpr std::string_view kEnd = "\x1b[0m";
  for (auto at = text.find('\x1b'); at != std::string_view::npos; at = text.find('\x1b', at + 1)) {
    const auto found = text.substr(at, colour_length(text.substr(at)));
    if (!found.empty()) colour = found == kEnd ? "" : std::string(found);
  }
  return colour;
}

// A table's row without the padding of its columns.
std::string without_padding(std::string_view row) {
  std::string out;
  std::size_t blanks = 0;
  for (const char c : row) {
    blanks = c == ' ' ? blanks + 1 : 0;
    if (blanks <= 2) out += c;
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

// True for a word that begins a command line: `rewall`, and other programs of hints behind a colon, a
// semicolon or nothing.
bool begins_command(std::string_view word, std::string_view before) {
  static constexpr std::array<std::string_view, 19> kPrograms{
      "apt",   "chmod", "chown", "find", "git", "ip6tables", "ipset",     "iptables",    "mkdir", "mv",
      "mount", "nft",   "rmdir", "rm",   "ssh", "sudo",      "systemctl", "timedatectl", "umount"};
  if (word == "rewall" || word.ends_with("'rewall") || word.ends_with("`rewall")) return true;
  return (before.empty() || before.ends_with(':') || before.ends_with(';')) &&
         std::ranges::find(kPrograms, word) != kPrograms.end();
}

// Words, and command lines as one.
std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> all;
  bool command = false;
  std::string_view before;  // the last word
  for (const auto word : split(text, ' ')) {
    if (command) {
      all.back().append(" ").append(word);
    } else {
      all.emplace_back(word);
    }
    const bool begins = begins_command(word, before);
    if (!word.empty()) before = word;
    command = (command || begins) && word.find_first_of(";,)`") == std::string_view::npos &&
              (begins || word.find('\'') == std::string_view::npos);
  }
  return all;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    if (const auto length = colour_length(text); length > 0) {
      text.remove_prefix(length);
      continue;
    }
    const auto [character, bytes] = first_character(text);
    if (!is_in(kCombining, character)) width += is_in(kWide, character) ? 2 : 1;
    text.remove_prefix(bytes);
  }
  return width;
}

std::size_t terminal_width(int descriptor) {
  if (const char* variable = std::getenv("COLUMNS"); variable != nullptr) {
    const std::string_view word = variable;
    std::size_t columns = 0;
    const auto [end, failed] = std::from_chars(word.begin(), word.end(), columns);
    if (failed == std::errc{} && end == word.end() && columns > 0) return columns;
  }
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
  std::string colour;
  for (const auto& piece : pieces(text)) {
    const auto columns = display_width(piece);
    if (piece.empty() && !begins && column + 1 > width) continue;
    if (column + (begins ? 0 : 1) + columns > width && column > indent) {
      out.erase(std::min(out.find_last_not_of(' ') + 1, out.size()));
      out += (colour.empty() ? "\n" : "\x1b[0m\n") + std::string(indent, ' ') + colour;
      column = indent;
    } else if (!begins) {
      out += ' ';
      ++column;
    }
    out += piece;
    column += columns;
    colour = colour_behind(piece, std::move(colour));
    begins = false;
  }
  return out;
}

std::string wrapped_lines(std::string_view text, std::size_t indent, std::size_t width) {
  if (width == 0) return std::string(text);
  std::string out;
  for (const auto line : split_lines(text)) out += wrapped(line, 0, indent, width) + "\n";
  return out;
}

std::string beside(std::string_view start, std::string_view text, std::size_t width) {
  constexpr std::size_t kLeastBeside = 20;
  const auto used = display_width(start);
  if (width == 0 || used + display_width(text) <= width) return std::string(start).append(text);
  if (used + kLeastBeside <= width) return std::string(start) + wrapped(text, used, used, width);
  return wrapped(without_padding(start), 0, 2, width) + "\n    " + wrapped(text, 4, 4, width);
}

}  // namespace rewall
