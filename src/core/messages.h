#pragma once

#include <optional>
#include <string_view>

#include "core/format.h"
#include "core/messages.h"
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
/// glossary (src/README.md). An error says what failed; the hint names a command that works in that state:
/// `rewall COMMAND`, where `-C` is added when the error is shown, and REPOSITORY for the folder
/// (for_repository() in commands/command_output.h). tests/cli/hints_test.cpp runs each.
namespace messages {

/// Where a file system is full.
inline constexpr const char* kFreeSpace = "free some space there and run the command again";

// --- restore

inline constexpr Message restore_takes_no_input{
    .text = "restore reads no rules from standard input: it puts a revision in force",
    .hint = "to load these rules: rewall apply -; to put the newest snapshot in force: rewall restore HEAD",
    .live = LiveState::untouched};

inline constexpr Message empty_revision{.text = "REV is an empty word: it names no revision",
                                        .hint = "'rewall log' lists the snapshots; HEAD is the newest",
                                        .live = LiveState::untouched};

inline constexpr Message kept_changing{
    .kind = ErrorKind::refused,
    .text = "the firewall kept changing while the restore was planned",
    .hint = "find out who changes it ('rewall diff'), then run the command again",
    .live = LiveState::untouched};

inline constexpr Message other_backend{
    .kind = ErrorKind::usage,
    .text = "'{}' was recorded from the {} backend, but --backend {} works only on that one",
    .hint = "run it without --backend"};

/// The backend that HEAD has rules of, and the one that --backend chose.
inline constexpr Message backend_left_out{
    .kind = ErrorKind::usage,
    .text =
        "HEAD has rules of the {0} backend, which --backend {1} does not look at: they would be recorded as "
        "gone",
    .hint = "run it without --backend"};

inline constexpr Message part_of_other_backend{
    .kind = ErrorKind::usage,
    .text = "'{}' was recorded from the {} backend, but LIVE's rules are in the {} backend",
    .hint = "restore all of it: rewall restore {0}"};

inline constexpr Message stages_differently{
    .kind = ErrorKind::kernel,
    .text = "'{}' does not read back from the kernel as it is written ({})",
    .hint = "another version of iptables may have recorded it; its rules: rewall checkout {0}",
    .live = LiveState::untouched};

inline constexpr Message cannot_read_back{.kind = ErrorKind::kernel, .text = "cannot read LIVE back: {}"};

inline constexpr Message reads_back_differently{.kind = ErrorKind::kernel,
                                                .text = "LIVE does not read back as it was loaded ({})"};

inline constexpr Message table_owned{.kind = ErrorKind::refused,
                                     .text = "{0}: nobody else can change it",
                                     .hint = "end that process first: its table goes with it",
                                     .live = LiveState::untouched};

inline constexpr Message left_to_owners{
    .kind = ErrorKind::damaged,
    .text = "what is in force is not as wanted: {0}; all else is as wanted",
    .hint = "end that process: its table goes with it; then run the command again"};

inline constexpr Message mixed{
    .kind = ErrorKind::damaged,
    .text = "{}; and the old ruleset could not be put back: {}",
    .hint = "see what is in force: rewall diff; then put HEAD back: rewall restore HEAD",
    .live = LiveState::changed};

inline constexpr Message lost_sight{
    .kind = ErrorKind::damaged,
    .text = "{}; and the old ruleset could not be put back: {}",
    .hint = "see what is in force: iptables-save; 'rewall status' then tries again to recover",
    .live = LiveState::unknown};

inline constexpr Message interrupted_elsewhere{
    .kind = ErrorKind::repository,
    .text = "{} was interrupted in another network namespace, and its journal belongs there",
    .hint = "run 'rewall status' in that namespace; when that namespace is gone: rm {1}"};

inline constexpr Message not_recovered{
    .kind = ErrorKind::damaged,
    .text = "{} was interrupted, and the old ruleset could not be put back: {}",
    .hint =
        "remove the reason and run 'rewall status', which tries again; or load snapshot {2} by hand: rewall "
        "checkout {2} -o DIR; cd DIR; ipset restore -exist <ipset; iptables-restore <rules.v4; "
        "ip6tables-restore <rules.v6; rm -f REPOSITORY/.git/rewall/journal"};

inline constexpr Message program_outlives{
    .kind = ErrorKind::repository,
    .text = "{}: a program of a killed restore is still running",
    .hint = "wait until it ends, or allow a longer wait: rewall config lock.wait 60s"};

inline constexpr Message nothing_to_undo{
    .kind = ErrorKind::refused,
    .text = "nothing to undo: the history has no change that is in force",
    .hint = "'rewall log' lists the snapshots; 'rewall restore HASH' restores one",
    .live = LiveState::untouched};

/// What is kept, and "undo" or "redo".
inline constexpr Message only_foreign_left{.kind = ErrorKind::refused,
                                           .text = "nothing else is left of the change: {0}",
                                           .hint = "to change these parts too: rewall {1} --exact",
                                           .live = LiveState::untouched};
inline constexpr Message all_is_undone{.kind = ErrorKind::refused,
                                       .text = "nothing to undo: every change is undone",
                                       .hint = "'rewall redo' puts the last one back",
                                       .live = LiveState::untouched};

inline constexpr Message nothing_recorded{.kind = ErrorKind::refused,
                                          .text = "nothing to {}: nothing is recorded yet",
                                          .hint = "record the live rules: rewall snapshot",
                                          .live = LiveState::untouched};

inline constexpr Message nothing_to_redo{
    .kind = ErrorKind::refused,
    .text = "nothing to redo: the newest change was not an undo",
    .hint = "'rewall log' lists the snapshots; 'rewall restore HASH' restores one",
    .live = LiveState::untouched};

/// What was in force before a guard or a rollback took it back.
inline constexpr Message redo_after_rollback{
    .kind = ErrorKind::refused,
    .text = "nothing to redo: the newest change was not undone, a guard took it back",
    .hint = "to try it again: rewall restore --for 10m {0}",
    .live = LiveState::untouched};

inline constexpr Message changed_since_undo{
    .kind = ErrorKind::refused,
    .text = "nothing to redo: the firewall was changed after the undo, by {} ('{}')",
    .hint = "'rewall log' lists the snapshots; 'rewall restore HASH' restores one",
    .live = LiveState::untouched};

inline constexpr Message changed_unrecorded{
    .kind = ErrorKind::refused,
    .text = "nothing to redo: the live rules were changed after the undo",
    .hint = "see what changed: rewall diff; what was undone before is in: rewall log",
    .live = LiveState::untouched};

/// Why the history cannot be used.
inline constexpr Message unrecorded_unguarded{
    .kind = ErrorKind::refused,
    .text = "no guard can be armed and nothing can expire, as what is in force cannot be recorded: {}",
    .hint =
        "run it without --for and --expire: the live rules are kept in files, and can be put back from there",
    .live = LiveState::untouched};

/// The damage, the newest snapshot that can be read, the repository, the branch.
inline constexpr Message damaged_tip{
    .kind = ErrorKind::repository,
    .text = "the newest snapshot cannot be read: {0}",
    .hint =
        "put one of the list in force: rewall restore {1}; go on with the history from there: git -C {2} "
        "update-ref refs/heads/hosts/{3} {1}"};

inline constexpr Message damaged_snapshots{
    .kind = ErrorKind::repository,
    .text = "a part of the history cannot be read: {}",
    .hint = "'rewall verify' lists what is damaged; every snapshot of the list can be restored"};

// --- what is held against a change

/// File, line, what is wrong.
inline constexpr Message bad_expectation{
    .text = "{}:{}: {}",
    .hint = "a line is: accept|drop|reject PACKET  # comment, like: accept -p tcp --dport 22 --state NEW"};
inline constexpr Message bad_expected_verdict{
    .text = "'{}' is no verdict",
    .hint =
        "one of: accept, drop, reject; for example: rewall expect add drop "
        "-p tcp --dport 3306 -i eth0 --state NEW"};
/// The file, how many lines.
inline constexpr Message no_such_expectation{.text = "{0} has no expectation {1}",
                                             .hint = "'rewall expect' lists them with their numbers"};
/// The first that fails, and how many others do.
inline constexpr Message expectation_fails{
    .kind = ErrorKind::refused,
    .text = "the wanted rules fail an expectation: {}",
    .hint = "'rewall expect' lists the expectations; to make the change all the same: --force",
    .live = LiveState::untouched};
/// What would happen to which packet, by which rule.
inline constexpr Message locks_out{
    .kind = ErrorKind::refused,
    .text = "this would lock you out: {}",
    .hint = "to try it with a way back: --for 10m; to make the change all the same: --force",
    .live = LiveState::untouched};
inline constexpr Message may_lock_out{
    .kind = ErrorKind::refused,
    .text = "nobody can prove that you still get in: {}",
    .hint = "to try it with a way back: --for 10m; to answer the question in advance: --yes",
    .live = LiveState::untouched};

// --- guard

inline constexpr Message guard_of_other{
    .kind = ErrorKind::refused,
    .text = "no guard of this repository is armed; {0}, of the repository {1}, is",
    .hint = "'rewall -C {1} confirm' keeps its change, 'rewall -C {1} rollback' reverts it",
    .live = LiveState::untouched};
inline constexpr Message no_guard_armed{
    .kind = ErrorKind::refused,
    .text = "no guard is armed",
    .hint = "see: rewall status; '--for TIME' and 'rewall try' arm a guard",
    .live = LiveState::untouched};

/// Which guard, how it ended, and what is in force.
inline constexpr Message guard_ended{.kind = ErrorKind::refused,
                                     .text = "no guard is armed: {} {}; {}",
                                     .hint = "'rewall log' has what was tried and what is in force",
                                     .live = LiveState::untouched};

inline constexpr Message guard_not_ended{
    .kind = ErrorKind::repository,
    .text = "{} is armed still: neither the repository nor /run/rewall can be written",
    .hint = "'rewall doctor' shows why"};

inline constexpr Message confirmed_until_restart{
    .kind = ErrorKind::repository,
    .text = "confirmed, the guard is gone; but nothing can be recorded: {}",
    .hint =
        "'rewall doctor' shows why; where the machine restarts before that is mended, what was in force "
        "before "
        "the change boots"};

inline constexpr Message guard_elsewhere{.kind = ErrorKind::refused,
                                         .text = "{} is armed in another network namespace",
                                         .live = LiveState::untouched};

inline constexpr Message guard_before_restart{
    .kind = ErrorKind::refused,
    .text = "{} was armed before a restart of the machine: nothing waits for its deadline any more",
    .hint = "'rewall rollback' puts the old ruleset in force, 'rewall confirm' keeps what is there",
    .live = LiveState::untouched};

inline constexpr Message guard_armed_already{
    .kind = ErrorKind::refused,
    .text = "a guard is armed already: {}, {}",
    .hint = "'rewall confirm' keeps that change, 'rewall rollback' reverts it"};

/// The guard, and its repository.
inline constexpr Message guard_armed_elsewhere{
    .kind = ErrorKind::refused,
    .text = "a guard is armed already in this network namespace: {}, of the repository {}",
    .hint = "'rewall -C {1} confirm' keeps that change, 'rewall -C {1} rollback' reverts it",
    .live = LiveState::untouched};

inline constexpr Message guard_armed_silent{
    .kind = ErrorKind::refused,
    .text =
        "a guard of another repository is armed already in this network namespace: its process gives no "
        "answer, because it is stopped or reverts its change just now",
    .hint = "'ss -xlp src @rewall*' shows the process; end that guard first",
    .live = LiveState::untouched};

/// The limit.
inline constexpr Message guard_limited{
    .kind = ErrorKind::refused,
    .text = "no guard: its process would not have what it needs: {} cannot be raised",
    .hint = "raise it for whoever starts rewall: ulimit, limits.conf(5), or Limit...= in the service",
    .live = LiveState::untouched};

inline constexpr Message guard_not_sure{.kind = ErrorKind::refused,
                                        .text = "no guard: the way back is not sure: {}",
                                        .live = LiveState::untouched};

inline constexpr Message guard_not_started{.kind = ErrorKind::refused,
                                           .text = "no guard: its process does not start ({})",
                                           .live = LiveState::untouched};

inline constexpr Message reverted_while_running{
    .kind = ErrorKind::refused,
    .text = "{}; what the command did after that was taken back too",
    .hint = "allow more time ('--for'), or run 'rewall confirm' before the time is up"};

inline constexpr Message rolled_back_while_running{
    .kind = ErrorKind::refused,
    .text = "{}; what the command did after that was taken back too",
    .hint = "'rewall log' has what was tried and what is in force"};

inline constexpr Message rest_not_taken_back{
    .kind = ErrorKind::refused,
    .text = "{}; what the command did after that is in force: {}",
    .hint = "'rewall diff' shows what is not recorded, 'rewall log' what others did"};

/// The command that confirms from a new connection.
inline constexpr Message old_connection{
    .kind = ErrorKind::refused,
    .text =
        "this connection began before the guard was armed, so it does not prove that new connections work; "
        "the guard is still armed",
    .hint = "confirm from a new connection: {}",
    .live = LiveState::untouched};
inline constexpr Message no_new_connection{
    .kind = ErrorKind::refused,
    .text =
        "this session is not known to be of an ssh connection that began after the guard was armed; the "
        "guard is still armed",
    .hint = "confirm from a new connection, in its shell itself (not in tmux or at the console): {}",
    .live = LiveState::untouched};

inline constexpr Message nothing_in_force{
    .kind = ErrorKind::damaged,
    .text = "no ruleset could be put in force: {}",
    .hint = "see what is in force: iptables-save; and load rules by hand"};

inline constexpr Message dry_run_of_fallback{.kind = ErrorKind::repository,
                                             .text = "cannot show what would be put in force: {}",
                                             .hint = "see: rewall doctor",
                                             .live = LiveState::untouched};

inline constexpr Message in_force_unrecorded{
    .kind = ErrorKind::repository,
    .text = "{}",
    .hint =
        "'rewall confirm' ends the guard; what is in force is recorded when the history can be written "
        "again"};

// --- rules that expire

inline constexpr Message nothing_expires{
    .kind = ErrorKind::refused,
    .text = "the change adds or alters no rule, chain or set member, so nothing of it can expire",
    .hint = "run it without --expire; '--for TIME' reverts a whole change unless somebody confirms",
    .live = LiveState::untouched};
/// Why.
inline constexpr Message no_expiry{
    .kind = ErrorKind::refused,
    .text = "no expiry: the process that takes the rules out does not start ({})",
    .hint = "raise it for whoever starts rewall: ulimit, limits.conf(5), or Limit...= in the service",
    .live = LiveState::untouched};
inline constexpr Message native_does_not_expire{
    .kind = ErrorKind::refused,
    .text = "--expire covers the rules of iptables and ipsets: the change adds or alters tables of nft only",
    .hint =
        "run it without --expire; '--for TIME' reverts a whole change unless somebody confirms; elements "
        "of a set of nft can have a timeout of their own"};
inline constexpr Message expire_needs_command{
    .text = "--expire and --keep need a COMMAND",
    .hint = "for example: rewall try --keep --expire 2h -- iptables -I INPUT -s 192.0.2.7 -j ACCEPT"};
/// What was given, then rewall's command.
inline constexpr Message no_such_expiry{.kind = ErrorKind::usage,
                                        .text = "no rules expire under '{0}'",
                                        .hint = "'{1} status' lists what expires"};
inline constexpr Message expiry_is_over{
    .kind = ErrorKind::refused,
    .text = "the rules of '{}' were taken out at {}: none of them is kept",
    .hint = "to see them: rewall log -n 5"};
/// The parts, the command, and since when.
inline constexpr Message nothing_to_keep{
    .kind = ErrorKind::refused,
    .text = "nothing to keep: {} of '{}' not in force{}",
    .hint = "what is in force: rewall log -n 5; 'rewall status' shows when what comes back expires"};
inline constexpr Message ambiguous_expiry{
    .kind = ErrorKind::usage, .text = "several expiries begin with '{}'", .hint = "give more digits"};

// --- history

inline constexpr Message no_such_chain{.kind = ErrorKind::usage, .text = "this revision has no chain '{}'"};

inline constexpr Message compressed{
    .kind = ErrorKind::usage, .text = "{}: compressed", .hint = "decompress it first: gunzip {0}"};

inline constexpr Message not_a_plain_file{.kind = ErrorKind::usage,
                                          .text = "{}: not a plain file",
                                          .hint = "for a pipe use '-' and standard input"};
/// The file, then MiB.
inline constexpr Message text_too_big{.kind = ErrorKind::usage,
                                      .text = "{}: more than {} MiB: too big for rules"};
inline constexpr Message no_table_line{.kind = ErrorKind::usage,
                                       .text = "{}: no '*table' line found: not an iptables-save file",
                                       .hint = "rules begin with a line like '*filter' and end with COMMIT"};

inline constexpr Message no_rules_in_folder{.kind = ErrorKind::usage,
                                            .text = "{}: no rules file in this folder",
                                            .hint = "a folder of rules holds rules.v4, rules.v6 or ipset"};

inline constexpr Message no_rules_in_history{
    .kind = ErrorKind::usage,
    .text = "nothing to import: no commit of {0} has rules in '{1}'",
    .hint = "name the file that holds the output of iptables-save, from the top of that repository"};

inline constexpr Message one_standard_input{.kind = ErrorKind::usage,
                                            .text = "standard input can be only one of the two revisions"};

inline constexpr Message families_differ{.kind = ErrorKind::usage,
                                         .text = "'{}' and '{}' hold rules of different families"};

inline constexpr Message not_a_range{
    .kind = ErrorKind::usage, .text = "'{}' is not a range", .hint = "a range is REV or A..B"};

inline constexpr Message not_by_rewall{
    .kind = ErrorKind::repository,
    .text = "{}",
    .hint = "snapshot {1} was not made by rewall; undo that commit: git -C REPOSITORY revert --no-edit {1}"};

inline constexpr Message snapshot_changed{.kind = ErrorKind::repository,
                                          .text = "a snapshot does not match its hash"};

inline constexpr Message signature_required{
    .kind = ErrorKind::refused,
    .text = "{}",
    .hint = "to accept unsigned ones: rewall config sign.require false",
    .live = LiveState::untouched};
inline constexpr Message signed_for_another_host{
    .kind = ErrorKind::refused,
    .text = "{0} is signed for {1}, and this is host {2}",
    .hint = "sign.require lets a signature count for its own host alone; see: rewall show {3}",
    .live = LiveState::untouched};

// --- settings

inline constexpr Message unknown_key{
    .kind = ErrorKind::usage, .text = "unknown key '{}'", .hint = "'rewall config --list' shows the keys"};
inline constexpr Message not_a_share{.kind = ErrorKind::usage,
                                     .text = "'{}' is not between 0% and 100% of a core"};
inline constexpr Message not_a_size{.kind = ErrorKind::usage,
                                    .text = "'{}' is not a size: bytes, or 500M, 2G"};
inline constexpr Message not_a_number{.kind = ErrorKind::usage, .text = "'{}' is not a number"};
inline constexpr Message not_a_switch{.kind = ErrorKind::usage, .text = "'{}' is not true or false"};
inline constexpr Message owner_rule_too_long{.kind = ErrorKind::usage,
                                             .text = "{} bytes, and an owner's expression has at most {}"};
inline constexpr Message owner_rule_repeats{
    .kind = ErrorKind::usage,
    .text = "'{}' repeats too much: it would take too long to match",
    .hint = "multiply the numbers in braces that are within each other: 4096 in all is the most"};
inline constexpr Message owner_rule_refers_back{
    .kind = ErrorKind::usage,
    .text = "'{}' would take too long to match: it refers back to a group (\\1)",
    .hint = "begin it with '^', and write '[^ ]+' for '.*' and for a repeated group"};
inline constexpr Message not_a_pair{.kind = ErrorKind::usage,
                                    .text = "'{}' is not KEY=VALUE",
                                    .hint = "for example: rewall init -c sign.key=/etc/rewall/key"};
/// The file, the line, why, the file for a shell.
inline constexpr Message config_unreadable{
    .kind = ErrorKind::repository,
    .text = "{0}: line {1} cannot be read: {2}",
    .hint = "correct or delete line {1} of that file; 'git config --file {3} --list' reads it then"};
inline constexpr Message not_an_absolute_path{.kind = ErrorKind::usage,
                                              .text = "'{}' is not an absolute path"};

inline constexpr Message quote_not_closed{.kind = ErrorKind::usage,
                                          .text = "'{}' has a quote that does not close"};

inline constexpr Message git_missing{
    .kind = ErrorKind::repository, .text = "git is not installed", .hint = "apt install git"};

inline constexpr Message others_can_write{.kind = ErrorKind::refused,
                                          .text = "{}: users other than root can write to it",
                                          .hint = "chown root {1}; chmod go-w {1}"};

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

inline constexpr Message push_hook_refused{
    .kind = ErrorKind::remote,
    .text = "{0}: nothing was sent: git's hook {1} of this host refuses the push",
    .hint = "run that program to see why, or remove it; the snapshots wait in the repository"};
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

inline constexpr Message gc_lock_unwritable{
    .kind = ErrorKind::repository, .text = "{0}: cannot write: {1}", .hint = "'rewall doctor' shows more"};

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
    .hint = "no file was changed: look at what is there, and delete it if nobody needs it: {1}"};

