#pragma once

#include <termios.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "core/file.h"
#include "ui/interrupt.h"

namespace rewall {

/// Reads single keys from the controlling terminal (tty(4)), without echo, as long as it lives, and shows one
/// line that is overwritten. Ctrl-C is a key too (kInterrupt), so that the caller can print something before
/// the program ends.
class Keys {
 public:
  static constexpr char kInterrupt = '\x03';

  /// Absent where the process has no terminal or is not in its foreground.
  static std::optional<Keys> open();
  Keys(Keys&& other) = default;
  Keys& operator=(Keys&&) = delete;
  ~Keys();

  /// The next key, in lower case; 0 when none comes within `wait`; kInterrupt for Ctrl-C, and when the
  /// terminal is gone.
  char next(std::chrono::milliseconds wait);

  /// Overwrites the line that was shown last.
  void show(std::string_view line);

 private:
  Keys(Fd terminal, const termios& before);
  Fd terminal_;
  termios before_;
  std::unique_ptr<InterruptHeard> heard_;
};

}  // namespace rewall
