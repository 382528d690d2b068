#include "ops/person.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<uid_t> number(std::string_view text) {
  unsigned long value = 0;
  if (text.empty() || text.size() > 10) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned long>(c - '0');
  }
  constexpr unsigned long kUnset = 4294967295;  // no login: a service, or no audit in this kernel
  if (value >= kUnset) return std::nullopt;
  return static_cast<uid_t>(value);
}

std::string terminal() {
  for (const int fd : {STDIN_FILENO, STDERR_FILENO, STDOUT_FILENO}) {
    std::array<char, 128> name{};
    if (::ttyname_r(fd, name.data(), name.size()) == 0) return name.data();
  }
  return {};
}

uid_t responsible_user(const std::string& tty) {
  if (const auto file = read_file("/proc/self/loginuid")) {
    if (const auto uid = number(trim(*file))) return *uid;
  }
  if (const auto uid = number(variable("SUDO_UID"))) return *uid;
  struct stat facts {};
  if (!tty.empty() && ::stat(tty.c_str(), &facts) == 0) return facts.st_uid;
  return ::getuid();
}

/// 0 where it cannot be known.
pid_t parent_of(pid_t process) {
  const auto stat = read_file(format("/proc/{}/stat", process));
  if (!stat) return 0;
  // After the name, which may hold anything: state and parent (proc(5)).
  const auto words = split(std::string_view(*stat).substr(std::min(stat->rfind(')'), stat->size())), ' ');
  return words.size() > 2 ? static_cast<pid_t>(number(words[2]).value_or(0)) : 0;
}

}  // namespace

std::string ssh_connection() {
  if (auto own = variable("SSH_CONNECTION"); !own.empty()) return own;
  constexpr std::string_view kStart = "SSH_CONNECTION=";
  for (pid_t process = ::getppid(); process > 1; process = parent_of(process)) {
    const auto environment = read_file(format("/proc/{}/environ", process));
    if (!environment) continue;
    for (const auto entry : split(*environment, '\0'))
      if (entry.starts_with(kStart)) return std::string(entry.substr(kStart.size()));
  }
  return {};
}

std::string login_session() {
  if (const auto ssh = ssh_connection(); !ssh.empty()) return "ssh " + ssh;
  const auto audit = read_file("/proc/self/sessionid");
  if (audit && number(trim(*audit))) return format("audit {}", trim(*audit));
  return format("session {}", ::getsid(0));
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

std::string Actor::text() const {
  std::string out = user;
  for (const auto& part : {tty, address}) {
    if (!part.empty()) out += ", " + part;
  }
  return out;
}

Actor current_actor() {
  Actor actor;
  const auto tty = terminal();
  actor.tty = tty.starts_with("/dev/") ? tty.substr(5) : tty;
  const auto ssh = ssh_connection();
  actor.address = ssh.substr(0, ssh.find(' '));
  const uid_t uid = responsible_user(tty);
  if (const passwd* entry = ::getpwuid(uid)) {
    actor.user = entry->pw_name;
    const std::string_view gecos = entry->pw_gecos == nullptr ? "" : entry->pw_gecos;
    actor.person.name = gecos.substr(0, gecos.find(','));
  } else {
    actor.user = format("uid {}", uid);
  }
  if (actor.person.name.empty()) actor.person.name = actor.user;
  actor.person.email = format("{}@{}", actor.user, host_name());
  return actor;
}

}  // namespace rewall
