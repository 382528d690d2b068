#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// Reads iptables-save text (iptables-save(8), iptables-restore(8)): tables, chains, policies, counters and
/// rules. Line ends may be CRLF; `COMMIT` may have trailing blanks; `#` lines are skipped; -A, -I, -N, -P,
/// -F, -X, -D n and -R n are carried out as iptables-restore would; a rule with a comma list in -s or -d
/// becomes several, as it does in the kernel. Rules are not parsed.
///
/// On failure the error (kind usage) begins `NAME:LINE: ` and names the word: a table without COMMIT, a rule
/// for a chain that is not there, text outside a table, a NUL byte, `iptables-save`'s own "is incompatible"
/// line.
Result<Tables> parse_tables(std::string text, Family family, std::string_view name);

/// parse_tables() for a text that comes in pieces; each piece is read when it comes.
class TablesStream {
 public:
  TablesStream(Family family, std::string_view name);
  TablesStream(TablesStream&&) noexcept;
  TablesStream& operator=(TablesStream&&) noexcept;
  ~TablesStream();

  void take(std::string_view piece);
  /// After the last piece, once.
  Result<Tables> finish();

 private:
  class Reader;
  std::unique_ptr<Reader> reader_;
};

/// Whose words a text of sets is in.
enum class SetsText {
  /// Of `ipset save` or a snapshot: a permanent member of a set with `timeout` says `timeout 0`; other members
  /// of such a set are left out.
  saved,
  /// Of a person: a member that says no timeout has that of its set, and gets `timeout 0` for none. Those whose
  /// timeout runs go to Set::temporary.
  by_hand,
};

/// Reads `ipset save` text (ipset(8)): create and add lines. Errors as above.
Result<Sets> parse_sets(std::string text, std::string_view name, SetsText words = SetsText::saved);

/// The family that a text belongs to: that of the program in its header comment, or of the first rule that
/// names an address, or a protocol or extension of one family alone. Nothing when the text has none of these.
std::optional<Family> guess_family(std::string_view text);

}  // namespace rewall
