#pragma once

#include <filesystem>

#include "core/file.h"
#include "core/result.h"

namespace rewall {

/// Where a repository is made that comes from elsewhere: a folder beside its place, `.NAME.clone-XXXXXX`,
/// which takes that place when it is whole. What others left there when they were killed is removed first. A
/// place that is there already, empty, is filled itself: it may be a mount point, or somebody's current
/// folder.
class CloneFolder {
 public:
  /// The errors of Repository::check_place(); kind repository or permission: nothing can be made there.
  static Result<CloneFolder> begin(const std::filesystem::path& place);
  CloneFolder(CloneFolder&& other) noexcept = default;
  CloneFolder& operator=(CloneFolder&&) = delete;
  ~CloneFolder();  ///< removes what was made, where it did not take its place

  const std::filesystem::path& path() const { return path_; }
  /// Kind repository: something else has come there.
  Status take_place();

 private:
  explicit CloneFolder(std::filesystem::path place) : place_(std::move(place)) {}

  std::filesystem::path place_;
  std::filesystem::path path_{};
  Fd lock_{};  ///< while there is something to remove
};

}  // namespace rewall
