#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include "core/result.h"

namespace rewall {

/// Ctrl-C and Ctrl-\ are for the program in the foreground, as long as this lives: were this process gone,
/// two would read the keyboard.
class SignalsForChild {
 public:
  SignalsForChild();
  SignalsForChild(const SignalsForChild&) = delete;
  SignalsForChild& operator=(const SignalsForChild&) = delete;
  ~SignalsForChild();

 private:
  void (*interrupt_)(int);
  void (*quit_)(int);
};

/// A program that people see and type into, with our terminal; what works unseen runs by kernel/process.h.
struct Foreground {
  std::vector<std::string> words{};        ///< words[0] is an absolute path
  std::vector<std::string> environment{};  ///< "NAME=value"
  int input = -1;                          ///< what becomes its standard input and output; -1: ours
  int output = -1;
};

/// The process. Kind usage: it could not be started.
Result<pid_t> start(Foreground program);

/// Waits for it: the exit status, 128 + signal when a signal ended it.
int wait_for(pid_t process);

/// Runs an editor on a file, in our own environment, and waits. Kind usage: it could not be started. Kind
/// refused: it ended with another status than 0.
Status run_editor(std::vector<std::string> words, const std::string& path);

}  // namespace rewall
