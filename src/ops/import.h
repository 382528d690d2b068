#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "ops/session.h"
#include "ops/snapshot.h"

namespace rewall {

struct ImportOptions {
  std::vector<std::string> paths{};
  std::optional<Time> date{};      ///< else each file's modification time
  std::optional<Family> family{};  ///< else by what each file says
};

/// Records rules files in order as snapshots, dated. A file replaces its family (an `ipset save` file the
/// sets); the rest is that of the file before. All are read before the first is recorded. At the end what
/// HEAD said before is recorded again, so that HEAD is never an old backup. Kind usage: a file that cannot be
/// read.
Result<std::vector<Recorded>> import_files(Session& session, const ImportOptions& options);

}  // namespace rewall
