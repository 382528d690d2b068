#include "ui/ask.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr std::chrono::milliseconds kQuiet{300};
constexpr std::string_view kMarkPastes = "\x1b[?2004h";
constexpr std::string_view kMarkNoPastes = "\x1b[?2004l";
constexpr std::string_view kPasteBegins = "200";
constexpr std::string_view kPasteEnds = "201";
constexpr char kEscape = '\x1b';
constexpr char kEndOfInput = '\x04';
constexpr std::size_t kLongestWord = 200;
constexpr std::size_t kUsualColumns = 80;

void write_all(int terminal, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(terminal, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// In UTF-8.
bool begins_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

std::string said_of(std::size_t dropped) {
  return format("thrown away: {} character{} typed or pasted ahead", dropped, dropped == 1 ? "" : "s");
}

std::size_t columns_of(int terminal) {
  winsize size{};
  return ::ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsualColumns;
}

}  // namespace

Question::Question(int terminal, std::vector<std::string> words)
    : terminal_(terminal), words_(std::move(words)) {
  termios modes{};
  if (::tcgetattr(terminal_, &before_) == 0) {
    modes = before_;
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    modes.c_cc[VMIN] = 1;
    modes.c_cc[VTIME] = 0;
    changed_modes_ = ::tcsetattr(terminal_, TCSANOW, &modes) == 0;
  }
  write(kMarkPastes);
  listen_later();
}

Question::~Question() {
  if (dropped_ > 0) write(said_of(dropped_) + "\r\n");
  write(kMarkNoPastes);
  if (changed_modes_) ::tcsetattr(terminal_, TCSADRAIN, &before_);
}

void Question::write(std::string_view text) const {
  write_all(terminal_, text);
}

void Question::listen_later() {
  listens_ = Clock::now() + kQuiet;
}

Question::Came Question::next(std::optional<std::chrono::milliseconds> wait) {
  using std::chrono::ceil;
  using std::chrono::milliseconds;
  const auto end = wait ? Clock::now() + *wait : Clock::time_point::max();
  for (;;) {
    const auto now = Clock::now();
    const bool deaf = now < listens_;
    if (!deaf) say_what_was_dropped();
    if (now >= end) return Came::nothing;
    const auto until = deaf ? std::min(end, listens_) : end;
    const auto left = until == Clock::time_point::max() ? milliseconds(0) : ceil<milliseconds>(until - now);
    const auto came = heard_.wait_for(terminal_, until == Clock::time_point::max() ? nullptr : &left);
    if (came == InterruptHeard::Came::interrupt) return Came::interrupt;
    if (came == InterruptHeard::Came::nothing) continue;
    std::array<char, 4096> bytes{};
    const ssize_t n = ::read(terminal_, bytes.data(), bytes.size());
    if (n <= 0) return Came::interrupt;
    if (const auto taken = take({bytes.data(), static_cast<std::size_t>(n)})) return *taken;
  }
}

std::optional<Question::Came> Question::take(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto taken = take(bytes[i]);
    if (!taken) continue;
    // What came with the answer was not typed by somebody who had read what the answer did.
    dropped_ += characters(bytes.substr(i + 1));
    return taken;
  }
  return std::nullopt;
}

std::optional<Question::Came> Question::take(char byte) {
  if (sequence_ == Sequence::none && byte == kEscape) {
    sequence_ = Sequence::begun;
    parameters_.clear();
    return std::nullopt;
  }
  if (sequence_ == Sequence::begun) {
    sequence_ = byte == '[' || byte == 'O' ? Sequence::control : Sequence::none;
    return std::nullopt;
  }
  if (sequence_ == Sequence::control) {
    if (byte < '@')
      parameters_ += byte;
    else
      end_sequence(byte);
    return std::nullopt;
  }
  if (pasting_ || Clock::now() < listens_) {
    dropped_ += begins_character(byte) ? 1 : 0;
    listen_later();
    return std::nullopt;
  }
  if (byte == '\n' || byte == '\r') return enter();
  if (byte == kEndOfInput && word_.empty()) return Came::empty;
  edit(byte);
  return std::nullopt;
}

void Question::end_sequence(char last) {
  sequence_ = Sequence::none;
  if (last != '~') return;
  if (parameters_ == kPasteBegins) pasting_ = true;
  if (parameters_ == kPasteEnds) pasting_ = false;
  if (parameters_ == kPasteBegins || parameters_ == kPasteEnds) listen_later();
}

void Question::edit(char byte) {
  constexpr char kDelete = '\x7f';
  constexpr char kBackspace = '\b';
  constexpr char kEraseLine = '\x15';
  constexpr char kEraseWord = '\x17';
  if (byte == kDelete || byte == kBackspace) {
    while (!word_.empty() && !begins_character(word_.back())) word_.pop_back();
    if (!word_.empty()) word_.pop_back();
  } else if (byte == kEraseLine || byte == kEraseWord) {
    word_.clear();
  } else if (static_cast<unsigned char>(byte) >= ' ' && word_.size() < kLongestWord) {
    word_ += byte;
  }
  draw();
}

std::optional<Question::Came> Question::enter() {
  auto word = std::string(trim(word_));
  std::ranges::transform(word, word.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (word.empty()) {
    word_.clear();
    return Came::empty;
  }
  if (std::ranges::find(words_, word) == words_.end()) {
    refuse();
    return std::nullopt;
  }
  word_ = word;
  return Came::answer;
}

// It is a new question: what was pasted behind the first line is no answer to it.
void Question::refuse() {
  const auto said = std::exchange(word_, "");
  write(format("\r\x1b[K'{}' is no answer: type {}, and Enter\r\n", escape(said), join(words_, " or ")));
  listen_later();
  draw();
}

void Question::say_what_was_dropped() {
  if (dropped_ == 0 || pasting_) return;
  write("\r\x1b[K" + said_of(std::exchange(dropped_, 0)) +
        format("; to answer type {}, and Enter\r\n", join(words_, " or ")));
  draw();
}

void Question::show(std::vector<std::string> prompts) {
  prompts_ = std::move(prompts);
  draw();
}

void Question::draw() {
  if (prompts_.empty()) return;
  const auto columns = columns_of(terminal_);
  auto typed = escape(word_);
  const auto fits = [&](const std::string& prompt) {
    return characters(prompt) + characters(typed) < columns;
  };
  auto prompt = std::ranges::find_if(prompts_, fits);
  if (prompt == prompts_.end()) --prompt;
  auto line = *prompt + typed;
  // A line that wraps cannot be overwritten.
  while (characters(line) >= columns && !line.empty()) line.erase(0, 1);
  write("\r\x1b[K" + line);
}

void Question::close(std::string_view words) {
  write("\r\x1b[K");
  write(words);
}

void Question::ask_again(std::string_view why) {
  word_.clear();
  close(why);
  listen_later();
}

std::optional<Conversation> Conversation::open() {
  Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) return std::nullopt;
  return Conversation(std::move(terminal));
}

bool Conversation::in_foreground() const {
  return ::tcgetpgrp(terminal_.get()) == ::getpgrp();
}

void Conversation::show(std::string_view text) {
  write_all(terminal_.get(), text);
}

std::string Conversation::ask(const std::string& prompt, std::vector<std::string> words,
                              const std::string& otherwise) {
  // Ctrl-C is an answer, so that the caller can remove its files.
  Question question(terminal_.get(), std::move(words));
  question.show({prompt});
  const bool answered = question.next() == Question::Came::answer;
  show("\n");
  return answered ? question.answer() : otherwise;
}

}  // namespace rewall
