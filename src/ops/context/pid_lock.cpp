#include "ops/context/pid_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/file_lock.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/context/state_file.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLook{10};  // a look takes microseconds, unless its process has to wait

/// What stands in the lock: the process and the id of its work.
struct Said {
  std::string process{};
  std::string id{};
};

/// Always as long, so that a full disk is no matter.
bool write_said(const Fd& fd, std::string_view process, std::string_view id) {
  const auto text = format("{:<10} {:<20}\n", process, id);
  return ::pwrite(fd.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

Said read_said(const Fd& fd) {
  std::array<char, 32> text{};
  const ssize_t n = ::pread(fd.get(), text.data(), text.size(), 0);
  const std::string_view said(text.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  const auto process = said.substr(0, said.find(' '));
  return {std::string(process), std::string(trim(said.substr(process.size())))};
}

/// True when those that have the lock share it: they only look who is at work (PidLock::process).
bool only_looked_at(const Fd& fd) {
  if (::flock(fd.get(), LOCK_SH | LOCK_NB) != 0) return false;
  ::flock(fd.get(), LOCK_UN);
  return true;
}

}  // namespace

PidLock::~PidLock() {
  if (fd_) unlock_file(fd_.get());
}

std::optional<PidLock> PidLock::begin(const fs::path& path, const std::string& id,
                                      std::chrono::milliseconds wait) {
  make_way(path);
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return std::nullopt;
  int error = lock_file(fd.get(), wait);
  if (error == EWOULDBLOCK && only_looked_at(fd)) error = lock_file(fd.get(), kLook);
  if (error != 0) return std::nullopt;
  if (!write_said(fd, format("{}", ::getpid()), id)) return std::nullopt;
  return PidLock(std::move(fd));
}

pid_t PidLock::process(const fs::path& path, const std::string& id) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd || ::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return 0;
  const auto said = read_said(fd);
  pid_t process = 0;
  return said.id == id && read_number(said.process, process) ? process : 0;
}

}  // namespace rewall
