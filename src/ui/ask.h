#pragma once

#include <optional>
#include <string_view>

#include "core/file.h"

namespace rewall {

/// Questions on the controlling terminal (tty(4)), wherever standard input and output lead.
class Conversation {
 public:
  /// Absent where the process has no terminal.
  static std::optional<Conversation> open();

  void show(std::string_view text);

  /// Asks until the answer begins with one of `letters`, in either case, and returns that letter. Returns
  /// `otherwise` for an empty line, Ctrl-C and the end of input.
  char ask(std::string_view question, std::string_view letters, char otherwise);

 private:
  explicit Conversation(Fd terminal) : terminal_(std::move(terminal)) {}
  Fd terminal_;
};

}  // namespace rewall
