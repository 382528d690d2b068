#pragma once

#include <optional>
#include <string_view>

#include "core/file.h"

namespace rewall {

/// A conversation on the controlling terminal (tty(4)), whoever reads standard input and output.
class Conversation {
 public:
  /// Absent where there is no terminal.
  static std::optional<Conversation> open();

  void show(std::string_view text);

  /// Asks until the answer begins with one of `letters`, whatever its case: that letter. `otherwise` for an
  /// empty line, Ctrl-C and the end of input.
  char ask(std::string_view question, std::string_view letters, char otherwise);

 private:
  explicit Conversation(Fd terminal) : terminal_(std::move(terminal)) {}
  Fd terminal_;
};

}  // namespace rewall
