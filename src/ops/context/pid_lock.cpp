#include "ops/context/pid_lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <thread>

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

std::string PidLock::await(const fs::path& path, const std::string& id, pid_t child) {
  constexpr std::chrono::seconds kStartDeadline{30};  // with the lowest priority on a busy machine
  constexpr std::chrono::milliseconds kStartPoll{5};
  const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
  while (process(path, id) == 0) {
    int status = 0;
    if (child != 0 && ::waitpid(child, &status, WNOHANG) == child)
      return WIFEXITED(status) ? format("exit status {}", WEXITSTATUS(status)) : "it was killed";
    if (std::chrono::steady_clock::now() > deadline) return "it says nothing";
    std::this_thread::sleep_for(kStartPoll);
  }
  return {};
}

void PidLock::end_process(const fs::path& path, const std::string& id) {
  constexpr int kWait = 2000;  // milliseconds
  const pid_t known = process(path, id);
  if (known == 0) return;
  const Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, known, 0)));
  // The number may be another process's by now; that which the handle has is not reused.
  if (!handle || process(path, id) != known) return;
  if (::syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0) != 0) return;
  pollfd gone{.fd = handle.get(), .events = POLLIN, .revents = 0};
  ::poll(&gone, 1, kWait);
}

}  // namespace rewall
