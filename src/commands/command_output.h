#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "commands/command.h"
#include "ops/context/finding.h"
#include "ops/guard/guard_state.h"
#include "ops/history/record.h"
#include "ops/remote/share.h"
#include "ui/json.h"

namespace rewall {

/// "1a2b3c4d5e", as it is printed.
std::string short_hash(const std::string& hash);

/// A text in a column of `width` characters: filled with blanks, or cut.
std::string fitted(const std::string& text, std::size_t width);

/// `--family ipv4|ipv6` (also ip, ip6, 4, 6).
void add_family(Syntax& syntax, std::optional<Family>& family, const std::string& what);

/// Kind usage for a table that no kernel has, the nearest that one has as hint; no name at all is good.
Status check_table(const std::string& table);

/// Prints `SHORTHASH SUBJECT`, or the JSON of section 10, and says the notes.
void print_recorded(Context& context, const Recorded& recorded, const std::string& restored = "",
                    const std::optional<Guard>& guard = {});

/// The JSON of section 10 for `verify` and `doctor`.
Json findings_json(std::span<const Finding> findings);
/// The exit status of what was found: different where one is not well.
Answer answer_of(std::span<const Finding> findings);

/// Says what of a remote was not taken, as errors; the JSON of it.
Json say_refused(const std::string& remote, std::span<const Refused> refused);

/// A text to be printed exactly, line by line escaped where it goes to a terminal.
std::string exact_text(const Context& context, const std::string& text);

/// A program's words as people set them, "emacs -nw": parted at blanks, no shell, the first found in PATH.
/// Empty when there is none.
std::vector<std::string> program_words(const std::string& text);

/// Turns the pager on for a long answer.
void page(Context& context);

}  // namespace rewall
