#pragma once

#include <termios.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "ui/interrupt.h"

namespace rewall {

/// A question on a terminal, which it reads without the terminal's own echo as long as it lives. An answer is
/// one of `words`, in either case, and Enter. What is in the terminal when the question begins, what comes
/// until nothing has come for 300 ms, and what the terminal marks as pasted (bracketed paste) is thrown away,
/// and the question says how much it was.
class Question {
 public:
  Question(int terminal, std::vector<std::string> words);
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  ~Question();

  /// interrupt: Ctrl-C, or the terminal is gone. empty: Enter alone, or the end of input (Ctrl-D).
  enum class Came { nothing, answer, empty, interrupt };
  /// Reads until something came, at most `wait`, or for ever if it is absent.
  Came next(std::optional<std::chrono::milliseconds> wait = std::nullopt);
  /// The answer, in lower case, after Came::answer.
  const std::string& answer() const { return word_; }

  /// Overwrites the line of the question. `prompts` say the same, the longest first: the first that fits the
  /// terminal is shown.
  void show(std::vector<std::string> prompts);
  /// Overwrites the line of the question with the last words about it.
  void close(std::string_view words);
  /// Takes the answer for none: says why, and waits for another one, as in the beginning.
  void ask_again(std::string_view why);

 private:
  using Clock = std::chrono::steady_clock;
  enum class Sequence { none, begun, control };  ///< of an escape sequence, how much was read

  void listen_later();
  void say_what_was_dropped();
  void refuse();
  void draw();
  void write(std::string_view text) const;
  std::optional<Came> take(std::string_view bytes);
  std::optional<Came> take(char byte);
  void end_sequence(char last);
  std::optional<Came> enter();
  void edit(char byte);

  int terminal_;
  std::vector<std::string> words_;
  termios before_{};
  bool changed_modes_ = false;
  InterruptHeard heard_{};
  Clock::time_point listens_{};  ///< what comes before is thrown away
  std::size_t dropped_ = 0;      ///< characters thrown away, and not yet said
  Sequence sequence_ = Sequence::none;
  std::string parameters_{};  ///< of the escape sequence
  bool pasting_ = false;
  std::vector<std::string> prompts_{};
  std::string word_{};
};

/// Questions on the controlling terminal (tty(4)), wherever standard input and output lead.
class Conversation {
 public:
  /// Absent where the process has no terminal.
  static std::optional<Conversation> open();

  /// False for a process that the shell runs in the background.
  bool in_foreground() const;
  int terminal() const { return terminal_.get(); }
  void show(std::string_view text);

  /// Asks a Question until it is answered, and returns the answer; `otherwise` after Enter alone, Ctrl-C and
  /// the end of input.
  std::string ask(const std::string& question, std::vector<std::string> words, const std::string& otherwise);

 private:
  explicit Conversation(Fd terminal) : terminal_(std::move(terminal)) {}
  Fd terminal_;
};

}  // namespace rewall
