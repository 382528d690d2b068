#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "core/result.h"

namespace rewall {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

/// What stat(2) says, links followed. False where it fails, for whatever reason: the overloads of the
/// standard library without an error_code throw then (a loop of links, a name that is too long).
bool path_exists(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);
bool is_plain_file(const std::filesystem::path& path);

/// The path from the working directory on; as it is where that is gone.
std::filesystem::path absolute_path(const std::filesystem::path& path);

/// What a folder holds, in no order. What vanishes meanwhile is left out. `failed`: why the folder could not
/// be read, or not to its end; what was found before is returned. Never throws, which a loop over a
/// directory_iterator does when a folder cannot be read to its end.
std::vector<std::filesystem::directory_entry> entries_in(const std::filesystem::path& folder,
                                                         std::error_code& failed);
std::vector<std::filesystem::directory_entry> entries_in(const std::filesystem::path& folder);

/// The same with what the folders in it hold, themselves before that. Links are not followed. A folder below
/// that cannot be read is passed over; `failed` is then its reason, or that of the first of several.
std::vector<std::filesystem::directory_entry> entries_below(const std::filesystem::path& folder,
                                                            std::error_code& failed);
std::vector<std::filesystem::directory_entry> entries_below(const std::filesystem::path& folder);

/// The beginning of what waits at a descriptor, 4 KiB at most, which stays there for its reader: of a file, a
/// pipe or a socket; empty for others. Of the latter two it waits for a writer as long as `patience`.
std::string peek_input(int descriptor, std::chrono::milliseconds patience);

/// Reads a whole file. Errors are of kind usage and name the path and the reason.
Result<std::string> read_file(const std::filesystem::path& path);

/// Opens a file and never waits: a FIFO, a folder or a device in its place is refused. Absent where there is
/// no such file. Does not follow a link. `flags` as open(2). Errors are of kind repository.
Result<std::optional<Fd>> open_plain_file(const std::filesystem::path& path, int flags);
/// Reads a whole file so opened. Kind repository: it is not there, no plain file, or cannot be read.
Result<std::string> read_plain_file(const std::filesystem::path& path);

/// Reads an open descriptor (standard input, for example) to its end. Errors as read_file(), with `name`.
Result<std::string> read_all(int fd, std::string_view name);

/// The size above which a text is no firewall's: 256 MiB, ten times a set of a million members.
inline constexpr std::size_t kBiggestText = std::size_t{256} << 20;
/// read_all(), but no more than kBiggestText. Kind usage: there is more.
Result<std::string> read_text(int fd, std::string_view name);
/// Reads a file that a person names. Kind usage: it cannot be read, or is bigger than kBiggestText; with
/// Pipes::refused, it is no plain file.
enum class Pipes { refused, read };
Result<std::string> read_text(const std::filesystem::path& path, Pipes pipes);

/// Whether a file must survive a power failure.
enum class Sync { yes, no };

/// A new version of a file, written beside the old one and synced. commit() replaces the old file; without
/// commit() the destructor removes the new one. A process that is killed leaves the new one behind, under a
/// name that is_staged_name() recognises. Errors are of kind repository.
class StagedFile {
 public:
  static Result<StagedFile> write(const std::filesystem::path& path, std::string_view content, mode_t mode,
                                  Sync sync = Sync::yes);
  StagedFile(StagedFile&& other) noexcept;
  StagedFile& operator=(StagedFile&&) = delete;
  ~StagedFile();
  /// The file that commit() replaces.
  const std::filesystem::path& path() const { return path_; }
  /// Renames the new file over the old one and syncs the folder.
  Status commit();

 private:
  StagedFile(std::filesystem::path path, std::filesystem::path aside, Sync sync);
  std::filesystem::path path_;
  std::filesystem::path aside_;
  Sync sync_;
};

/// True when StagedFile may have written `file` under `name`: both are names without a folder.
bool is_staged_name(std::string_view name, std::string_view file);
/// The same for a file of any name.
bool is_staged_name(std::string_view name);

/// StagedFile::write and commit in one.
Status write_file(const std::filesystem::path& path, std::string_view content, mode_t mode,
                  Sync sync = Sync::yes);

/// Renames what stands in the place of a file that is to be written there, a folder or a FIFO, to
/// `PATH.unusable`, with a warning. Does nothing to a plain file.
void make_way(const std::filesystem::path& path);

/// The system's text for an errno: "No space left on device".
std::string errno_text(int error);

}  // namespace rewall
