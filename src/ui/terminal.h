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
      Colour::automatic;  ///< automatic: on a terminal, unless NO_COLOR is set (no-color.org), TERM=dumb or
                          ///< CLICOLOR=0; elsewhere where CLICOLOR_FORCE is set and NO_COLOR is not
  bool pager = true;      ///< used on a terminal only
  bool quiet = false;     ///< print results and errors only
};

/// Opens those of the descriptors 0, 1 and 2 that are closed, so that every use fails (EBADF). Otherwise the
/// next file that is opened would get the number, and the output. Call it before any file is opened.
void hold_standard_descriptors();

/// Prints results on standard output, through a pager on a terminal, and messages on standard error. The
/// caller escapes text from outside in results (core/text.h, escape()).
class Terminal {
 public:
  explicit Terminal(TerminalOptions options);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  Paint paint() const { return {colour_}; }

  /// Prints a part of the result. False when the reader is gone or writing failed; finish() returns the
  /// error.
  bool out(std::string_view text);

  /// Prints a message, escaped, unless quiet.
  void say(std::string_view text);
  /// The same, quiet or not: what somebody has to do in time.
  static void tell(std::string_view text);

  /// Shows progress: the function takes pieces of a text whose lines end in \r or \n, and shows the newest
  /// line in place on standard error. Empty where standard error is not a terminal, and when quiet.
  std::function<void(std::string_view)> progress() const;

  /// Sends results from here on through a pager, if one is wanted. `pager`: the program's absolute path, then
  /// its arguments. The pager gets a clean environment, and Ctrl-C goes to the pager alone until it ends.
  void page(const std::vector<std::string>& pager);

  /// The columns of a line of results; 0 where lines are not wrapped, for what reads them is no person.
  static std::size_t width();

  /// True when standard output is a terminal.
  bool on_terminal() const;

  /// Waits for the pager. Kind usage: results could not be written, for example because the disk is full. A
  /// reader that closed the pipe is not an error.
  Status finish();

  /// Prints `rewall: error: ...` and the hint on standard error.
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
