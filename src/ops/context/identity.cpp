#include "ops/context/identity.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmpx.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
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

std::string terminal() {
  for (const int fd : {STDIN_FILENO, STDERR_FILENO, STDOUT_FILENO}) {
    std::array<char, 128> name{};
    if (::ttyname_r(fd, name.data(), name.size()) == 0) return name.data();
  }
  return {};
}

uid_t responsible_user(const std::string& tty) {
  if (const auto file = read_file("/proc/self/loginuid")) {
    if (const auto uid = user_number(trim(*file))) return *uid;
  }
  if (const auto uid = user_number(variable("SUDO_UID"))) return *uid;
  struct stat facts {};
  if (!tty.empty() && ::stat(tty.c_str(), &facts) == 0) return facts.st_uid;
  return ::getuid();
}

// That of the nearest process, itself or above it, which has it.
std::string ssh_connection_of(pid_t process) {
  for (; process > 1; process = parent_of(process))
    if (auto found = variable_of(process, "SSH_CONNECTION"); !found.empty()) return found;
  return {};
}

// Whoever starts a program chooses its environment.
std::string address_in(std::string_view ssh) {
  const auto address = ssh.substr(0, ssh.find(' '));
  return address.empty() ? "" : format("{} (perhaps)", address);
}

// Where the login on a terminal comes from, as it was noted (utmp(5)).
std::string noted_address(const std::string& tty) {
  std::string address;
  ::setutxent();
  while (const utmpx* entry = ::getutxent())
    if (entry->ut_type == USER_PROCESS &&
        tty == std::string_view(entry->ut_line, ::strnlen(entry->ut_line, sizeof entry->ut_line)))
      address.assign(entry->ut_host, ::strnlen(entry->ut_host, sizeof entry->ut_host));
  ::endutxent();
  return address;
}

void name_person(Actor& actor, uid_t uid) {
  if (const passwd* entry = ::getpwuid(uid)) {
    actor.user = entry->pw_name;
    const std::string_view gecos = entry->pw_gecos == nullptr ? "" : entry->pw_gecos;
    actor.person.name = gecos.substr(0, gecos.find(','));
  } else {
    actor.user = format("uid {}", uid);
  }
  if (actor.person.name.empty()) actor.person.name = actor.user;
  actor.person.email = format("{}@{}", actor.user, host_name());
}

}  // namespace

std::string ssh_connection() {
  auto own = variable("SSH_CONNECTION");
  return own.empty() ? ssh_connection_of(::getppid()) : own;
}

std::string login_session() {
  if (const auto ssh = ssh_connection(); !ssh.empty()) return "ssh " + ssh;
  const auto audit = read_file("/proc/self/sessionid");
  if (audit && user_number(trim(*audit))) return format("audit {}", trim(*audit));
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
  if (!actor.tty.empty()) actor.address = noted_address(actor.tty);
  if (actor.address.empty()) actor.address = address_in(ssh_connection());
  name_person(actor, responsible_user(tty));
  return actor;
}

Actor actor_of(const Process& process) {
  Actor actor{.tty = process.tty};
  const auto uid = process.login ? process.login : process.user;
  if (!uid) return nobody();
  name_person(actor, *uid);
  if (!actor.tty.empty()) actor.address = noted_address(actor.tty);
  if (actor.address.empty() && process.parent > 1)
    actor.address = address_in(ssh_connection_of(process.parent));
  return actor;
}

Actor nobody() {
  return {.person = {.name = "unknown", .email = "unknown@" + host_name()}};
}

}  // namespace rewall