inline constexpr Message integration_packaged{
    .kind = ErrorKind::refused,
    .text = "{0}: its files belong to the package of rewall, and go with the package",
    .hint = "no file was changed: 'rewall hooks list' shows which integrations can be removed"};

inline constexpr Message unit_enabled{.kind = ErrorKind::refused,
                                      .text = "{0}: the unit is enabled",
                                      .hint = "disable it first: systemctl {1} {0}"};

inline constexpr Message cannot_write{.kind = ErrorKind::usage, .text = "{0}: cannot write: {1}"};

// --- commands

inline constexpr Message unknown_command{.text = "unknown command '{}'",
                                         .hint = "'rewall --help' lists the commands"};
/// The word, then the command with a blank behind it, or nothing.
inline constexpr Message unknown_option{.text = "unknown option '{}'",
                                        .hint = "'rewall {1}--help' lists the options"};
inline constexpr Message unexpected_argument{.text = "unexpected argument '{}'",
                                             .hint = "see 'rewall {1}--help'"};
/// The option or argument, then as above.
inline constexpr Message option_without_value{.text = "{0}: needs a value ({2})",
                                              .hint = "see 'rewall {1}--help'"};
inline constexpr Message option_takes_no_value{.text = "{0}: takes no value",
                                               .hint = "see 'rewall {1}--help'"};
