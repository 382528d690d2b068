#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "store/git.h"

namespace rewall::git {

/// A loose object as it stands in its file (gitformat-loose(5): zlib, then "TYPE SIZE", NUL, content).
struct LooseObject {
  git_object_t type = GIT_OBJECT_INVALID;
  std::size_t size = 0;
  std::string content{};
};

/// How much of an object is wanted: its type and size alone, or all of it, which zlib's checksum proves
/// whole.
enum class Extent { header, whole };

/// Reads the loose object `id`; nothing when there is none, an error of kind repository when it is damaged.
/// Of one of more than `biggest` bytes, type and size alone.
Result<std::optional<LooseObject>> read_loose(const std::filesystem::path& objects, const git_oid& id,
                                              Extent extent,
                                              std::size_t biggest = std::numeric_limits<std::size_t>::max());

/// A blob, packed or loose, without the proof of its hash that libgit2 makes whenever it reads one: that
/// takes five times as long as the reading. Nothing where it cannot be read so.
std::optional<std::string> read_unproved(git_repository* repo, const git_oid& id);

/// The hash of a blob. What git_odb_hash says, in a tenth of the time: it looks for no traces of a forged
/// collision, which is for what comes from elsewhere, and `git fetch` does so.
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
