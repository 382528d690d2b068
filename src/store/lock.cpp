#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <system_error>
#include <thread>

#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "store/repository_impl.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPoll{20};
constexpr std::string_view kFree = "free";

/// Always as long, so that on a full disk it is written over what stands there.
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

Status wait_for(int fd, std::chrono::milliseconds wait, const fs::path& path) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return Error{.kind = ErrorKind::repository,
                   .message = format("{}: {}", path.string(), errno_text(errno))};
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero())
      return Error{
          .kind = ErrorKind::repository,
          .message = format("{}: another rewall is working (process {})", path.string(), read_holder(fd))}
          .hinted("wait until it is done, or give it longer: rewall config lock.wait 60s");
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, kPoll));
  }
  return {};
}

void remove_file(const fs::path& file) {
  std::error_code failed;
  if (fs::remove(file, failed)) log_info("{}: left by a process that was killed, removed", file.string());
}

void remove_git_locks(const fs::path& git) {
  for (const char* name :
       {"HEAD.lock", "index.lock", "config.lock", "packed-refs.lock", "rewall/config.lock"})
    remove_file(git / name);
  std::vector<fs::path> locks;
  std::error_code failed;
  for (const auto& entry : fs::recursive_directory_iterator(git / "refs", failed)) {
    if (entry.path().extension() == ".lock") locks.push_back(entry.path());
  }
  std::ranges::for_each(locks, remove_file);
}

/// Objects that libgit2 was writing (odb_loose.c), and files of ours that never took their place.
bool is_aside(const std::string& name) {
  if (name.starts_with("tmp_object")) return true;
  return std::ranges::any_of(kGenerated, [&](std::string_view of) {
    return name.size() == of.size() + 7 && name.starts_with(of) && name[of.size()] == '.' &&
           std::ranges::find(kGenerated, name) == kGenerated.end();
  });
}

/// The same below .git/rewall.
bool is_state_aside(const std::string& name) {
  return std::ranges::any_of(std::array<std::string_view, 2>{"journal.", "seen."}, [&](std::string_view of) {
    return name.size() == of.size() + 6 && name.starts_with(of);
  });
}

void remove_asides(const fs::path& folder, bool (*aside)(const std::string&) = is_aside) {
  std::vector<fs::path> asides;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (aside(entry.path().filename().string())) asides.push_back(entry.path());
  }
  std::ranges::for_each(asides, remove_file);
}

}  // namespace

Lock::~Lock() {
  if (!fd_ || to_mend_) return;
  write_holder(fd_.get(), kFree);
  // A process that was forked meanwhile has the descriptor too: to close this one alone gives nothing back.
  ::flock(fd_.get(), LOCK_UN);
}

std::string Repository::lock_holder() const {
  const Fd fd(::open((state_path() / "lock").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  return fd ? read_holder(fd.get()) : std::string{};
}

Result<Lock> Repository::lock(std::chrono::milliseconds wait) const {
  const fs::path path = state_path() / "lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    const ErrorKind kind = errno == EACCES ? ErrorKind::permission : ErrorKind::repository;
    return Error{.kind = kind, .message = format("{}: {}", path.string(), errno_text(errno))};
  }
  TRY(wait_for(fd.get(), wait, parts_->path));
  const std::string last = read_holder(fd.get());
  write_holder(fd.get(), format("{}", ::getpid()));
  if (!last.empty() && last != kFree) {
    log_info("process {} was killed while it held the lock", last);
    const fs::path git = parts_->path / ".git";
    remove_git_locks(git);
    remove_asides(git / "objects");
    remove_asides(parts_->path);
    remove_asides(state_path(), is_state_aside);
    if (auto mended = mend_work_tree(*this, parts_->repo.get()); !mended)
      log_warning("the work tree is behind: {}", mended.error().message);
  }
  return Lock(std::move(fd));
}

}  // namespace rewall