inline constexpr Message argument_missing{.text = "{0} is missing", .hint = "see 'rewall {1}--help'"};
/// Two options that exclude each other, then as above.
inline constexpr Message not_together{.text = "{0} and {2} cannot be used together",
                                      .hint = "see 'rewall {1}--help'"};
/// The value, then all that are possible.
inline constexpr Message not_one_of{.text = "'{0}' is not one of {1}"};
inline constexpr Message wrong_usage{.text = "{}", .hint = "see 'rewall {1}--help'"};
inline constexpr Message unknown_family{.text = "'{}' is not ipv4 or ipv6"};
/// The table, then all tables.
inline constexpr Message unknown_table{.text = "unknown table '{}'", .hint = "the tables are {1}"};
inline constexpr Message bad_number{.text = "'{}' is not a number of snapshots"};
inline constexpr Message bad_prefix{.text = "'{}' is not a name: it is empty or cannot be printed"};
inline constexpr Message guard_without_time{.text = "the time must be longer than zero"};
/// How the guard ended, and the command that makes the change again.
inline constexpr Message not_confirmed{.kind = ErrorKind::refused,
                                       .text = "the change was taken back: the guard {0}",
                                       .hint = "'rewall status' shows what is in force; to try again: {1}"};
inline constexpr Message not_kept{.kind = ErrorKind::refused,
                                  .text = "the change is not kept: the guard is still armed",
                                  .hint = "'rewall rollback' reverts the change now",
                                  .live = LiveState::untouched};
