#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "ui/paint.h"

namespace rewall {

enum class Colour { automatic, always, never };

struct TerminalOptions {
  Colour colour =
      Colour::automatic;  ///< automatic: on a terminal, unless NO_COLOR is set (no-color.org) or TERM=dumb
  bool pager = true;      ///< used on a terminal only
  bool quiet = false;     ///< drops what is no fact
};

/// Standard output for facts, through a pager on a terminal, and standard error for what is said about the
/// work. Everything that comes from outside is escaped by whoever makes the text (core escape()).
class Terminal {
 public:
  explicit Terminal(TerminalOptions options);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  Paint paint() const { return {colour_}; }

  /// Facts. The first call starts the pager where one is wanted. False when nobody reads any more.
  bool out(std::string_view text);

  /// One line about the work, unless quiet.
  void say(std::string_view text);

  /// Lets long answers be paged: without it out() writes straight through.
  void page(const std::vector<std::string>& pager_words);

  /// `rewall: error: ...` and the hint, on standard error.
  static void error(const Error& error);

 private:
  void finish();

  TerminalOptions options_;
  bool colour_ = false;
  bool closed_ = false;
  int fd_ = 1;
  int pager_ = -1;  ///< process of the pager
};

}  // namespace rewall
