#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/parallel.h"
#include "store/git.h"
#include "store/repository.h"

namespace rewall {

struct Repository::Impl {
  std::filesystem::path path{};
  std::string host{};
  git::Repo repo{};
  Signer signer{};
  /// Of prepare(): what the work tree is to hold, the tree that it is of, and how write_aside() fares.
  struct {
    std::string tree{};
    std::shared_ptr<const Files> files{};
    Task<std::vector<StagedFile>> staged{};
  } ahead{};

  std::string branch() const;  ///< refs/heads/hosts/NAME
};

/// The files of section 4 that the capture makes.
constexpr std::array<std::string_view, 5> kGenerated{"rules.v4", "rules.v6", "ipset", "rules.v4.legacy",
                                                     "rules.v6.legacy"};
/// The one that people write.
constexpr std::string_view kExpect = "expect";

constexpr std::string_view kHostBranches = "refs/heads/hosts/";

/// `rewall <rewall@HOST>` at a moment: the committer, and the one whom the reflog names.
Result<git::Signature> rewall_signature(const std::string& host, Time time);

/// The commit of a full hash.
Result<git::Commit> read_commit(git_repository* repo, const std::string& hash);

/// The tree of a commit.
Result<git::Tree> read_tree(const git_commit* commit);

/// The tree of a full hash.
Result<git::Tree> find_tree(git_repository* repo, const std::string& hash);

/// Puts the files that the capture makes into the work tree as HEAD has them, and the index with them: what a
/// process that was killed left undone.
Status repair_work_tree(const Repository& repository, git_repository* repo);

}  // namespace rewall
