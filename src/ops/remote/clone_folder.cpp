#include "ops/remote/clone_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/format.h"
#include "core/log.h"
#include "store/repository.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

Error failed_at(const fs::path& path, int error) {
  const auto kind = error == EACCES || error == EPERM ? ErrorKind::permission : ErrorKind::repository;
  return {.kind = kind, .message = format("{}: {}", path.string(), errno_text(error))};
}

fs::path whole_path(const fs::path& path) {
  const auto whole = fs::absolute(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

std::string beginning(const fs::path& place) {
  return format(".{}.clone-", place.filename().string());
}

Fd locked(const fs::path& folder) {
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.reset();
  return fd;
}

// Made by this user alone, and a repository of rewall.
bool is_ours(const fs::path& folder) {
  struct stat facts {};
  std::error_code failed;
  return ::lstat(folder.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == ::geteuid() &&
         (facts.st_mode & 077) == 0 && fs::is_directory(folder / ".git/rewall", failed);
}

void remove_left(const fs::path& place) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(place.parent_path(), failed)) {
    if (!entry.path().filename().string().starts_with(beginning(place)) || !is_ours(entry.path())) continue;
    const auto lock = locked(entry.path());
    if (!lock) continue;
    log_info("{}: left by a clone that was killed, removed", entry.path().string());
    fs::remove_all(entry.path(), failed);
  }
}

}  // namespace

Result<CloneFolder> CloneFolder::begin(const fs::path& place) {
  CloneFolder staging(whole_path(place));
  TRY(Repository::check_place(place));
  std::error_code failed;
  if (fs::exists(staging.place_, failed)) {
    staging.path_ = staging.place_;
  } else {
    const auto parent = staging.place_.parent_path();
    fs::create_directories(parent, failed);
    if (failed) return failed_at(parent, failed.value());
    remove_left(staging.place_);
    auto path = (parent / (beginning(staging.place_) + "XXXXXX")).string();
    if (::mkdtemp(path.data()) == nullptr) return failed_at(path, errno);
    staging.path_ = path;
  }
  staging.lock_ = locked(staging.path_);
  if (staging.lock_) return staging;
  if (errno != EWOULDBLOCK) return failed_at(staging.path_, errno);
  return Error{.kind = ErrorKind::repository,
               .message = format("{}: another rewall is cloning it", staging.place_.string())}
      .hinted("wait until it is done");
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
