#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "core/result.h"
#include "core/time.h"
#include "diff/diff.h"
#include "ops/session.h"

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

/// The snapshots from `revision` back that the filter lets through, newest first, each given to `visit` as
/// soon as it is known; `visit` says whether to go on. Kind usage: an expression that is none.
Status walk_log(Session& session, const std::string& revision, const LogFilter& filter, bool with_diff,
                const std::function<bool(const LogEntry&)>& visit);

/// A snapshot against its parent (the first: against nothing), with what is foreign to `owners` marked.
Result<Diff> diff_of(const Repository& repository, const Snapshot& snapshot,
                     std::span<const Owner> owners = {});

}  // namespace rewall
