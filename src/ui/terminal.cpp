#include "ui/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "ui/width.h"

namespace rewall {
namespace {

bool set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool wants_colour(Colour colour) {
  if (colour != Colour::automatic) return colour == Colour::always;
  const auto is = [](const char* variable, std::string_view text) {
    const char* value = std::getenv(variable);
    return value != nullptr && value == text;
  };
  if (set("NO_COLOR")) return false;
  if (set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0")) return true;
  return ::isatty(STDOUT_FILENO) == 1 && !is("TERM", "dumb") && !is("CLICOLOR", "0");
}

// The errno of the failure; 0 when all was written.
int write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
      continue;
    }
    if (n < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

bool wanted_by_pager(std::string_view variable) {
  static constexpr std::array<std::string_view, 9> kNames{"PATH", "TERM",  "LANG", "LANGUAGE",   "COLUMNS",
                                                          "HOME", "LINES", "LESS", "LESSCHARSET"};
  const auto name = variable.substr(0, variable.find('='));
  return name.starts_with("LC_") || std::ranges::find(kNames, name) != kNames.end();
}

// A pager runs with the rights of root: less must not open a shell or a file at a key (less(1), LESSSECURE).
std::vector<std::string> pager_environment() {
  std::vector<std::string> variables{"LESSSECURE=1"};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (wanted_by_pager(*variable)) variables.emplace_back(*variable);
  }
  if (std::getenv("LESS") == nullptr) variables.emplace_back("LESS=FRX");
  return variables;
}

// A message as standard error shows it: on a terminal in lines that fit, the others a little to the right.
std::string message(const std::string& text) {
  std::vector<std::string> lines;
  for (const auto line : split(text, '\n'))
    lines.push_back(wrapped(line, 0, 2, terminal_width(STDERR_FILENO)));
  return join(lines, "\n") + "\n";
}

// One line on standard error; the destructor clears the line.
class ProgressLine {
 public:
  ProgressLine() = default;
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { write_whole(STDERR_FILENO, kClear); }

  void add(std::string_view piece) {
    constexpr std::size_t kWidth = 79;
    rest_ += piece;
    for (auto end = rest_.find_first_of("\r\n"); end != std::string::npos;
         end = rest_.find_first_of("\r\n")) {
      const auto line = escape(std::string_view(rest_).substr(0, end));
      write_whole(STDERR_FILENO, std::string(kClear) + line.substr(0, kWidth));
      rest_.erase(0, end + 1);
    }
  }

 private:
  static constexpr std::string_view kClear = "\r\x1b[K";
  std::string rest_{};
};

}  // namespace

void hold_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

Terminal::Terminal(TerminalOptions options) : options_(options), colour_(wants_colour(options.colour)) {
  // A reader that closes the pipe (`| head`) ends the output, not the command.
  ::signal(SIGPIPE, SIG_IGN);
}

Terminal::~Terminal() {
  end_pager();
}

std::function<void(std::string_view)> Terminal::progress() const {
  if (options_.quiet || ::isatty(STDERR_FILENO) != 1) return {};
  return [shown = std::make_shared<ProgressLine>()](std::string_view piece) { shown->add(piece); };
}

void Terminal::page(const std::vector<std::string>& pager) {
  if (!options_.pager || pager_ > 0 || pager.empty() || !on_terminal()) return;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return;
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  signals_.emplace();
  auto process = start({.words = pager, .environment = pager_environment(), .input = reading.get()});
  if (!process) return signals_.reset();
  pager_ = *process;
  pipe_ = std::move(writing);
}

std::size_t Terminal::width() {
  return terminal_width(STDOUT_FILENO);
}

bool Terminal::on_terminal() const {
  return ::isatty(STDOUT_FILENO) == 1;
}

bool Terminal::out(std::string_view text) {
  if (failure_ == 0) failure_ = write_whole(pipe_ ? pipe_.get() : STDOUT_FILENO, text);
  return failure_ == 0;
}

void Terminal::say(std::string_view text) {
  if (!options_.quiet) tell(text);
}

void Terminal::tell(std::string_view text) {
  write_whole(STDERR_FILENO, message("rewall: " + escape(text)));
}

void Terminal::end_pager() {
  if (pager_ <= 0) return;
  pipe_.reset();
  wait_for(pager_);
  pager_ = -1;
  signals_.reset();
}

Status Terminal::finish() {
  end_pager();
  if (failure_ == 0 || failure_ == EPIPE) return {};
  return Error{.kind = ErrorKind::usage, .message = "standard output: " + errno_text(failure_)};
}

void Terminal::error(const Error& error) {
  std::string text = message("rewall: error: " + escape(full_message(error)));
  if (!error.hint.empty()) text += message("hint: " + escape(error.hint));
  write_whole(STDERR_FILENO, text);
}

}  // namespace rewall
