#include "core/text.h"

#include <algorithm>
#include <numeric>

#include "core/format.h"

namespace rewall {
namespace {

struct Decoded {
  char32_t point = 0;
  std::size_t length = 0;  // 0: not valid UTF-8
};

// RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF.
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  auto point = static_cast<char32_t>(first & (0x7F >> length));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    point = (point << 6) | (byte(i) & 0x3F);
  }
  static constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kLeast[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return {};
  return {point, length};
}

bool is_bidirectional_control(char32_t point) {
  return point == 0x061C || point == 0x200E || point == 0x200F || (point >= 0x202A && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069);
}

bool is_unsafe(char32_t point) {
  return (point < 0x20 && point != '\t') || (point >= 0x7F && point < 0xA0) || point == 0x2028 ||
         point == 0x2029 || is_bidirectional_control(point);
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [point, length] = decode(text);
    const std::size_t taken = length == 0 ? 1 : length;
    if (length == 0) {
      out += format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else if (is_unsafe(point)) {
      out += point < 0x100 ? format("\\x{:02x}", static_cast<unsigned>(point))
                           : format("\\u{:04x}", static_cast<unsigned>(point));
    } else {
      out += text.substr(0, taken);
    }
    text.remove_prefix(taken);
  }
  return out;
}

std::string shell_quote(std::string_view word) {
  static constexpr std::string_view kHarmless =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+./:,=@%";
  if (!word.empty() && word.find_first_not_of(kHarmless) == std::string_view::npos) return std::string(word);
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string shell_word(std::string_view word) {
  std::string escaped;
  for (const char c : word) {
    if (c == '%')
      escaped += "%%";
    else if (c == '\\')
      escaped += "\\\\";
    else if (static_cast<unsigned char>(c) < ' ')
      escaped += format("\\0{}{}", static_cast<int>(c) / 8, static_cast<int>(c) % 8);
    else
      escaped += c;
  }
  return escaped == word ? shell_quote(word) : format("\"$(printf {})\"", shell_quote(escaped));
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> words;
  for (;;) {
    const auto end = text.find(separator);
    words.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end + 1);
  }
}

std::string_view trim(std::string_view text) {
  static constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

std::string join(std::span<const std::string> words, std::string_view separator) {
  std::string out;
  for (const auto& word : words) {
    if (&word != words.data()) out += separator;
    out += word;
  }
  return out;
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  // Edit distance with neighbours swapped counted as one slip (optimal string alignment).
  const auto distance = [word](std::string_view other) {
    std::vector<std::size_t> before(other.size() + 1), above(other.size() + 1), row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= word.size(); ++i) {
      before.swap(above);
      above.swap(row);
      row[0] = i;
      for (std::size_t j = 1; j <= other.size(); ++j) {
        row[j] =
            std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (word[i - 1] == other[j - 1] ? 0 : 1)});
        if (i > 1 && j > 1 && word[i - 1] == other[j - 2] && word[i - 2] == other[j - 1]) {
          row[j] = std::min(row[j], before[j - 2] + 1);
        }
      }
    }
    return row.back();
  };
  const std::string* best = nullptr;
  std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const auto d = distance(candidate);
    if (d < least) {
      least = d;
      best = &candidate;
    }
  }
  return best == nullptr ? std::string{} : *best;
}

std::string counted(std::size_t n, std::string_view one) {
  return format("{} {}{}", n, one, n == 1 ? "" : "s");
}

}  // namespace rewall
