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
    } else if (inside && quoting == Quoting::iptables && raw[i] == '\\' && i + 1 < raw.size()) {
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
  if (quoting_ == Quoting::ipset) return next_of_ipset();
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

std::optional<Tokenizer::Word> Tokenizer::next_of_ipset() {
  std::size_t end = 0;
  bool inside = false;
  bool quoted = false;
  for (; end < rest_.size() && (inside || !is_blank(rest_[end])); ++end) {
    if (rest_[end] != '"') continue;
    inside = !inside;
    quoted = true;
  }
  unclosed_ = unclosed_ || inside;
  const Word word{rest_.substr(0, end), quoted, Quoting::ipset};
  rest_.remove_prefix(end);
  return word;
}

}  // namespace rewall
