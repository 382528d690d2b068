#pragma once

#include <termios.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "core/file.h"
#include "ui/interrupt.h"

namespace rewall {

/// Single keys from the controlling terminal (tty(4)), unseen, for as long as it lives; and a line there that
/// is written over. Ctrl-C is a key too (kInterrupt), so that its owner can say something before it goes.
class Keys {
 public:
  static constexpr char kInterrupt = '\x03';

  /// Absent where there is no terminal, or this process is not in its foreground.
  static std::optional<Keys> open();
  Keys(Keys&& other) = default;
  Keys& operator=(Keys&&) = delete;
  ~Keys();

  /// The next key, in lower case; 0 when none comes for so long; kInterrupt at Ctrl-C, and when the terminal
  /// is gone.
  char next(std::chrono::milliseconds wait);

  /// Takes the place of the line that was shown last.
  void show(std::string_view line);

 private:
  Keys(Fd terminal, const termios& before);
  Fd terminal_;
  termios before_;
  std::unique_ptr<InterruptHeard> heard_;
};

}  // namespace rewall
