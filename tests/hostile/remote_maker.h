#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace rewall {

/// A bare git repository that is written byte for byte, so that it can hold what no git would make. Hashes
/// are of 40 hex digits. Throws where the disk refuses.
class RemoteMaker {
 public:
  /// Makes the repository in a new folder.
  explicit RemoteMaker(std::filesystem::path folder);

  const std::filesystem::path& folder() const { return folder_; }

  /// An object of any type with any content. Returns its hash.
  std::string object(std::string_view type, std::string_view content);
  std::string blob(std::string_view content) { return object("blob", content); }

  struct Entry {
    std::string mode{};  ///< "100644"
    std::string name{};
    std::string hash{};
  };
  /// A tree with the entries in the order given, sorted or not.
  std::string tree(const std::vector<Entry>& entries);
  /// A tree with `rules.v4` alone.
  std::string tree_of_rules(std::string_view rules);

  struct Commit {
    std::string tree{};
    std::vector<std::string> parents{};
    std::string author = "eve <eve@evil> 1700000000 +0000";
    std::string committer = "rewall <rewall@evil> 1700000000 +0000";
    std::string headers{};  ///< whole lines after the committer
    std::string message = "evil\n";
  };
  std::string commit(const Commit& commit);
  /// A commit with `rules.v4` alone.
  std::string commit_of_rules(std::string_view rules);

  /// Writes a reference, whatever its name is.
  void reference(const std::string& name, std::string_view content);
  void branch(const std::string& host, const std::string& hash) {
    reference("refs/heads/hosts/" + host, hash);
  }
  /// Writes packed-refs with all of them, sorted by git's own rule.
  struct Reference {
    std::string name{};
    std::string hash{};
  };
  void packed_references(std::vector<Reference> references);

  /// A pack with one plain object and one that is a delta against it, which makes `size` bytes of the base by
  /// copying it again and again. Returns the hash of what the delta makes.
  std::string bomb(std::string_view type, std::string_view base, std::uint64_t size);

  /// Every object in one pack, as git packs them.
  void pack_all();

 private:
  std::filesystem::path folder_;
};

/// The rules of a host that is like others, with `more` before COMMIT.
std::string rules_with(std::string_view more);

}  // namespace rewall
