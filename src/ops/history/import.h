#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "ops/context/session.h"
#include "ops/history/record.h"

namespace rewall {

/// The options of `rewall import`. Lives during the call.
struct ImportOptions {
  std::vector<std::string> paths{};
  std::string git{};               ///< a git repository: imports the history of the one path in it
  std::optional<Time> date{};      ///< the date of all snapshots; else that of the file or the commit
  std::optional<Family> family{};  ///< the family of all rules files; else that of each file's name or text
};

/// Records rules files as snapshots, in their order, dated by their modification time. A rules file replaces
/// the tables of its family, an `ipset save` file the sets; the rest comes from the snapshot before. The
/// first snapshot is recorded after all files are read.
///
/// A path may be a folder: its rules files follow oldest first, by the date in the name, else by the
/// modification time; at the same time `rules.v4.2` precedes `rules.v4.1` and `rules.v4`. With `git`, each
/// commit that changes the path becomes a snapshot with the commit's date, author and message; the path is a
/// rules file or a folder with the files of a snapshot (rewall-repository(5), WORK TREE). In folders and git
/// repositories, files that do not parse are left out with a warning, and versions without a change and
/// those that were imported before are left out.
///
/// The last snapshot has the files of the old HEAD, so that HEAD is never an old backup.
///
/// `lock` takes the repository's lock, which the function then holds to its end; files are read before, since
/// that may be slow.
///
/// Returns the snapshots in their order; none where the history has all of it. Kind usage: a file cannot be
/// read or parsed, or no commit has rules. The errors of `lock` and of Repository::commit().
Result<std::vector<Recorded>> import_files(Session& session, const ImportOptions& options,
                                           const std::function<Result<Lock>()>& lock);

}  // namespace rewall
