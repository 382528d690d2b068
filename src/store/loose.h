#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "store/git.h"

namespace rewall::git {

/// A loose object of git. Its file holds, zlib-compressed, "TYPE SIZE", a NUL and the content
/// (gitformat-loose(5)).
struct LooseObject {
  git_object_t type = GIT_OBJECT_INVALID;
  std::size_t size = 0;
  std::string content{};
};

/// How much of an object to read: its type and size, or also its content, which zlib's checksum proves
/// complete.
enum class Extent { header, whole };

/// Reads the loose object `id` of the folder `objects`. Absent when there is none; kind repository when it is
/// damaged. An object of more than `biggest` bytes is returned without its content.
Result<std::optional<LooseObject>> read_loose(const std::filesystem::path& objects, const git_oid& id,
                                              Extent extent,
                                              std::size_t biggest = std::numeric_limits<std::size_t>::max());

/// Reads a blob, packed or loose, and does not check its hash. libgit2 checks the hash of each object it
/// reads, which takes five times as long as reading it. Absent when no backend can read the blob.
std::optional<std::string> read_unproved(git_repository* repo, const git_oid& id);

/// The hash of a blob, as git_odb_hash() in half the time: this function does not look for forged
/// collisions. `git fetch` does, for every object that comes from another host.
git_oid hash_blob(std::string_view content);

/// Writes `content` as a loose blob, unless the repository has the blob undamaged, and returns its hash. Does
/// what git_blob_create_from_buffer does in half the time. The object is not synced.
Result<git_oid> write_blob(git_repository* repo, std::string_view content);

/// Gives `repo` an object database, loose and packed, whose loose objects are read by read_loose(): libgit2
/// 1.5 never returns from one that was cut short (git_zstream_get_output waits for input that does not come).
/// Alternates are not followed.
///
/// No object that is written into this database is synced: Repository::commit() writes several, syncs all of
/// them in one turn of the file system's journal, and only then moves the branch.
Status use_safe_objects(git_repository* repo, const std::filesystem::path& objects);

}  // namespace rewall::git
