#pragma once

// What several commands share: how they print hashes, snapshots, findings and refused branches, and the
// options that they have in common.

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands/command.h"
#include "ops/context/finding.h"
#include "ops/expiry/expiry_state.h"
#include "ops/guard/guard_state.h"
#include "ops/history/record.h"
#include "ops/remote/fetch.h"
#include "ui/json.h"

namespace rewall {

/// The first ten digits of a hash: "1a2b3c4d5e".
std::string short_hash(const std::string& hash);

/// The text in a column of `width` characters: padded with blanks, or cut between characters with "…" at its
/// end.
std::string fitted(const std::string& text, std::size_t width);

/// Adds `--family ipv4|ipv6` (also ip, ip6, 4, 6).
void add_family(Syntax& syntax, std::optional<Family>& family, const std::string& what);

/// Adds `--table TABLE`. A name that no kernel has is an error of kind usage; the hint names the nearest one.
void add_table(Syntax& syntax, std::string& table, const std::string& what);
/// The same, and a native nft table ("inet f2b-table") of any name is fine too.
void add_recorded_table(Syntax& syntax, std::string& table, const std::string& what);

/// Prints the notes, then `SHORTHASH SUBJECT` or the JSON of `rewall snapshot` with the fields of `more`.
void print_recorded(Context& context, const Recorded& recorded, const std::string& restored = "",
                    const std::optional<Guard>& guard = {}, const std::optional<Expiry>& expiry = {},
                    const Json& more = Json::object());

/// `rewall WORDS` as it is typed for the session's repository: with `-C DIR` where that is not the default.
std::string rewall_command(const Session& session, const std::string& words);

/// A hint as it is typed for a repository: each `rewall COMMAND` of it with `-C DIR` where another shell
/// would not find the repository, and the word REPOSITORY as its folder.
std::string for_repository(std::string_view hint, const std::filesystem::path& repository);

/// Says which snapshot is in force, and the command that goes back to what was before: the last line of every
/// command that changed LIVE.
void say_in_force(Context& context, const Recorded& recorded);

/// The JSON of `verify` and `doctor`, with the hints of for_repository().
Json findings_json(const Context& context, std::span<const Finding> findings);
/// `different` where a check failed, else `same`.
Answer answer_of(std::span<const Finding> findings);

/// Prints an error for each branch of a remote that was refused, and returns them as JSON.
Json print_refused(const Context& context, const std::string& remote, std::span<const RefusedPart> refused);

/// The text as a file or a pipe gets it; for a terminal, every line escaped.
std::string exact_text(const Context& context, const std::string& text);

/// Splits a program and its arguments, such as "emacs -nw", at blanks, without a shell, and finds the program
/// in PATH. Empty where it is not found.
std::vector<std::string> program_words(const std::string& text);

/// An option of a command with actions (`fleet diff`), and the actions that take it.
struct OptionForActions {
  const Argument& option;
  std::vector<std::string_view> actions{};
};
/// Puts the actions before the help of each option.
void name_actions_in_help(Syntax& syntax, const std::vector<OptionForActions>& all);
/// Kind usage: an option was given that the action does not take.
Status check_action(std::string_view command, const std::vector<OptionForActions>& all,
                    std::string_view action);

/// Sends the output from here on through the pager, on a terminal.
void start_pager(Context& context);

}  // namespace rewall
