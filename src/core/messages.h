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

inline constexpr Message no_command{.text = "no command", .hint = "'rewall --help' lists the commands"};
inline constexpr Message unknown_command{.text = "unknown command '{}'",
                                         .hint = "'rewall --help' lists the commands"};
/// The word, then the command with a blank behind it, or nothing.
inline constexpr Message unknown_option{.text = "unknown option '{}'",
                                        .hint = "'rewall {1}--help' lists the options"};
inline constexpr Message unexpected_argument{.text = "unexpected argument '{}'",
                                             .hint = "see 'rewall {1}--help'"};
inline constexpr Message wrong_usage{.text = "{}", .hint = "see 'rewall {1}--help'"};
inline constexpr Message unknown_family{.text = "'{}' is not ipv4 or ipv6"};
/// The table, then all tables.
inline constexpr Message unknown_table{.text = "unknown table '{}'", .hint = "the tables are {1}"};
inline constexpr Message bad_number{.text = "'{}' is not a number of snapshots"};
inline constexpr Message bad_prefix{.text = "'{}' is not a name: it is empty or cannot be printed"};
inline constexpr Message guard_without_time{.text = "the time must be longer than zero"};
/// The snapshot of the change.
inline constexpr Message not_confirmed{
    .kind = ErrorKind::refused,
    .text = "nobody confirmed the change: it was reverted",
    .hint = "'rewall status' shows what is in force; to try again: rewall restore --for 10m {}"};
inline constexpr Message command_not_found{.text = "{}: command not found", .live = LiveState::untouched};
inline constexpr Message booted_fallback{
    .kind = ErrorKind::damaged,
    .text = "{}",
    .hint = "see 'rewall log' and 'rewall diff', then restore the revision that should be in force"};
inline constexpr Message editor_not_found{
    .text = "${}: '{}': not found in PATH",
    .hint = "give an absolute path; folders in PATH that others can write to are ignored"};
inline constexpr Message no_editor{.text = "no editor: neither sensible-editor nor vi is in PATH",
                                   .hint = "name one: EDITOR=nano rewall edit"};
inline constexpr Message edit_needs_terminal{
    .text = "edit needs a terminal to ask on",
    .hint = "'rewall apply FILE' takes the rules from a file; --yes answers every question with yes"};
inline constexpr Message not_applied{
    .kind = ErrorKind::refused, .text = "not applied", .live = LiveState::untouched};
inline constexpr Message no_history{.text = "'{}' has no history",
                                    .hint = "name a snapshot: HEAD~2, a tag or a hash"};
inline constexpr Message not_a_snapshot{.text = "'{}' is not a snapshot",
                                        .hint = "record LIVE ('rewall snapshot'), then tag HEAD"};
inline constexpr Message import_git_takes_one_file{
    .text = "--git takes one FILE",
    .hint = "FILE is a rules file in that repository, or a folder with rules.v4, rules.v6 or ipset"};
inline constexpr Message hooks_list_takes_no_name{.text = "hooks list takes no name",
                                                  .hint = "'rewall hooks list' lists all integrations"};
inline constexpr Message hooks_needs_name{.text = "hooks {} needs a name",
                                          .hint = "'rewall hooks list' lists the names"};
inline constexpr Message remote_remove_arguments{.text = "remote remove takes NAME",
                                                 .hint = "for example: rewall remote remove origin"};
inline constexpr Message remote_address_arguments{
    .text = "remote {} takes NAME and URL",
    .hint = "for example: rewall remote {} origin ssh://git@backup.example.org/firewalls.git"};
/// The remote, the branch, and why.
inline constexpr Message branch_refused{
    .kind = ErrorKind::remote,
    .text = "{}/{} was refused: {}",
    .hint = "run 'git fsck' in the remote's repository to find damaged objects"};
inline constexpr Message fleet_status_takes_no_host{
    .text = "fleet status takes no hosts",
    .hint = "it compares all of them; 'rewall fleet diff HOST HOST' compares two"};
inline constexpr Message fleet_diff_needs_two_hosts{
    .text = "fleet diff needs two hosts", .hint = "or --against HOST, to compare the others with that host"};

// --- kernel

// --- store

// --- rules

/// Each text stands behind FILE:LINE where the rule comes from a file. Words from the file are quoted.
inline constexpr Message not_iptables_save{.text = "not iptables-save format: expected '*filter', found {}",
                                           .hint = "for a shell script use: rewall try -- sh FILE"};
