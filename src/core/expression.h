#pragma once

#include <regex.h>

#include <memory>
#include <string>

#include "core/result.h"

namespace rewall {

/// An extended regular expression of regex(7); a line of the text matches or none does.
/// std::regex is not for text from outside: it recurses once for every character.
class Expression {
 public:
  enum class Case { exact, ignored };

  /// Kind usage: `text` is none; the message says why.
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