inline constexpr Message ending_unknown{
    .kind = ErrorKind::refused,
    .text = "the guard is not armed any more, and nobody noted how it ended: nothing was taken back here",
    .hint = "'rewall status' and 'rewall log' show what is in force"};
inline constexpr Message command_not_found{.text = "{}: command not found", .live = LiveState::untouched};
inline constexpr Message command_is_folder{.text = "{}: a folder, not a command",
                                           .live = LiveState::untouched};
/// The command, and the same for a shell.
inline constexpr Message not_executable{
    .text = "{}: not executable",
    .hint = "make it executable: chmod +x {1}; or, if it is a shell script: rewall try -- sh {1}",
    .live = LiveState::untouched};
inline constexpr Message booted_fallback{
    .kind = ErrorKind::damaged,
    .text = "{}",
    .hint = "see 'rewall doctor' and 'rewall log', then restore the revision that should be in force"};
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

inline constexpr Message not_permitted{.kind = ErrorKind::permission,
                                       .text = "{}: permission denied: {}",
                                       .hint = "run it as root (sudo rewall ...)"};
inline constexpr Message forbidden{
    .kind = ErrorKind::permission,
    .text = "{}: the kernel forbids it, although this process has CAP_NET_ADMIN: {}",
    .hint =
        "something else than the user is in the way: `nft list ruleset` shows tables with `flags owner`, "
        "which their process alone may change; or a container, or a security module"};
