#include "ops/context/systemd.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"

namespace rewall {
namespace {

std::string_view environment_value(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view{} : value;
}

}  // namespace

void notify_manager(std::string_view lines) {
  const auto path = environment_value("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || path.size() >= sizeof address.sun_path) return;
  path.copy(address.sun_path, path.size());
  if (path.starts_with('@')) address.sun_path[0] = '\0';
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  (void)::sendto(socket.get(), lines.data(), lines.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), size);
}

std::optional<std::chrono::milliseconds> watchdog_interval() {
  const auto process = environment_value("WATCHDOG_PID");
  if (!process.empty() && process != format("{}", ::getpid())) return std::nullopt;
  const auto text = environment_value("WATCHDOG_USEC");
  std::int64_t microseconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), microseconds);
  if (error != std::errc{} || end != text.data() + text.size() || microseconds <= 0) return std::nullopt;
  return std::chrono::milliseconds(std::max<std::int64_t>(microseconds / 2000, 1));
}

bool at_systemd() {
  if (!path_exists("/run/systemd/system")) return false;
  std::error_code failed;
  const auto ours = std::filesystem::read_symlink("/proc/self/ns/net", failed);
  return !failed && ours == std::filesystem::read_symlink("/proc/1/ns/net", failed) && !failed;
}

bool start_unit(std::vector<std::string> options, const Command& command) {
  constexpr std::chrono::seconds kDeadline{10};
  const auto program = at_systemd() ? find_program("systemd-run") : "";
  if (program.empty()) return false;
  std::vector<std::string> words{program, "--quiet", "--collect"};
  std::ranges::move(options, std::back_inserter(words));
  for (const auto& variable : command.environment) words.push_back("--setenv=" + variable);
  words.emplace_back("--");
  words.insert(words.end(), command.words.begin(), command.words.end());
  const auto outcome = run({.words = words, .deadline = kDeadline}, ErrorKind::repository);
  if (outcome && outcome->ok()) return true;
  log_info("{}", outcome ? outcome->text() : outcome.error().message);
  return false;
}

void stop_unit(const std::string& name) {
  constexpr std::chrono::seconds kDeadline{10};
  const auto program = at_systemd() ? find_program("systemctl") : "";
  if (program.empty()) return;
  (void)run({.words = {program, "--quiet", "--no-block", "stop", name}, .deadline = kDeadline},
            ErrorKind::refused);
}

std::string environment_file(const std::vector<std::string>& variables) {
  std::string text;
  for (const auto& variable : variables) {
    const auto value = variable.find('=') + 1;
    text += variable.substr(0, value) + '"';
    for (const char c : variable.substr(value)) {
      if (std::string_view("\"\\`$").find(c) != std::string_view::npos) text += '\\';
      text += c;
    }
    text += "\"\n";
  }
  return text;
}

}  // namespace rewall
