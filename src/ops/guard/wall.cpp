#include "ops/guard/wall.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
#include <utmpx.h>

#include <cstring>
#include <filesystem>
#include <set>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "core/time.h"
#include "kernel/process.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kWallDeadline{5};

/// "pts/0", ...: where wall writes.
std::set<std::string> logged_in() {
  std::set<std::string> terminals;
  ::setutxent();
  while (const utmpx* entry = ::getutxent())
    if (entry->ut_type == USER_PROCESS)
      terminals.emplace(entry->ut_line, ::strnlen(entry->ut_line, sizeof entry->ut_line));
  ::endutxent();
  return terminals;
}

/// The pseudo-terminals of a user, and the one that the guard was armed on.
std::set<std::string> terminals_of(const Actor& actor) {
  std::set<std::string> terminals;
  if (!actor.tty.empty()) terminals.insert(actor.tty);
  const passwd* entry = ::getpwnam(actor.user.c_str());
  for (const auto& file : entries_in("/dev/pts")) {
    struct stat facts {};
    if (entry != nullptr && ::stat(file.path().c_str(), &facts) == 0 && facts.st_uid == entry->pw_uid)
      terminals.insert("pts/" + file.path().filename().string());
  }
  return terminals;
}

// Without waiting: a terminal that is stopped (Ctrl-S) must not stop the guard.
void write_to(const fs::path& device, const std::string& text) {
  const Fd fd(::open(device.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (fd && ::isatty(fd.get()) == 1) (void)!::write(fd.get(), text.data(), text.size());
}

}  // namespace

void notify_terminals(const std::string& text, const Actor& actor, bool loud) {
  const std::string words = escape(format("{} at {}: {}", host_name(), rfc3339(now()), text));
  ::syslog(LOG_MAKEPRI(LOG_DAEMON, loud ? LOG_ALERT : LOG_WARNING), "rewall: %s", words.c_str());
  const std::string line = format("\r\n\arewall: {}\r\n", words);
  const auto wall = find_program("wall");
  auto reached = wall.empty() ? std::set<std::string>{} : logged_in();
  if (!reached.empty()) {
    const auto told = run({.words = {wall}, .input = "rewall: " + words + "\n", .deadline = kWallDeadline},
                          ErrorKind::usage);
    if (!told || !told->ok()) reached.clear();
  }
  for (const auto& terminal : terminals_of(actor))
    if (!reached.contains(terminal)) write_to(fs::path("/dev") / terminal, line);
  if (loud) write_to("/dev/console", line);
}

}  // namespace rewall
