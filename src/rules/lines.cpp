#include "rules/lines.h"

#include <algorithm>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {

std::optional<std::string_view> Lines::next() {
  if (rest_.empty()) return std::nullopt;
  ++number_;
  const auto end = rest_.find('\n');
  whole_ = end != std::string_view::npos;
  auto line = rest_.substr(0, end);
  rest_.remove_prefix(whole_ ? end + 1 : rest_.size());
  if (ends_ == Ends::any && line.ends_with('\r')) {
    line.remove_suffix(1);
    stripped_ = true;
  }
  return line;
}

Error Lines::at(Error error) const {
  return std::move(error).within(format("{}:{}", name_, number_));
}

Error Lines::error(std::string what) const {
  return at(Error{.kind = ErrorKind::usage, .message = std::move(what)});
}

Status Lines::refuse_nul() const {
  const auto place = rest_.find('\0');
  if (place == std::string_view::npos) return {};
  const auto line = number_ + 1 + std::ranges::count(rest_.substr(0, place), '\n');
  return error_of<messages::nul_byte>().within(format("{}:{}", name_, line));
}

std::string quoted(std::string_view word) {
  static constexpr std::size_t kLongest = 60;
  if (word.size() <= kLongest) return '\'' + escape(word) + '\'';
  return '\'' + escape(word.substr(0, kLongest)) + "...'";
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const auto near = nearest(word, candidates);
  return near.empty() ? std::string{} : "did you mean " + quoted(near) + '?';
}

}  // namespace rewall
