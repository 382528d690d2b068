#include "core/expression.h"

#include <array>

#include "core/format.h"

namespace rewall {

Result<Expression> Expression::make(const std::string& text, Case letters) {
  auto compiled = std::make_unique<regex_t>();
  const int flags = REG_EXTENDED | REG_NOSUB | REG_NEWLINE | (letters == Case::ignored ? REG_ICASE : 0);
  const int failed = ::regcomp(compiled.get(), text.c_str(), flags);
  if (failed == 0) return Expression(Handle(compiled.release()));
  std::array<char, 200> why{};
  ::regerror(failed, compiled.get(), why.data(), why.size());
  return Error{.kind = ErrorKind::usage,
               .message = format("'{}' is no regular expression: {}", text, why.data())};
}

}  // namespace rewall