inline constexpr Message iptables_missing{.kind = ErrorKind::kernel,
                                          .text = "{}: no such program in PATH",
                                          .hint = "install the package iptables (apt install iptables)"};
inline constexpr Message edit_nft_alone{
    .text = "a table of nft has no --family, and --nft opens all native tables",
    .hint = "leave --family out; of native tables --table takes one by its family and name: 'inet NAME'"};
inline constexpr Message no_such_native{.text = "there is no table {0}",
                                        .hint = "'nft list tables' shows the tables that are in force"};
inline constexpr Message edit_in_nft_words{
    .text = "table {0} is in the words of nft, as iptables cannot say all of it",
    .hint = "rewall edit --table '{0}'"};
inline constexpr Message nft_table_of_iptables{
    .text = "{0}: table {1} has a name of iptables, and there is no iptables-nft to read it",
    .hint = "give the table another name in the file, or write its rules with iptables"};
inline constexpr Message nft_table_beside_legacy{
    .text = "{0}: it has tables of iptables' names, and this host's iptables is legacy",
    .hint = "give the tables other names in the file, or write their rules with iptables"};
inline constexpr Message lost_note{
    .text = "{0}:{1}: the note behind '# iptables:' says another rule than nft's words before it",
    .hint = "change the rule in the note's words, or take the note out: the rule is nft's then"};
inline constexpr Message import_of_both{
    .text = "{0}: table {1} has a name of iptables: an import takes it from a file of iptables-save alone",
    .hint = "give the table another name in the file, or write its rules with iptables"};
inline constexpr Message table_in_both_forms{
    .text = "{0}: table {1} is there in the words of iptables and in those of nft",
    .hint = "the kernel has one table of this name: take one of the two out"};
inline constexpr Message nft_words_without_scratch{
    .kind = ErrorKind::kernel,
    .text = "iptables cannot say table {0} whole, and nft's words for it need a scratch network namespace",
    .hint = "run it as root with CAP_SYS_ADMIN"};
inline constexpr Message foreign_of_other_form{
    .kind = ErrorKind::kernel,
    .text = "table {0}: what is foreign in LIVE cannot stand beside what is wanted: {1}",
    .hint = "run it with --exact: what is foreign goes then",
    .live = LiveState::untouched};
inline constexpr Message nft_has_no_family{.text = "{}: a file of nft is of no family of iptables",
                                           .hint = "leave --family out"};
inline constexpr Message nft_missing{.kind = ErrorKind::kernel,
                                     .text = "nft is not installed, and the ruleset has tables of nft",
                                     .hint = "apt install nftables"};
inline constexpr Message ipset_missing{.kind = ErrorKind::kernel,
                                       .text = "ipset: no such program in PATH",
                                       .hint = "install the package ipset (apt install ipset)"};
