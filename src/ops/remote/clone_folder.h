#pragma once

#include <filesystem>

#include "core/file.h"
#include "core/result.h"

namespace rewall {

/// The folder that a clone fills: a new one beside the wanted path, `.NAME.clone-XXXXXX`, which is renamed to
/// that path when the clone is complete. A folder of a clone that was killed is removed first. Where the path
/// is an empty folder, the clone fills that folder: it may be a mount point, or somebody's current folder.
class CloneFolder {
 public:
  /// The errors of Repository::check_place(). Kind repository or permission: the folder cannot be made. Kind
  /// repository: another process is cloning to this path.
  static Result<CloneFolder> begin(const std::filesystem::path& place);
  CloneFolder(CloneFolder&& other) noexcept = default;
  CloneFolder& operator=(CloneFolder&&) = delete;
  ~CloneFolder();  ///< removes the folder, or its `.git`, unless take_place() was called

  const std::filesystem::path& path() const { return path_; }
  /// Renames the folder to the wanted path. Kind repository: somebody else made a file or folder there.
  Status take_place();

 private:
  explicit CloneFolder(std::filesystem::path place) : place_(std::move(place)) {}

  std::filesystem::path place_;
  std::filesystem::path path_{};
  Fd lock_{};  ///< held until take_place()
};

}  // namespace rewall
