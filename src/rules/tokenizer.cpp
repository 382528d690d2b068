#include "rules/tokenizer.h"

#include <algorithm>

namespace rewall {
std::string Tokenizer::Word::text() const {
  if (!quoted) return std::string(raw);
  std::string out;
  bool inside = false;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '"') {
      inside = !inside;
    } else if (inside && raw[i] == '\\' && i + 1 < raw.size()) {
      out += raw[++i];
    } else {
      out += raw[i];
    }
  }
  return out;
}

std::optional<Tokenizer::Word> Tokenizer::next() {
  std::size_t first = 0;
  while (first < rest_.size() && is_blank(rest_[first])) ++first;
  rest_.remove_prefix(first);
  if (rest_.empty()) return std::nullopt;
  std::size_t end = 0;
  while (end < rest_.size() && !is_blank(rest_[end]) && rest_[end] != '"') ++end;
  const bool quoted = end < rest_.size() && rest_[end] == '"';
  if (quoted) {
    ++end;
    while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
    end = std::min(end, rest_.size());
    if (end < rest_.size()) {
      ++end;
    } else {
      unclosed_ = true;
    }
  }
  const Word word{rest_.substr(0, end), quoted};
  rest_.remove_prefix(word.raw.size());
  return word;
}

}  // namespace rewall
