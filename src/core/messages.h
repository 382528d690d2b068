#pragma once

#include <optional>
#include <string_view>

#include "core/format.h"
#include "core/result.h"

namespace rewall {

/// A row of the table of messages. `text` and `hint` are format strings (fmt) for the same arguments, in
/// order; use {0}, {1} where the hint needs other ones than the text.
struct Message {
  ErrorKind kind = ErrorKind::usage;
  std::string_view text{};
  std::string_view hint{};
  std::optional<LiveState> live{};
};

/// An Error from a row of the table: `return error_of<messages::no_guard_armed>();`. The compiler checks that
/// the arguments fit both texts.
template <const Message& row, class... Args>
Error error_of(const Args&... args) {
  constexpr fmt::format_string<const Args&...> text(row.text);
  constexpr fmt::format_string<const Args&...> hint(row.hint);
  return {.kind = row.kind,
          .message = fmt::format(text, args...),
          .hint = fmt::format(hint, args...),
          .live = row.live};
}

/// The errors that people read, by the area that reports them: one sentence each, in the words of the
/// glossary (src/README.md). An error says what failed; the hint names a command that works in that state.
namespace messages {

// --- restore

inline constexpr Message kept_changing{
    .kind = ErrorKind::refused,
    .text = "the firewall kept changing while the restore was planned",
    .hint = "find out who changes it ('rewall diff'), then run the command again",
    .live = LiveState::untouched};

// --- guard

inline constexpr Message no_guard_armed{.kind = ErrorKind::refused,
                                        .text = "no guard is armed",
                                        .hint = "'rewall undo' takes the newest change back",
                                        .live = LiveState::untouched};

// --- history

// --- remote

// --- host

// --- commands

// --- kernel

// --- store

// --- rules

}  // namespace messages

}  // namespace rewall
