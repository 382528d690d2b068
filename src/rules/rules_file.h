#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// A rules file and what people should know about how it was read.
struct RulesFile {
  Tables tables{};
  std::vector<std::string> notes{};  ///< each begins with the file's name
};

/// Reads a rules file as iptables-restore does: all commands that change rules, options in any spelling,
/// quotes (add_param_to_argv and do_parse in iptables' xshared.c). A line marked for the other family (-4,
/// -6) is left out. A rule with a comma list in -s or -d becomes several, as it does in the kernel. Rules are
/// not parsed.
///
/// With a note it also reads what iptables-restore refuses, where the meaning is plain: a byte order mark,
/// lines that end in CRLF, blank lines with blanks, blanks around COMMIT and before `*table`, and
/// `-s ! ADDRESS`.
///
/// On failure the error (kind usage) begins `NAME:LINE: ` and names the word. Refused, though some
/// iptables-restore takes them, as they cannot be meant or mean different things to different versions: a
/// chain declared twice, a policy of a chain of one's own, a quote that does not close, a line longer than
/// iptables-restore reads, -L, -S, -V, -h and --modprobe, and a second `*table` that leaves it open which
/// policy holds.
Result<RulesFile> read_rules_file(std::string text, Family family, std::string_view name);

/// The tables of read_rules_file().
Result<Tables> parse_tables(std::string text, Family family, std::string_view name);

/// The families that a file is read for.
struct FileFamilies {
  std::vector<Family> families{};  ///< one, or both
  std::string note{};              ///< what people should know; empty: nothing
};

/// The family of a rules file: that of its name (`rules.v4`, `ip6tables.bak`), else what its lines agree on;
/// both where it has lines marked -4 and lines marked -6; IPv4, with a note, where nothing tells. A name of
/// no file ("standard input") tells nothing. Kind usage: name and lines, or lines among themselves,
/// contradict each other.
Result<FileFamilies> find_families(const std::string& path, std::string_view text);

}  // namespace rewall