inline constexpr Message sets_unreadable{.kind = ErrorKind::capture,
                                         .text = "rules name sets, and {}",
                                         .hint = "install the package ipset (apt install ipset)"};
/// The set, what has to be done before it can be renamed, and its name as a word of a shell.
inline constexpr Message set_name_unsayable{.kind = ErrorKind::capture,
                                            .text = "set {}: no file of sets can hold this name",
                                            .hint = "give it another: {1}ipset rename {2} NEWNAME"};
inline constexpr Message set_unsayable{
    .kind = ErrorKind::capture,
    .text = "{}: what ipset says of it can be read in two ways, or changed during each of three readings",
    .hint = "take line breaks and quotes out of the comments of its members"};
inline constexpr Message save_failed{
    .kind = ErrorKind::capture, .text = "{0}: {1}", .hint = "run '{2}' by hand to see the reason"};
inline constexpr Message no_raw_socket{
    .kind = ErrorKind::capture,
    .text = "{0}: {1}",
    .hint = "rules that name a set need CAP_NET_RAW: iptables asks for the set by a raw socket"};
inline constexpr Message table_dormant{.kind = ErrorKind::capture,
                                       .text = "table {0} is dormant: none of its rules is in force",
                                       .hint = "activate it: nft add table {0}"};
inline constexpr Message rules_disagree{
    .kind = ErrorKind::capture,
    .text = "{0}: chain {1}: {2} prints {3}, and the kernel has {4}",
    .hint = "run the command again; if it says the same, look for a line break in a rule: '{2}'"};
inline constexpr Message chains_disagree{
    .kind = ErrorKind::capture,
    .text = "{0}: {1} prints {2}, and the kernel has {3}",
    .hint = "run the command again; '{1}' and 'nft list chains' show them"};
inline constexpr Message table_disagrees{
    .kind = ErrorKind::capture,
    .text = "{0} prints what is no table of the kernel: {1}",
    .hint = "run the command again; if it says the same, look for a line break in a rule: '{0}'"};
inline constexpr Message unsayable_chain{
    .kind = ErrorKind::capture,
    .text = "{0}: the name of chain {1} holds a blank or a line break, which iptables cannot say",
    .hint = "give it another name: {2} NEWNAME"};
inline constexpr Message unsayable_name{
    .kind = ErrorKind::capture,
    .text = "{0}: a name in it holds a line break, which iptables cannot say: {1}",
    .hint = "delete the rule: {2}"};
inline constexpr Message incompatible_rule{
    .kind = ErrorKind::capture,
    .text = "{0}: nft made it ({1}), and iptables-save does not print it",
    .hint = "'nft -a list chain {2}' shows it; write it with iptables, or move it to a table of its own"};
inline constexpr Message incompatible_part{
    .kind = ErrorKind::capture,
    .text = "table {0}: nft made {1} in it, which iptables cannot say",
    .hint = "'nft list table {0}' shows it; give it a table of its own"};
inline constexpr Message unsayable_rule{
    .kind = ErrorKind::capture,
    .text = "{0}: nft made it ({1}), and iptables makes another rule of what iptables-save says of it: '{2}'",
    .hint = "'nft -a list chain {3}' shows it; write it with iptables, or move it to a table of its own"};
inline constexpr Message unloadable_rule{
    .kind = ErrorKind::capture,
    .text = "{0}: nft made it ({1}), and iptables refuses what iptables-save says of it: '{2}': {3}",
    .hint = "'nft -a list chain {4}' shows it; write it with iptables, or move it to a table of its own"};
inline constexpr Message untried_rule{
    .kind = ErrorKind::capture,
    .text =
        "{0}: it is of no known shape ({1}), and there is no scratch network namespace to try what "
        "iptables-save says of it: '{2}'",
    .hint = "run it as root with CAP_SYS_ADMIN; 'nft -a list chain {3}' shows the rule"};
inline constexpr Message capture_kept_changing{
    .kind = ErrorKind::capture,
    .text = "the ruleset changed during each of {} readings",
    .hint = "run the command again when the program that changes the rules is done"};
inline constexpr Message firewall_changed{.kind = ErrorKind::refused,
                                          .text = "another program changed the firewall meanwhile"};
inline constexpr Message table_changed{.kind = ErrorKind::refused,
                                       .text = "{}: another program changed this table meanwhile"};
inline constexpr Message set_changed{.kind = ErrorKind::refused,
                                     .text = "set {}: another program changed this set meanwhile"};
inline constexpr Message not_replaceable{
    .kind = ErrorKind::kernel,
    .text = "the firewall cannot be read, and without a scratch namespace it cannot be replaced either",
    .hint = "run it as root with CAP_SYS_ADMIN"};
inline constexpr Message chain_not_made{
    .kind = ErrorKind::kernel, .text = "{} {} {}: this host's iptables does not make this chain: {}"};
inline constexpr Message no_scratch_namespace{.kind = ErrorKind::kernel,
                                              .text = "scratch network namespace: {}"};
inline constexpr Message no_scratch_permission{.kind = ErrorKind::permission,
                                               .text = "scratch network namespace: {}",
                                               .hint = "run it as root with CAP_SYS_ADMIN"};

// --- store

inline constexpr Message repository_failed{.kind = ErrorKind::repository, .text = "{}: {}"};
inline constexpr Message no_repository{
    .kind = ErrorKind::repository, .text = "no repository at {0}", .hint = "run 'rewall {1}init'"};
inline constexpr Message repository_exists{.kind = ErrorKind::repository,
                                           .text = "repository at {0}: already exists",
                                           .hint = "see 'rewall -C {1} status'"};
inline constexpr Message folder_not_empty{.kind = ErrorKind::repository,
                                          .text = "{}: not an empty folder",
                                          .hint = "choose an empty or a new folder with -C"};