inline constexpr Message not_ipset_save{.text =
                                            "not ipset save format: expected 'create' or 'add', found {}"};
/// The name, then the nearest one as did_you_mean() says it; so for the next two.
inline constexpr Message unknown_rules_table{.text = "unknown table {}", .hint = "{1}"};
inline constexpr Message unknown_chain{.text = "unknown chain {}", .hint = "{1}"};
inline constexpr Message unknown_set{.text = "unknown set {}", .hint = "{1}"};
inline constexpr Message no_commit{.text = "table '{}' has no COMMIT", .hint = "the file looks truncated"};
inline constexpr Message no_commit_in_line{.text = "table '{}' has no COMMIT",
                                           .hint = "the file looks truncated: it ends within a line"};
inline constexpr Message no_commit_before_table{
    .text = "table '{}' has no COMMIT", .hint = "end each table with COMMIT before the next one begins"};
inline constexpr Message incompatible_table{
    .text = "{}", .hint = "iptables cannot show this table whole; see 'nft list ruleset'"};
inline constexpr Message nul_byte{.text = "NUL byte", .hint = "the file is not text, or is damaged"};
inline constexpr Message unexpected_word{.text = "unexpected word {}"};
inline constexpr Message unknown_line{.text = "unexpected word {}",
                                      .hint = "a line begins with -A CHAIN, :CHAIN, *TABLE, # or COMMIT"};
inline constexpr Message unclosed_quote{.text = "missing closing quote: {}"};
/// What is missing ("chain name", "member"), then the words before it.
inline constexpr Message missing_word{.text = "no {} after {}"};
inline constexpr Message no_chain_policy{.text = "chain {} has no policy",
                                         .hint = "a user-defined chain has the policy '-'"};
inline constexpr Message unknown_policy{.text = "chain {}: unknown policy {}",
                                        .hint = "the policy must be ACCEPT or DROP"};
/// The chain, the table, then the nearest chain as did_you_mean() says it.
inline constexpr Message policy_of_own_chain{
    .text = "chain {} cannot have a policy: it is not a built-in chain of table '{}'", .hint = "{2}"};
inline constexpr Message invalid_counters{.text = "invalid counters {}"};
inline constexpr Message invalid_chain_counters{.text = "chain {}: invalid counters {}"};
inline constexpr Message counters_need_numbers{.text = "{} needs two numbers"};
inline constexpr Message rule_of_other_table{.text = "the rule is for table {}, but stands in table '{}'"};
inline constexpr Message chain_exists{.text = "chain {} already exists"};
inline constexpr Message command_not_allowed{.text = "'-{}' is not allowed in a rules file"};
/// "remove" or "rename", then the chain; so for the next two.
inline constexpr Message chain_is_built_in{.text = "cannot {} chain {}: it is built in"};
inline constexpr Message chain_is_used{.text = "cannot {} chain {}: rules jump to it"};
inline constexpr Message chain_has_rules{.text = "cannot {} chain {}: it has rules"};
/// The chain, the position, then "3 rules".
inline constexpr Message no_position{.text = "chain {} has no position {}", .hint = "the chain has {2}"};
inline constexpr Message no_such_rule{.text = "no such rule in chain {}: {}"};
inline constexpr Message replace_by_list{.text = "'-R' takes one address, not a list"};
inline constexpr Message negated_list{.text = "'!' cannot negate a list of addresses: {}"};
inline constexpr Message too_many_rules{.text = "one line makes more than {}"};
inline constexpr Message option_needs_value{.text = "option {} needs a value"};
/// The option, then the nearest one as did_you_mean() says it.
inline constexpr Message unknown_rule_option{.text = "unknown option {}", .hint = "{1}"};
inline constexpr Message nothing_negated{.text = "'!' stands before no option"};
inline constexpr Message not_a_set_type{.text = "set {}: {} is not a set type",
                                        .hint = "a type is like hash:ip; a set's name holds no blanks"};
inline constexpr Message set_created_twice{.text = "set {} is created twice"};
inline constexpr Message not_a_variable{
    .text = "{} is not NAME=VALUE",
    .hint = "for example SELF=192.0.2.10,2001:db8::10; a name holds letters, digits and '_'"};
inline constexpr Message not_an_address{.text = "{} is not an address or a network"};

}  // namespace messages

}  // namespace rewall
