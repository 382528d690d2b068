#include "ops/remote/clone_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "store/repository.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

Error failed_at(const fs::path& path, int error) {
  const auto kind = error == EACCES || error == EPERM ? ErrorKind::permission : ErrorKind::repository;
  return {.kind = kind, .message = format("{}: {}", path.string(), errno_text(error))};
}

fs::path whole_path(const fs::path& path) {
  const auto whole = absolute_path(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

std::string name_prefix(const fs::path& place) {
  return format(".{}.clone-", place.filename().string());
}

Fd locked(const fs::path& folder) {
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.reset();
  return fd;
}

// A repository of rewall that this user alone can read.
bool is_ours(const fs::path& folder) {
  struct stat facts {};
  std::error_code failed;
  return ::lstat(folder.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == ::geteuid() &&
         (facts.st_mode & 077) == 0 && fs::is_directory(folder / ".git/rewall", failed);
}

void remove_left_folders(const fs::path& place) {
  std::error_code failed;
  for (const auto& entry : entries_in(place.parent_path())) {
    if (!entry.path().filename().string().starts_with(name_prefix(place)) || !is_ours(entry.path())) continue;
    const auto lock = locked(entry.path());
    if (!lock) continue;
    log_info("{}: removed, a killed clone left it", entry.path().string());
    fs::remove_all(entry.path(), failed);
  }
}

}  // namespace

Result<CloneFolder> CloneFolder::begin(const fs::path& place) {
  CloneFolder folder(whole_path(place));
  TRY(Repository::check_place(place));
  std::error_code failed;
  if (fs::exists(folder.place_, failed)) {
    folder.path_ = folder.place_;
  } else {
    const auto parent = folder.place_.parent_path();
    fs::create_directories(parent, failed);
    if (failed) return failed_at(parent, failed.value());
    remove_left_folders(folder.place_);
    auto path = (parent / (name_prefix(folder.place_) + "XXXXXX")).string();
    if (::mkdtemp(path.data()) == nullptr) return failed_at(path, errno);
    folder.path_ = path;
  }
  folder.lock_ = locked(folder.path_);
  if (folder.lock_) return folder;
  if (errno != EWOULDBLOCK) return failed_at(folder.path_, errno);
  return error_of<messages::clone_running>(folder.place_.string());
}

CloneFolder::~CloneFolder() {
  if (!lock_) return;
  std::error_code ignored;
  if (path_ != place_) {
    fs::remove_all(path_, ignored);
  } else {
    fs::remove_all(path_ / ".git", ignored);
  }
}

Status CloneFolder::take_place() {
  if (path_ != place_ && ::rename(path_.c_str(), place_.c_str()) != 0) return failed_at(place_, errno);
  lock_.reset();
  return {};
}

}  // namespace rewall
