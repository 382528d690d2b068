#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/result.h"

namespace rewall {

/// The lines of a text, counted, without their ends (\n or \r\n), and errors that name the line.
class Lines {
 public:
  Lines(std::string_view text, std::string_view name) : rest_(text), name_(name) {}

  std::optional<std::string_view> next();
  /// The text goes on, after its last line was taken: the count does too.
  void more(std::string_view text) { rest_ = text; }
  std::uint32_t number() const { return number_; }
  /// False when the newest line was the last one and ended without \n.
  bool whole() const { return whole_; }

  /// `NAME:LINE: what`, of kind usage, for the newest line.
  Error error(std::string what) const;
  /// The error of a NUL byte anywhere in the text; call before the first next().
  Status refuse_nul() const;

 private:
  std::string_view rest_;
  std::string name_;
  std::uint32_t number_ = 0;
  bool whole_ = true;
};

/// A word from outside, for a message: escaped, cut when it is long, in single quotes.
std::string quoted(std::string_view word);

/// "did you mean 'INPUT'?", or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace rewall
