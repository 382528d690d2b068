#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "core/expression.h"
#include "core/result.h"
#include "core/time.h"
#include "diff/diff.h"
#include "ops/context/session.h"

namespace rewall {

/// The filter of a log: a snapshot passes if it matches every field; an empty field matches all snapshots.
struct LogFilter {
  std::optional<Time> since{};
  std::optional<Time> until{};
  std::string table{};   ///< the snapshot changed this table; a native one is "inet f2b-table"
  std::string chain{};   ///< the snapshot changed this chain; with `table`, the chain of that table
  std::string grep{};    ///< extended regular expression, case ignored, for subject, body or commands
  std::string author{};  ///< extended regular expression, case ignored, for "NAME <EMAIL> ACTOR" of the
                         ///< snapshot or of one of its parts
};

/// A snapshot that passed the filter. Valid on its own.
struct LogEntry {
  Snapshot snapshot{};
  std::optional<Diff> diff{};  ///< from its parent, where the caller or the filter needs the diff
};

/// A LogFilter with compiled expressions. Lives as long as one log.
class LogMatcher {
 public:
  /// Kind usage: an expression of the filter is invalid.
  static Result<LogMatcher> make(const LogFilter& filter);

  /// The entry of a snapshot, with the diff where `with_diff` or the filter asks for it; nothing where the
  /// snapshot does not match. The errors of diff_of().
  Result<std::optional<LogEntry>> entry(const Repository& repository, const Snapshot& snapshot,
                                        bool with_diff) const;

 private:
  LogMatcher(LogFilter filter, std::optional<Expression> grep, std::optional<Expression> author)
      : filter_(std::move(filter)), grep_(std::move(grep)), author_(std::move(author)) {}

  bool matches(const Snapshot& snapshot) const;

  LogFilter filter_;
  std::optional<Expression> grep_;
  std::optional<Expression> author_;
};

/// Calls `visit` with each snapshot from `revision` back that matches, newest first, as soon as it is read;
/// stops where `visit` returns false. Snapshots that cannot be read are left out: after the last readable one
/// the result is an error of kind repository that names them and the way out. Kind usage: an expression is
/// invalid, or the revision does not exist.
Status walk_log(Session& session, const std::string& revision, const LogFilter& filter, bool with_diff,
                const std::function<bool(const LogEntry&)>& visit);

/// The changes from a snapshot's parent (for the first: from an empty ruleset) to the snapshot, with the
/// changes of foreign parts marked by `owners`. Kind repository: a snapshot cannot be read or parsed.
Result<Diff> diff_of(const Repository& repository, const Snapshot& snapshot,
                     std::span<const Owner> owners = {});

}  // namespace rewall
