#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// Reads what iptables-save printed, or print_tables() and canonical_text(): tables, chains, policies,
/// counters, and rules as `-A CHAIN WORDS`. The words stay as they are, whatever they look like. Rules are
/// not parsed. For text that people write: rules_file.h.
///
/// On failure the error (kind usage) begins `NAME:LINE: ` and names the word: a line that iptables-save does
/// not print, a table without COMMIT, a rule for a chain that is not there, text outside a table, a NUL byte,
/// `iptables-save`'s own "is incompatible" line.
Result<Tables> parse_saved(std::string text, Family family, std::string_view name);

/// parse_saved() for a text that comes in pieces; each piece is read when it comes.
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
  /// Of `ipset save` or a snapshot: a permanent member of a set with `timeout` says `timeout 0`; other
  /// members
  /// of such a set are left out.
  saved,
  /// Of `ipset save`; members whose timeout runs go to Set::temporary.
  listed,
  /// Of a person, in what `ipset restore` takes, and as `ipset save` says it (set_elements.h): a member that
  /// says no timeout has that of its set, and gets `timeout 0` for none. Those whose timeout runs go to
  /// Set::temporary.
  by_hand,
};

/// Reads `ipset save` text (ipset(8)): create and add lines. Errors as above.
Result<Sets> parse_sets(std::string text, std::string_view name, SetsText words = SetsText::saved);

}  // namespace rewall
