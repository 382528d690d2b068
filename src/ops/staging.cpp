#include "ops/staging.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <thread>
#include <vector>

#include "core/format.h"
#include "store/repository.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPoll{20};
constexpr int kPolls = 250;

Error failed_at(const fs::path& path, int error) {
  const auto kind = error == EACCES || error == EPERM ? ErrorKind::permission : ErrorKind::repository;
  return {.kind = kind, .message = format("{}: {}", path.string(), errno_text(error))};
}

fs::path whole_path(const fs::path& path) {
  const auto whole = fs::absolute(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

// It is a mount point, or the only folder there that this user may write to.
bool has_to_stay(const fs::path& place) {
  struct statx facts {};
  if (::statx(AT_FDCWD, place.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &facts) != 0) return false;
  return (facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 ||
         ::access(place.parent_path().c_str(), W_OK) != 0;
}

// A git that was killed with its rewall may still be at its last file.
bool empty_folder(const fs::path& folder) {
  for (int i = 0; i < kPolls; ++i) {
    std::error_code failed;
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(folder, failed)) inside.push_back(entry.path());
    if (!failed && inside.empty()) return true;
    if (i > 0) std::this_thread::sleep_for(kPoll);
    for (const auto& path : inside) fs::remove_all(path, failed);
  }
  return false;
}

}  // namespace

Staging::Staging(const fs::path& place)
    : place_(whole_path(place)),
      path_(has_to_stay(place_) ? place_
                                : place_.parent_path() / ("." + place_.filename().string() + ".clone")) {}

Result<Staging> Staging::begin(const fs::path& place) {
  Staging staging(place);
  if (auto good = Repository::check_place(place); !good) return std::move(good).error();
  const auto& path = staging.path_;
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  if (failed) return failed_at(path.parent_path(), failed.value());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return failed_at(path, errno);
  Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return failed_at(path, errno);
  if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0)
    return Error{.kind = ErrorKind::repository,
                 .message = format("{}: another rewall is cloning it", staging.place_.string())}
        .hinted("wait until it is done");
  if (!empty_folder(path)) return failed_at(path, ENOTEMPTY);
  staging.lock_ = std::move(folder);
  return staging;
}

Staging::~Staging() {
  if (!lock_) return;
  std::error_code ignored;
  if (empty_folder(path_) && path_ != place_) fs::remove(path_, ignored);
}

Status Staging::take_place() {
  if (path_ != place_ && ::rename(path_.c_str(), place_.c_str()) != 0) return failed_at(place_, errno);
  lock_.reset();
  return {};
}

}  // namespace rewall
