#include "rules/words.h"

namespace rewall {

std::string Words::Word::text() const {
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

std::optional<Words::Word> Words::next() {
  const auto first = rest_.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    rest_ = {};
    return std::nullopt;
  }
  rest_.remove_prefix(first);
  auto end = rest_.find_first_of(" \t\"");
  const bool quoted = end != std::string_view::npos && rest_[end] == '"';
  if (quoted) {
    do {
      ++end;
      if (end < rest_.size() && rest_[end] == '\\') end += 2;
    } while (end < rest_.size() && rest_[end] != '"');
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
