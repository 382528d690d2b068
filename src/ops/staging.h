#pragma once

#include <filesystem>

#include "core/file.h"
#include "core/result.h"

namespace rewall {

/// Where a repository is made that comes from elsewhere: a folder beside its place, `.NAME.clone`, which
/// takes that place when it is whole. What another process left there when it was killed is removed first. A
/// mount point cannot be replaced: such a place is its own.
class Staging {
 public:
  /// The errors of Repository::check_place(); kind repository: another process is at it.
  static Result<Staging> begin(const std::filesystem::path& place);
  Staging(Staging&& other) noexcept = default;
  Staging& operator=(Staging&&) = delete;
  ~Staging();  ///< removes it, where it did not take its place

  const std::filesystem::path& path() const { return path_; }
  /// Kind repository: something else has come there.
  Status take_place();

 private:
  explicit Staging(const std::filesystem::path& place);

  std::filesystem::path place_;
  std::filesystem::path path_;
  Fd lock_{};
};

}  // namespace rewall
