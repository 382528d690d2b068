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

struct ImportOptions {
  std::vector<std::string> paths{};
  std::string git{};               ///< a git repository, whose history of the one path is meant
  std::optional<Time> date{};      ///< else the file's, or the commit's
  std::optional<Family> family{};  ///< else by what each file says
};

/// Records rules files in order as snapshots, dated by their modification time. A file replaces its family
/// (an `ipset save` file the sets); the rest is that of the file before. All are read before the first is
/// recorded. Kind usage: a file that cannot be read.
///
/// Of a folder, the rules files in it, oldest first: by the date in the name, else the modification time; at
/// the same time, `rules.v4.2` before `rules.v4.1` before `rules.v4`. Of a git repository, what each commit
/// made of a rules file, or of a folder laid out like section 4, with its date, author and message. There,
/// what is no rules file is left out, with a warning, and so is what changes nothing.
///
/// At the end the files of the old HEAD are recorded again, so that HEAD is never an old backup.
///
/// `lock` takes the repository's lock; it is called once all files are read, as that may be slow.
Result<std::vector<Recorded>> import_files(Session& session, const ImportOptions& options,
                                           const std::function<Result<Lock>()>& lock);

}  // namespace rewall
