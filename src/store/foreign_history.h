#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

/// What another git repository's commit made of a file, or of a folder laid out like section 4.
struct ForeignVersion {
  std::string hash{};
  Person author{};
  Time time{};
  std::string message{};
  /// Of a file: it alone, by its own name; of a folder those of section 4.
  Files files{};
  std::vector<std::string> left_out{};  ///< "rules.v4: a link", ...
};

/// Gives `visit` the versions of `path` along first parents of HEAD, oldest first, each time that it changed;
/// one where it is gone has no files. `path` is relative to the top. What is there is only read, and no
/// program that its configuration names is run. Links, submodules and files above 64 MiB are left out.
///
/// Kind usage: no repository, no commit, or none that has `path`; what is damaged there is of kind usage too.
Status walk_elsewhere(const std::filesystem::path& repository, const std::string& path,
                      const std::function<Status(const ForeignVersion&)>& visit);

}  // namespace rewall
