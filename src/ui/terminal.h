#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/result.h"
#include "ui/foreground.h"
#include "ui/paint.h"

namespace rewall {

enum class Colour { automatic, always, never };

struct TerminalOptions {
  Colour colour =
      Colour::automatic;  ///< automatic: on a terminal, unless NO_COLOR is set (no-color.org) or TERM=dumb
  bool pager = true;      ///< used on a terminal only
  bool quiet = false;     ///< drops what is no fact
};

/// Opens what is closed of the descriptors 0, 1 and 2, for nothing but an error (EBADF) at every use: else
/// the next file that is opened would take the place, and the facts. To be called before anything is opened.
void hold_standard_descriptors();

/// Standard output for facts, through a pager on a terminal, and standard error for what is said about the
/// work. Everything that comes from outside is escaped by whoever makes the text (core escape()).
class Terminal {
 public:
  explicit Terminal(TerminalOptions options);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  Paint paint() const { return {colour_}; }

  /// Facts. False when nobody reads any more, or when they could not be written: finish() tells.
  bool out(std::string_view text);

  /// One line about the work, escaped, unless quiet.
  void say(std::string_view text);

  /// Shows how a long work goes on: takes the pieces of a text whose lines end in \r or \n, and keeps the
  /// newest of them in place on standard error. Empty where that is no terminal, or quiet.
  std::function<void(std::string_view)> progress() const;

  /// Sends the facts from here on through a pager, where one is wanted: its words, the first an absolute
  /// path. It gets a clean environment, and until it ends Ctrl-C is for it alone.
  void page(const std::vector<std::string>& pager);

  /// True when people read the facts, rather than a file or a program.
  bool on_terminal() const;

  /// Waits for the pager. Kind usage: facts could not be written, on a full disk say; a reader that went away
  /// is no error.
  Status finish();

  /// `rewall: error: ...` and the hint, on standard error.
  static void error(const Error& error);

 private:
  void end_pager();

  TerminalOptions options_;
  bool colour_ = false;
  int failure_ = 0;  ///< errno of the first write that failed
  Fd pipe_{};        ///< to the pager
  int pager_ = -1;   ///< its process
  std::optional<SignalsForChild> signals_{};
};

}  // namespace rewall