inline constexpr Message no_host_branch{
    .kind = ErrorKind::repository,
    .text = "{0}: HEAD is not on a branch hosts/NAME, and no such branch is known to be this host's",
    .hint = "see the branches: git -C {1} branch -a; then: git -C {1} switch hosts/NAME"};
/// The repository, its namespace, this one, the command that runs in the first.
inline constexpr Message other_namespace{
    .kind = ErrorKind::repository,
    .text = "{0} belongs to {1}, and this is another network namespace ({2})",
    .hint = "run it there: {3}; or keep a repository for this one: rewall -C DIR init",
    .live = LiveState::untouched};
/// The lock file, how long it is there, the command that removes it.
inline constexpr Message git_lock_left{.kind = ErrorKind::repository,
                                       .text = "{0}: a lock of git, {1} old, is in the way",
                                       .hint = "when no git is at work here: {2}"};
inline constexpr Message branch_moved{.kind = ErrorKind::refused,
                                      .text = "{}: another snapshot was recorded meanwhile",
                                      .hint = "run the command again"};
inline constexpr Message ambiguous_revision{.kind = ErrorKind::usage,
                                            .text = "{}: ambiguous: matches {} {}: {}",
                                            .hint = "give more digits of the hash"};
inline constexpr Message names_no_snapshot{.kind = ErrorKind::usage,
                                           .text = "{}: not a snapshot",
                                           .hint = "name a commit, not a file or folder of one"};
inline constexpr Message no_reference{
    .kind = ErrorKind::usage,
    .text = "{}: no such branch or tag",
    .hint = "a time stands behind HEAD, a branch or a tag: HEAD@{{yesterday}}"};
/// The expression, its time, and that of the oldest snapshot.
inline constexpr Message before_history{.kind = ErrorKind::usage,
                                        .text = "{0}: no snapshot is that old: the oldest is of {2}",
                                        .hint =
                                            "'rewall log --reverse' lists the snapshots, the oldest first; "
                                            "those up to a time: rewall log --until "
                                            "{2}"};
inline constexpr Message not_a_hash{.kind = ErrorKind::usage, .text = "{}: not the full hash of a snapshot"};
inline constexpr Message snapshot_file_too_big{
    .kind = ErrorKind::repository, .text = "{}: {} bytes, and a file of a snapshot has at most {}"};
inline constexpr Message snapshot_too_big{.kind = ErrorKind::repository,
                                          .text = "{}: {} bytes, and {} of a snapshot has at most {}"};
inline constexpr Message name_not_allowed{.kind = ErrorKind::usage,
                                          .text = "{} '{}': not a name that git allows",
                                          .hint = "use letters, digits, '-', '_' and '.'"};
inline constexpr Message tag_like_hash{.kind = ErrorKind::usage,
                                       .text = "tag '{0}': this could be the short hash of a snapshot",
                                       .hint = "put a letter in front: v{0}"};
inline constexpr Message tag_like_branch{.kind = ErrorKind::usage,
                                         .text = "tag '{0}': hosts/ begins the names of branches",
                                         .hint = "choose a name without 'hosts/'"};
inline constexpr Message hash_names_tag{.kind = ErrorKind::usage,
                                        .text = "{0}: no snapshot has a hash that begins so",
                                        .hint = "the tag of this name is {1}"};
inline constexpr Message no_such_tag{
    .kind = ErrorKind::usage, .text = "tag '{0}': no such tag", .hint = "{1}"};
inline constexpr Message no_such_remote{
    .kind = ErrorKind::usage, .text = "remote '{0}': no such remote", .hint = "{1}"};
inline constexpr Message remote_exists{.kind = ErrorKind::usage,
                                       .text = "remote '{0}': already exists",
                                       .hint = "rewall remote set-url {1} {2}"};
inline constexpr Message not_an_address{.kind = ErrorKind::usage,
                                        .text = "remote '{}': not a valid address",
                                        .hint = "an address is like ssh://git@host/firewalls.git, or a path"};
inline constexpr Message not_a_key{.kind = ErrorKind::usage,
                                   .text = "setting '{}': not a valid key",
                                   .hint = "a key is like lock.wait; see 'rewall config --list'"};
inline constexpr Message value_holds_nul{.kind = ErrorKind::usage,
                                         .text = "setting '{}': a value cannot contain a NUL byte"};

inline constexpr Message repository_locked{
    .kind = ErrorKind::repository,
    .text = "{0}: another rewall is working (process {1})",
    .hint = "wait until that process is done, or wait longer for it: rewall config lock.wait 60s"};

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
inline constexpr Message flush_behind_rules{
    .text = "a flush of all chains, and the file has rules of chain {} before it",
    .hint = "iptables-nft-restore leaves them and iptables-legacy-restore does not: flush chains by name"};
inline constexpr Message policy_in_nat{.text = "-P sets no policy DROP in table nat: iptables refuses it",
                                       .hint = "filter in table filter; a line like ':OUTPUT DROP' is taken"};
inline constexpr Message invalid_counters{.text = "invalid counters {}"};
inline constexpr Message invalid_chain_counters{.text = "chain {}: invalid counters {}"};
inline constexpr Message counters_need_numbers{.text = "{} needs two numbers"};
inline constexpr Message nothing_to_negate{.text = "'!' before {} negates nothing"};
inline constexpr Message two_commands{.text = "two commands in one line: -{} and -{}"};
inline constexpr Message invalid_position{.text = "invalid position {}"};
inline constexpr Message line_too_long{.text = "the line is longer than {} bytes",
                                       .hint = "iptables-restore would read the rest as a line of its own"};
/// The table, then the chain.
inline constexpr Message policy_left_open{
    .text = "table '{}' comes twice, and the second does not say the policy of {}",
    .hint = "iptables-legacy keeps the first policy and iptables-nft does not: say it in the second too"};
