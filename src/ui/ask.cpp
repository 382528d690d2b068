#include "ui/ask.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <string>

#include "core/text.h"
#include "ui/interrupt.h"

namespace rewall {
namespace {

// A line from the terminal; empty at the end of input and after Ctrl-C.
std::string read_line(int terminal, const InterruptHeard& heard) {
  if (heard.wait_for(terminal) == InterruptHeard::Came::interrupt) return "";
  std::array<char, 4096> line;
  const ssize_t n = ::read(terminal, line.data(), line.size());
  return n > 0 ? std::string(line.data(), static_cast<std::size_t>(n)) : "";
}

}  // namespace

std::optional<Conversation> Conversation::open() {
  Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) return std::nullopt;
  return Conversation(std::move(terminal));
}

void Conversation::show(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(terminal_.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

char Conversation::ask(std::string_view question, std::string_view letters, char otherwise) {
  // Ctrl-C is an answer, so that the caller can remove its files.
  const InterruptHeard heard;
  for (;;) {
    show(question);
    const auto line = read_line(terminal_.get(), heard);
    if (line.empty()) show("\n");
    const auto answer = trim(line);
    if (answer.empty()) return otherwise;
    const char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(answer[0])));
    if (letters.find(letter) != std::string_view::npos) return letter;
  }
}

}  // namespace rewall
