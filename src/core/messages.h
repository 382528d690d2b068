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

inline constexpr Message no_remote{.kind = ErrorKind::usage,
                                   .text = "no remote is configured",
                                   .hint = "add one: rewall remote add {0} URL"};

inline constexpr Message remote_failed{.kind = ErrorKind::remote, .text = "{0} ({1}): {2}"};

inline constexpr Message network_busy{
    .kind = ErrorKind::repository,
    .text = "another rewall uses the network for this repository",
    .hint = "wait until it ends, or allow a longer wait: rewall config lock.wait 10m"};

inline constexpr Message nothing_to_push{
    .kind = ErrorKind::usage, .text = "no snapshot to push", .hint = "take one: rewall snapshot"};

inline constexpr Message branch_diverged{
    .kind = ErrorKind::remote,
    .text =
        "{0}: hosts/{1} has snapshots that this repository does not have: another host has this name, or "
        "this host was installed again; nothing was sent",
    .hint =
        "see them: rewall fetch {0} && rewall log {0}/hosts/{1}; then work in a clone of {0}, or take "
        "another name: git -C {2} branch -m hosts/NAME"};

inline constexpr Message branch_rejected{.kind = ErrorKind::remote,
                                         .text = "{0} ({1}): hosts/{2} was rejected: {3}"};

inline constexpr Message remote_part_refused{
    .kind = ErrorKind::remote,
    .text = "{0}: {1} is refused: {2}",
    .hint = "the remote has damaged or dangerous objects: run 'git fsck' in its repository"};

inline constexpr Message remote_has_no_host{.kind = ErrorKind::usage, .text = "{0}: has no host '{1}'"};

inline constexpr Message clone_running{.kind = ErrorKind::repository,
                                       .text = "{0}: another rewall is cloning into this folder",
                                       .hint = "wait until it ends"};

inline constexpr Message gc_failed{.kind = ErrorKind::repository, .text = "git {0}: {1}; nothing is lost"};

inline constexpr Message gc_lock_unwritable{.kind = ErrorKind::repository,
                                            .text = "{0}: cannot write",
                                            .hint = "free some space there and run the command again"};

inline constexpr Message no_such_host{
    .kind = ErrorKind::usage,
    .text = "host '{0}': no branch in this repository",
    .hint = "'rewall fleet list' shows the hosts, 'rewall fetch' fetches new ones"};

inline constexpr Message no_host_has_chain{.kind = ErrorKind::usage,
                                           .text = "chain '{0}': not found on any host"};

inline constexpr Message host_unreadable{.kind = ErrorKind::repository, .text = "host '{0}': {1}"};

// --- host

inline constexpr Message watch_running{.kind = ErrorKind::refused,
                                       .text = "another 'rewall watch' is running (process {0})"};

inline constexpr Message unknown_integration{.kind = ErrorKind::usage, .text = "unknown integration '{0}'"};

inline constexpr Message integration_changed{
    .kind = ErrorKind::refused,
    .text = "{0}: somebody changed it, or rewall did not install it",
    .hint = "no file was changed: check this file, and delete it by hand if nobody needs it"};

inline constexpr Message unit_enabled{.kind = ErrorKind::refused,
                                      .text = "{0}: the unit is enabled",
                                      .hint = "disable it first: systemctl disable --now {0}"};

inline constexpr Message cannot_write{.kind = ErrorKind::usage, .text = "{0}: cannot write: {1}"};

// --- commands

// --- kernel

// --- store

// --- rules

}  // namespace messages

}  // namespace rewall
