#include "ui/keys.h"

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <string>

namespace rewall {

std::optional<Keys> Keys::open() {
  Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  termios modes{};
  if (!terminal || ::tcgetpgrp(terminal.get()) != ::getpgrp() || ::tcgetattr(terminal.get(), &modes) != 0)
    return std::nullopt;
  return Keys(std::move(terminal), modes);
}

Keys::Keys(Fd terminal, const termios& before)
    : terminal_(std::move(terminal)), before_(before), heard_(std::make_unique<InterruptHeard>()) {
  termios modes = before;
  modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  modes.c_cc[VMIN] = 1;
  modes.c_cc[VTIME] = 0;
  ::tcsetattr(terminal_.get(), TCSADRAIN, &modes);
}

Keys::~Keys() {
  if (terminal_) ::tcsetattr(terminal_.get(), TCSADRAIN, &before_);
}

char Keys::next(std::chrono::milliseconds wait) {
  const auto came = heard_->wait_for(terminal_.get(), &wait);
  if (came == InterruptHeard::Came::nothing) return 0;
  char key = 0;
  if (came == InterruptHeard::Came::interrupt || ::read(terminal_.get(), &key, 1) != 1) return kInterrupt;
  return static_cast<char>(std::tolower(static_cast<unsigned char>(key)));
}

void Keys::show(std::string_view line) {
  std::string text = "\r\x1b[K";
  text += line;
  (void)!::write(terminal_.get(), text.data(), text.size());
}

}  // namespace rewall
