#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

// The history of rules in a git repository that rewall did not make, etckeeper's for example.

/// One commit's version of a file, or of a folder with the files of a snapshot.
struct ForeignVersion {
  std::string hash{};
  Person author{};
  Time time{};
  std::string message{};
  /// Of a file: that file alone, under its own name. Of a folder: the files that a snapshot may have.
  Files files{};
  std::vector<std::string> left_out{};  ///< "rules.v4: a link", ...
};

/// Calls `visit` with each version of `path` along the first parents of HEAD, oldest first. A commit that
/// left `path` unchanged is skipped; one that removed it has no files. `path` is relative to the top of the
/// repository. The repository is only read, and no program that its configuration names is run. Links,
/// submodules and files above 64 MiB are left out.
///
/// Errors are of kind usage, also for a damaged repository: no repository, no commit, no commit with `path`.
Status walk_elsewhere(const std::filesystem::path& repository, const std::string& path,
                      const std::function<Status(const ForeignVersion&)>& visit);

}  // namespace rewall
