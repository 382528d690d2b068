#include "ui/keys.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <string>

namespace rewall {

std::optional<Keys> Keys::open() {
  Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  termios modes{};
  if (!terminal || ::tcgetpgrp(terminal.get()) != ::getpgrp() || ::tcgetattr(terminal.get(), &modes) != 0)
    return std::nullopt;
  return Keys(std::move(terminal), modes);
}

Keys::Keys(Fd terminal, const termios& before) : terminal_(std::move(terminal)), before_(before) {
  termios modes = before;
  modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  modes.c_cc[VMIN] = 1;
  modes.c_cc[VTIME] = 0;
  ::tcsetattr(terminal_.get(), TCSADRAIN, &modes);
  struct sigaction hear {};
  hear.sa_handler = [](int) {};
  ::sigaction(SIGINT, &hear, &interrupt_);
}

Keys::Keys(Keys&& other) noexcept
    : terminal_(std::move(other.terminal_)), before_(other.before_), interrupt_(other.interrupt_) {}

Keys::~Keys() {
  if (!terminal_) return;
  ::tcsetattr(terminal_.get(), TCSADRAIN, &before_);
  ::sigaction(SIGINT, &interrupt_, nullptr);
}

char Keys::next(std::chrono::milliseconds wait) {
  pollfd ready{.fd = terminal_.get(), .events = POLLIN, .revents = 0};
  const int found = ::poll(&ready, 1, static_cast<int>(wait.count()));
  if (found == 0) return 0;
  char key = 0;
  if (found < 0 || ::read(terminal_.get(), &key, 1) != 1) return kInterrupt;
  return static_cast<char>(std::tolower(static_cast<unsigned char>(key)));
}

void Keys::show(std::string_view line) {
  std::string text = "\r\x1b[K";
  text += line;
  (void)!::write(terminal_.get(), text.data(), text.size());
}

}  // namespace rewall
