#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/parallel.h"
#include "store/git.h"
#include "store/repository.h"

namespace rewall {

/// A folder for libgit2 in the place of a `.git` whose `config` cannot be read: it has links to what is in
/// that folder, and no `config`. Removed with the object.
class FolderWithoutConfig {
 public:
  /// Kind repository: no folder for it can be written, not even in memory.
  static Result<FolderWithoutConfig> make(const std::filesystem::path& git);
  FolderWithoutConfig(FolderWithoutConfig&& other) noexcept : top_(std::exchange(other.top_, {})) {}
  FolderWithoutConfig& operator=(FolderWithoutConfig&&) = delete;
  ~FolderWithoutConfig();
  std::filesystem::path path() const { return top_ / ".git"; }

 private:
  explicit FolderWithoutConfig(std::filesystem::path top) : top_(std::move(top)) {}
  std::filesystem::path top_;
};

struct Repository::Impl {
  std::filesystem::path path{};
  std::string host{};
  std::optional<Error> config_error{};  ///< of open_readable()
  std::optional<FolderWithoutConfig> folder{};
  bool without_settings = false;          ///< do_without_settings()
  std::optional<Error> settings_error{};  ///< of the first Settings::open() that did without
  git::Repo repo{};
  Signer signer{};
  /// The newest prepare(): its tree, its files for write_aside(), and that call's work.
  struct {
    std::string tree{};
    std::shared_ptr<const Files> files{};
    Task<std::vector<StagedFile>> staged{};
  } ahead{};

  std::string branch() const;  ///< refs/heads/hosts/NAME
};

/// The file of a snapshot that people write.
constexpr std::string_view kExpect = "expect";

constexpr std::string_view kHostBranches = "refs/heads/hosts/";

/// `rewall <rewall@HOST>` at a moment: the committer of snapshots, whom the reflog names too.
Result<git::Signature> rewall_signature(const std::string& host, Time time);

/// The commit with this full hash.
Result<git::Commit> read_commit(git_repository* repo, const std::string& hash);
/// The hash of the first parent; empty for none, and where a shallow clone ends (gitglossary(7)).
std::string first_parent(const git_commit* commit);

/// The tree of a commit.
Result<git::Tree> read_tree(const git_commit* commit);

/// The tree with this full hash.
Result<git::Tree> find_tree(git_repository* repo, const std::string& hash);

/// Makes the files of the work tree that rewall writes, and the index, those of HEAD. Finishes what a process
/// left that was killed after it moved the branch.
Status repair_work_tree(const Repository& repository, git_repository* repo);

}  // namespace rewall
