#include "kernel/trouble.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "core/file.h"
#include "core/format.h"
#include "core/proc.h"
#include "core/text.h"

namespace rewall {
namespace {

// Programs get a clean environment, so that XTABLES_LOCKFILE names no other.
constexpr const char* kXtablesLock = "/run/xtables.lock";

/// The process that holds an flock(2) on the file with these facts, by /proc/locks (proc(5)); 0 where it is
/// not shown: "1: FLOCK  ADVISORY  WRITE 812 00:19:45 0 EOF".
pid_t holder_of(const struct stat& facts) {
  const auto wanted = format("{:02x}:{:02x}:{}", major(facts.st_dev), minor(facts.st_dev), facts.st_ino);
  const auto locks = read_file("/proc/locks");
  if (!locks) return 0;
  for (const auto line : split_lines(*locks)) {
    std::vector<std::string_view> words;
    for (const auto word : split(line, ' '))
      if (!word.empty()) words.push_back(word);
    pid_t process = 0;
    if (words.size() < 6 || words[1] != "FLOCK" || words[5] != wanted) continue;
    std::from_chars(words[4].data(), words[4].data() + words[4].size(), process);
    if (process > 0) return process;
  }
  return 0;
}

std::optional<std::string> xtables_lock_held() {
  const Fd fd(::open(kXtablesLock, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd || ::flock(fd.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return std::nullopt;
  struct stat facts {};
  const pid_t process = ::fstat(fd.get(), &facts) == 0 ? holder_of(facts) : 0;
  const auto known = process > 0 ? look_at_process(process) : std::nullopt;
  if (!known) return "a process that cannot be seen holds the xtables lock (/run/xtables.lock)";
  return format("'{}' (process {}) holds the xtables lock", escape(known->name), process);
}

std::optional<std::string> no_process() {
  const pid_t child = _Fork();
  if (child == 0) _exit(0);
  if (child < 0) return format("no process can be started ({})", errno_text(errno));
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> passing_trouble() {
  auto trouble = no_process();
  return trouble ? trouble : xtables_lock_held();
}

bool kernel_has_ipv6() {
  const Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return socket || errno != EAFNOSUPPORT;
}

}  // namespace rewall
