#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace rewall {

/// Why something failed. The kind alone chooses the exit status.
enum class ErrorKind {
  usage,       ///< unknown command, option, revision or key; unreadable input file
  refused,     ///< LIVE untouched: concurrent change, lockout, an answer of "no"
  kernel,      ///< the kernel would not take the ruleset; LIVE is what it was
  repository,  ///< missing, locked, corrupt or not ours
  permission,  ///< needs root or CAP_NET_ADMIN
  remote,      ///< the remote could not be reached, or refused
  capture,     ///< the ruleset could not be read whole; nothing was recorded
  damaged,     ///< LIVE is not what it should be and could not be taken back
};

/// The exit status of a kind (rewall(8), EXIT STATUS): 2 for usage ... 9 for damaged.
int exit_code(ErrorKind kind);

/// What a failed command knows of LIVE, the kernel's ruleset.
enum class LiveState {
  untouched,  ///< the command changed nothing
  put_back,   ///< a change began; LIVE was read afterwards and is as before
  changed,    ///< LIVE was read and is neither the old ruleset nor the wanted one
  unknown     ///< a change began, and LIVE cannot be read
};

/// A failure as a value. The message names the object first, then what is wrong with it; the hint says what
/// to do next. Both are one line of plain lower-case text, and may hold bytes from outside: escape() them
/// before a terminal shows them. core/messages.h has the messages that users read.
struct Error {
  ErrorKind kind = ErrorKind::usage;
  std::string message{};
  std::string hint{};
  /// Absent where the command could not have changed LIVE. Whoever prints the error prints the state, once.
  std::optional<LiveState> live{};

  Error with_live(LiveState state) && {
    live = state;
    return std::move(*this);
  }

  Error hinted(std::string text) && {
    hint = std::move(text);
    return std::move(*this);
  }
  /// Puts `words: ` before the message, for a caller that knows more than the one it called.
  Error within(const std::string& words) && {
    message = words + ": " + message;
    return std::move(*this);
  }
};

/// "untouched", "changed" or "unknown": the word that --json has for it (rewall(8), EXIT STATUS). A LIVE that
/// was put back is untouched.
std::string_view name(LiveState state);

/// The message as people read it: with a word on LIVE where its state is known.
std::string full_message(const Error& error);

/// A value or an Error; the member names are those of std::expected.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }
  void operator*() && {}  // for TRY

 private:
  std::optional<Error> error_{};
};

using Status = Result<void>;

#define REWALL_TRY(result, ...)                    \
  __extension__({                                  \
    auto result = __VA_ARGS__;                     \
    if (!result) return std::move(result).error(); \
    *std::move(result);                            \
  })
#define REWALL_TRY_NAMED(number, ...) REWALL_TRY(try_result_##number, __VA_ARGS__)
#define REWALL_TRY_NUMBERED(number, ...) REWALL_TRY_NAMED(number, __VA_ARGS__)

/// `auto value = TRY(read(path));`: the value of a Result; on a failure the enclosing function returns its
/// Error.
#define TRY(...) REWALL_TRY_NUMBERED(__COUNTER__, __VA_ARGS__)

}  // namespace rewall
