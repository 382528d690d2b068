#include "ui/terminal.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

bool set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool wants_colour(Colour colour) {
  if (colour != Colour::automatic) return colour == Colour::always;
  const char* term = std::getenv("TERM");
  const bool dumb = term != nullptr && std::string_view(term) == "dumb";
  return ::isatty(STDOUT_FILENO) == 1 && !set("NO_COLOR") && !dumb;
}

bool write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

Terminal::Terminal(TerminalOptions options) : options_(options), colour_(wants_colour(options.colour)) {
  // A reader that goes away (`| head`) ends the output, not the work.
  ::signal(SIGPIPE, SIG_IGN);
}

Terminal::~Terminal() {
  finish();
}

void Terminal::page(const std::vector<std::string>& pager_words) {
  if (!options_.pager || pager_ > 0 || pager_words.empty() || ::isatty(STDOUT_FILENO) != 1) return;
  int ends[2];
  if (::pipe(ends) != 0) return;
  ::setenv("LESS", "FRX", 0);
  std::vector<char*> words;
  words.reserve(pager_words.size() + 1);
  for (const auto& word : pager_words) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
  ::posix_spawn_file_actions_addclose(&actions, ends[0]);
  ::posix_spawn_file_actions_addclose(&actions, ends[1]);
  pid_t process = -1;
  const bool started = ::posix_spawnp(&process, words[0], &actions, nullptr, words.data(), environ) == 0;
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[0]);
  if (!started) {
    ::close(ends[1]);
    return;
  }
  pager_ = process;
  fd_ = ends[1];
}

bool Terminal::out(std::string_view text) {
  if (!closed_ && !write_whole(fd_, text)) closed_ = true;
  return !closed_;
}

void Terminal::say(std::string_view text) {
  if (options_.quiet) return;
  write_whole(STDERR_FILENO, format("rewall: {}\n", text));
}

void Terminal::finish() {
  if (pager_ <= 0) return;
  ::close(fd_);
  while (::waitpid(pager_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pager_ = -1;
  fd_ = STDOUT_FILENO;
}

void Terminal::error(const Error& error) {
  std::string text = format("rewall: error: {}\n", escape(error.message));
  if (!error.hint.empty()) text += format("hint: {}\n", escape(error.hint));
  write_whole(STDERR_FILENO, text);
}

}  // namespace rewall
