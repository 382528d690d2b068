#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/result.h"

namespace rewall {

/// Walks the lines of a text without their ends (\n or \r\n; Ends::newline: \n alone), counts them, and makes
/// errors that name the newest line. The text must outlive the walk.
class Lines {
 public:
  enum class Ends : std::uint8_t { any, newline };

  Lines(std::string_view text, std::string_view name, Ends ends = Ends::any)
      : rest_(text), name_(name), ends_(ends) {}

  std::optional<std::string_view> next();
  /// Continues with another text, after the last line was taken; the count goes on.
  void more(std::string_view text) { rest_ = text; }
  std::uint32_t number() const { return number_; }
  /// False when the newest line is the last one and has no \n.
  bool whole() const { return whole_; }
  /// True when a line so far ended in \r\n.
  bool stripped() const { return stripped_; }

  /// Puts `NAME:LINE: ` before the message, for the newest line.
  Error at(Error error) const;
  /// `NAME:LINE: what`, of kind usage, for the newest line.
  Error error(std::string what) const;
  /// Refuses a NUL byte anywhere in the text, with its line. Call this before the first next().
  Status refuse_nul() const;

 private:
  std::string_view rest_;
  std::string name_;
  std::uint32_t number_ = 0;
  bool whole_ = true;
  bool stripped_ = false;
  Ends ends_;
};

/// Prepares a word from outside for a message: escapes it, cuts it at 60 bytes, puts it in single quotes.
std::string quoted(std::string_view word);

/// "did you mean 'INPUT'?", or an empty text when no candidate is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace rewall
