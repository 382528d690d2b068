#pragma once

#include <regex.h>

#include <memory>
#include <string>

#include "core/result.h"

namespace rewall {

/// An extended regular expression (regex(7)), matched against the lines of a text. std::regex is unfit for
/// text from outside, because it recurses once for every character.
class Expression {
 public:
  enum class Case { exact, ignored };

  /// Kind usage when `text` is no regular expression; the message says why.
  static Result<Expression> make(const std::string& text, Case letters);

  bool matches(const std::string& text) const {
    return ::regexec(handle_.get(), text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  struct Free {
    void operator()(regex_t* compiled) const {
      ::regfree(compiled);
      delete compiled;
    }
  };
  using Handle = std::unique_ptr<regex_t, Free>;

  explicit Expression(Handle handle) : handle_(std::move(handle)) {}

  Handle handle_;
};

}  // namespace rewall
