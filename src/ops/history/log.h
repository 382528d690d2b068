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

struct LogFilter {
  std::optional<Time> since{};
  std::optional<Time> until{};
  std::string table{};   ///< snapshots that changed this table
  std::string chain{};   ///< ... this chain
  std::string grep{};    ///< extended regular expression, case ignored, over subject, body and commands
  std::string author{};  ///< the same over the author's name and address and the actor
};

struct LogEntry {
  Snapshot snapshot{};
  std::optional<Diff> diff{};  ///< against its parent, where it was asked for or needed
};

/// What lets a snapshot through.
class LogMatcher {
 public:
  /// Kind usage: an expression that is none.
  static Result<LogMatcher> make(const LogFilter& filter);

  /// The entry of a snapshot, with its diff where it is wanted or the filter asks for it; nothing where the
  /// snapshot is not let through.
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

/// The snapshots from `revision` back that the filter lets through, newest first, each given to `visit` as
/// soon as it is known; `visit` says whether to go on. Kind usage: an expression that is none.
Status walk_log(Session& session, const std::string& revision, const LogFilter& filter, bool with_diff,
                const std::function<bool(const LogEntry&)>& visit);

/// A snapshot against its parent (the first: against nothing), with what is foreign to `owners` marked.
Result<Diff> diff_of(const Repository& repository, const Snapshot& snapshot,
                     std::span<const Owner> owners = {});

}  // namespace rewall
