#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <span>
#include <system_error>

#include "core/file.h"
#include "core/file_lock.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/proc.h"
#include "core/text.h"
#include "store/host_branch.h"
#include "store/repository_impl.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFree = "free";

/// Every text has the same length: on a full disk it overwrites the one before.
void write_holder(int fd, std::string_view holder) {
  const std::string text = format("{:<15}\n", holder);
  // The flock is what counts; without the words only a message is poorer.
  if (::pwrite(fd, text.data(), text.size(), 0) < 0 || ::fdatasync(fd) != 0)
    log_debug("lock: cannot write the holder: {}", errno_text(errno));
}

std::string read_holder(int fd) {
  std::array<char, 16> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  return n > 0 ? std::string(trim(std::string_view(text.data(), static_cast<std::size_t>(n))))
               : std::string{};
}

/// How long a command waits for another one before it says so.
constexpr std::chrono::milliseconds kQuiet{1000};

Status wait_for(int fd, std::chrono::milliseconds wait, const fs::path& path) {
  int error = lock_file(fd, std::min(wait, kQuiet));
  if (error == EWOULDBLOCK && wait > kQuiet) {
    // A person wonders; a log does not.
    const auto holder = read_holder(fd);
    if (::isatty(STDERR_FILENO) == 1)
      log_warning("waiting for {}, which works in {}",
                  holder.empty() || holder == kFree ? "another process" : "process " + holder, path.string());
    error = lock_file(fd, wait - kQuiet);
  }
  if (error == EWOULDBLOCK) return error_of<messages::repository_locked>(path.string(), read_holder(fd));
  if (error != 0) return error_of<messages::repository_failed>(path.string(), errno_text(error));
  return {};
}

void remove_file(const fs::path& file) {
  std::error_code failed;
  if (fs::remove(file, failed)) log_info("{}: left by a process that was killed, removed", file.string());
}

/// Nobody who is alive takes so long to write a file.
constexpr std::chrono::minutes kOld{10};

std::chrono::seconds age_of(const fs::path& file) {
  struct stat facts {};
  if (::lstat(file.c_str(), &facts) != 0) return {};
  return std::chrono::seconds(std::max<std::int64_t>(0, now().seconds - facts.st_mtim.tv_sec));
}

bool is_old(const fs::path& file) {
  return age_of(file) > kOld;
}

std::vector<fs::path> find_git_locks(const fs::path& git) {
  std::vector<fs::path> locks;
  std::error_code failed;
  for (const char* name :
       {"HEAD.lock", "index.lock", "config.lock", "packed-refs.lock", "rewall/config.lock"})
    if (fs::exists(git / name, failed)) locks.push_back(git / name);
  for (const auto& entry : entries_below(git / "refs")) {
    if (entry.path().extension() == ".lock") locks.push_back(entry.path());
  }
  return locks;
}

/// Those whose git cannot be alive: they are old, and no git runs in this repository.
void remove_dead_locks(const fs::path& git) {
  auto locks = find_git_locks(git);
  std::erase_if(locks, [](const fs::path& lock) { return !is_old(lock); });
  std::error_code failed;
  const auto folder = fs::canonical(git.parent_path(), failed);
  if (locks.empty() || failed || runs_in(folder, "git")) return;
  for (const auto& lock : locks) {
    if (fs::remove(lock, failed)) log_warning("{}: left by a git that was killed, removed", lock.string());
  }
}

/// Removes the files of `folder` whose name `is_remains` accepts.
template <class IsRemains>
void remove_remains(const fs::path& folder, const IsRemains& is_remains) {
  std::vector<fs::path> remains;
  for (const auto& entry : entries_in(folder)) {
    if (is_remains(entry.path().filename().string())) remains.push_back(entry.path());
  }
  std::ranges::for_each(remains, remove_file);
}

/// Objects that were being written, by store/loose.cpp or by git (odb_loose.c).
bool is_object_remains(const std::string& name) {
  return name.starts_with("tmp_object");
}

template <class Names>
auto is_remains_of(const Names& files) {
  return [&files](const std::string& name) {
    return std::ranges::any_of(files, [&](std::string_view file) { return is_staged_name(name, file); }) &&
           std::ranges::find(files, name) == std::ranges::end(files);
  };
}

}  // namespace

Lock::~Lock() {
  if (!fd_ || to_mend_) return;
  write_holder(fd_.get(), kFree);
  unlock_file(fd_.get());
}

std::string Repository::lock_holder() const {
  const Fd fd(::open((state_path() / "lock").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  return fd ? read_holder(fd.get()) : std::string{};
}

std::vector<Repository::GitLock> Repository::git_locks() const {
  std::vector<GitLock> locks;
  for (const auto& path : find_git_locks(impl_->path / ".git")) locks.push_back({path, age_of(path)});
  return locks;
}

Result<Lock> Repository::lock(std::chrono::milliseconds wait,
                              std::span<const std::string_view> state_files) const {
  if (impl_->config_error) return *impl_->config_error;
  const fs::path path = state_path() / "lock";
  make_way(path);
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    const ErrorKind kind = errno == EACCES ? ErrorKind::permission : ErrorKind::repository;
    return Error{.kind = kind, .message = format("{}: {}", path.string(), errno_text(errno))};
  }
  TRY(wait_for(fd.get(), wait, impl_->path));
  const std::string last = read_holder(fd.get());
  write_holder(fd.get(), format("{}", ::getpid()));
  if (!last.empty() && last != kFree) {
    log_info("process {} was killed while it held the lock", last);
    const fs::path git = impl_->path / ".git";
    std::ranges::for_each(find_git_locks(git), remove_file);
    remove_remains(git / "objects", is_object_remains);
    remove_remains(impl_->path, is_remains_of(kRulesetFiles));
    remove_remains(state_path(), is_remains_of(state_files));
    if (auto mended = repair_work_tree(*this, impl_->repo.get()); !mended)
      log_warning("the work tree is behind: {}", mended.error().message);
  }
  const auto old = [](const fs::path& folder) {
    return [&folder](const std::string& name) { return is_staged_name(name) && is_old(folder / name); };
  };
  const fs::path state = state_path();
  for (const fs::path& folder : {state, impl_->path / ".git", impl_->path})
    remove_remains(folder, old(folder));
  remove_dead_locks(impl_->path / ".git");
  mend_branch(impl_->repo.get(), impl_->path, impl_->host);
  note_host(impl_->path, impl_->host);
  return Lock(std::move(fd));
}

}  // namespace rewall
