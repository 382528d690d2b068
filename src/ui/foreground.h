#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include "core/result.h"

namespace rewall {

/// While it lives, this process ignores Ctrl-C and Ctrl-\: they are for the program in the foreground. If
/// this process ended, the shell and that program would both read the keyboard.
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

/// A program that uses our terminal, such as an editor. Programs that run unseen are started by
/// kernel/process.h.
struct Foreground {
  std::vector<std::string> words{};        ///< words[0] is an absolute path
  std::vector<std::string> environment{};  ///< "NAME=value"
  int input = -1;                          ///< its standard input and output; -1: ours
  int output = -1;
};

/// Makes files and folders of this process private (umask(2) 077), whoever started it. What start() starts
/// has the umask that this process had before: its files are the user's own. Call it before the first thread.
void make_files_private();

/// Starts the program and returns its process. Kind usage: the program could not be started.
Result<pid_t> start(Foreground program);

/// Waits for the process and returns its exit status, or 128 + N when signal N ended it.
int wait_for(pid_t process);

/// Runs an editor on a file, in our own environment, and waits. Kind usage: the editor could not be started.
/// Kind refused: its exit status is not 0.
Status run_editor(std::vector<std::string> words, const std::string& path);

}  // namespace rewall