/// The chain, then the line that made it.
inline constexpr Message chain_twice{
    .text = "chain {} is made twice, first in line {}",
    .hint = "iptables-nft-restore empties it at the second, iptables-legacy-restore refuses: leave one out"};
/// The chain, then the line.
inline constexpr Message chain_used_before{.text = "chain {} is made here, and line {} jumps to it already",
                                           .hint = "make it before the first rule that jumps to it"};
inline constexpr Message chain_named_as_verdict{.text = "a chain cannot be named {}: that is a verdict"};
inline constexpr Message chain_name_begins{.text = "a chain's name cannot begin with '-' or '!': {}"};
inline constexpr Message chain_name_too_long{.text = "chain name {} is longer than {} bytes"};
/// The file, then a line of each family.
inline constexpr Message family_in_doubt{
    .kind = ErrorKind::usage,
    .text = "{}: its family is in doubt: line {} is for IPv4, line {} for IPv6",
    .hint = "say which one it is: --family ipv4 or --family ipv6; or mark the lines with -4 and -6"};
/// The file, the family of its name, the line, the family of the line.
inline constexpr Message family_against_name{
    .kind = ErrorKind::usage,
    .text = "{}: its family is in doubt: its name says {}, and line {} is for {}",
    .hint = "say which one it is: --family ipv4 or --family ipv6; or mark the line with -4 or -6"};
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
inline constexpr Message no_address_or_network{.text = "{} is not an address or a network"};

// --- packets

/// The word, then the nearest one as did_you_mean() says it.
inline constexpr Message unknown_packet_word{.text = "{} is no word of a packet", .hint = "{1}"};
inline constexpr Message packet_word_needs_value{.text = "{} needs a value"};
inline constexpr Message packet_word_takes_one{.text = "{} takes one type with one code, and no '!'",
                                               .hint = "name them apart: --icmp-type and --icmp-code"};
/// The text, what was expected ("a port"), a hint.
inline constexpr Message no_packet_value{.text = "{} is not {}", .hint = "{2}"};
inline constexpr Message states_and_status{
    .text = "{}: SNAT and DNAT are no states of a connection beside others",
    .hint = "name them apart: --ctstate and --ctstatus"};
/// The option or the address, the family it is of, the family of the packet.
inline constexpr Message packet_of_other_family{.text = "{} is of {}, and the packet of {}"};
/// The option, the protocols that have it, then those of the packet.
inline constexpr Message protocol_lacks_field{.text = "{} is of {}, and the packet's protocol is {}"};
inline constexpr Message fragment_lacks_field{
    .text = "{} is of whole packets and first fragments, and the packet is another fragment"};
inline constexpr Message no_such_packet{.text = "no packet has all these words: {} leaves none over"};
inline constexpr Message packet_is_empty{
    .text = "no packet is named",
    .hint = "name one: -p tcp -s 198.51.100.7 --dport 22; see rewall-packets(7)"};
/// The revision, then the family.
inline constexpr Message revision_without_family{.text = "{} has no rules of {}"};
inline constexpr Message host_addresses_unread{
    .kind = ErrorKind::capture, .text = "cannot read the addresses of this host from the kernel: {}"};
/// "ip" or "ip6"
inline constexpr Message rules_too_entangled{
    .text = "{}: the rules tell too many kinds of packets apart to say which ports are open"};
inline constexpr Message sockets_unread{.kind = ErrorKind::capture,
                                        .text = "cannot read the listening sockets of this host: {}"};
inline constexpr Message no_packet_line{
    .text = "{} is no line of 'tcpdump -n', 'conntrack -L' or the kernel's LOG target that tells a packet",
    .hint = "use words of iptables: -p tcp -s 198.51.100.7 --dport 22"};
inline constexpr Message no_address_in_line{.text = "{} is not an address",
                                            .hint = "names of hosts are not looked up: use tcpdump -n"};

// --- templates

/// The name, then the nearest one as did_you_mean() says it, or where the list is.
inline constexpr Message no_such_template{.text = "template '{0}': no such template", .hint = "{1}"};
/// The file, the line, what is wrong there.
inline constexpr Message template_unreadable{.text = "{}:{}: {}",
                                             .hint = "the format of templates is in rewall-template(5)"};
/// The template, the place, then the nearest one as did_you_mean() says it, or where the list is.
inline constexpr Message no_such_place{.text = "template '{0}' has no place '{1}'", .hint = "{2}"};
/// The template, then its places that have no value.
inline constexpr Message place_needs_value{.text = "template '{0}' needs a value for {1}",
                                           .hint = "give it with --set; see 'rewall template show {0}'"};
inline constexpr Message place_set_twice{.text = "place '{}' is set twice"};
inline constexpr Message set_needs_value{.text = "--set {}: not PLACE=VALUE",
                                         .hint = "for example --set ssh_from=192.0.2.7"};
/// The place, the value, what its type takes.
inline constexpr Message value_of_wrong_type{.text = "place '{}': {} is not {}"};
inline constexpr Message network_has_host_bits{
    .text = "place '{}': {} is not a network: it has bits behind the prefix",
    .hint = "the network is {2}, the address alone {3}"};
inline constexpr Message place_takes_one{.text = "place '{}' takes one value, not a list: {}"};
inline constexpr Message too_many_values{.text = "place '{}': more than {} values"};
inline constexpr Message template_too_big{.text = "template '{}': these values make more than {} rules"};
/// "show", "render", "apply" or "diff".
inline constexpr Message template_needs_name{.text = "template {}: no template named",
                                             .hint = "'rewall template list' lists them"};
/// "list" or "suggest".
inline constexpr Message template_takes_no_name{.text = "template {} takes no name",
                                                .hint = "'rewall template show NAME' shows one of them"};

}  // namespace messages

}  // namespace rewall
