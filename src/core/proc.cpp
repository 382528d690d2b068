#include "core/proc.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr ino_t kInitialProcesses = 0xEFFFFFFC;  // PROC_PID_INIT_INO, linux/proc_ns.h

std::string proc_file(pid_t process, std::string_view name) {
  const auto text = read_file(format("/proc/{}/{}", process, name));
  return text ? *text : std::string{};
}

// Those of /proc/PID/stat: the name, which may hold anything, then state, parent, ...
std::vector<std::string> stat_words(pid_t process) {
  const auto stat = proc_file(process, "stat");
  const auto begin = stat.find('(');
  const auto end = stat.rfind(')');
  if (end == std::string::npos || begin > end) return {};
  std::vector<std::string> words{stat.substr(begin + 1, end - begin - 1)};
  for (const auto word : split(trim(std::string_view(stat).substr(end + 1)), ' ')) words.emplace_back(word);
  return words;
}

long number(const std::string& text) {
  long value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// devices.txt of the kernel: 4 are the consoles and serial lines, 136 to 143 the pseudo-terminals.
std::string tty_of(long device) {
  const auto major = ::major(static_cast<dev_t>(device));
  const auto minor = ::minor(static_cast<dev_t>(device));
  if (major >= 136 && major <= 143) return format("pts/{}", (major - 136) * 256 + minor);
  if (major == 4) return minor < 64 ? format("tty{}", minor) : format("ttyS{}", minor - 64);
  return {};
}

}  // namespace

std::optional<uid_t> user_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == UINT32_MAX) return std::nullopt;
  return value;
}

std::optional<Process> look_at_process(pid_t process) {
  const auto stat = stat_words(process);
  struct stat facts {};
  if (stat.size() < 6 || ::stat(format("/proc/{}", process).c_str(), &facts) != 0) return std::nullopt;
  return Process{.name = stat[0],
                 .parent = static_cast<pid_t>(number(stat[2])),
                 .login = user_number(trim(proc_file(process, "loginuid"))),
                 .user = facts.st_uid,
                 .tty = tty_of(number(stat[5])),
                 .words = command_words(proc_file(process, "cmdline"))};
}

bool lives(pid_t process) {
  if (::kill(process, 0) != 0 && errno == ESRCH) return false;
  const auto stat = stat_words(process);
  return stat.size() < 2 || (stat[1] != "Z" && stat[1] != "X");
}

std::vector<std::string> command_words(std::string_view line) {
  std::vector<std::string> words;
  for (const auto word : split(line, '\0')) words.emplace_back(word);
  while (!words.empty() && words.back().empty()) words.pop_back();
  return words;
}

std::optional<std::chrono::milliseconds> started(pid_t process) {
  constexpr std::size_t kStartTime = 20;  // in stat_words()
  const auto words = stat_words(process);
  const auto per_second = ::sysconf(_SC_CLK_TCK);
  std::int64_t ticks = 0;
  if (words.size() <= kStartTime || per_second <= 0) return std::nullopt;
  const auto& text = words[kStartTime];
  if (std::from_chars(text.data(), text.data() + text.size(), ticks).ec != std::errc{}) return std::nullopt;
  return std::chrono::milliseconds(ticks * 1000 / per_second);
}

pid_t parent_of(pid_t process) {
  const auto stat = stat_words(process);
  return stat.size() > 2 ? static_cast<pid_t>(number(stat[2])) : 0;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> processes;
  std::error_code failed;
  for (std::filesystem::directory_iterator entry("/proc", failed);
       !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
    const auto name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos)
      processes.push_back(static_cast<pid_t>(number(name)));
  }
  return processes;
}

std::set<std::string> sockets_of_process(pid_t process) {
  constexpr std::string_view kBegin = "socket:[";
  std::set<std::string> inodes;
  std::error_code failed;
  for (std::filesystem::directory_iterator open(format("/proc/{}/fd", process), failed);
       !failed && open != std::filesystem::directory_iterator(); open.increment(failed)) {
    std::error_code gone;
    const auto leads_to = std::filesystem::read_symlink(open->path(), gone).string();
    if (!gone && leads_to.starts_with(kBegin) && leads_to.ends_with(']'))
      inodes.insert(leads_to.substr(kBegin.size(), leads_to.size() - kBegin.size() - 1));
  }
  return inodes;
}

bool runs_in(const std::filesystem::path& folder, std::string_view name) {
  const auto processes = all_processes();
  for (const pid_t process : processes) {
    const std::filesystem::path entry = format("/proc/{}", process);
    const auto comm = read_file(entry / "comm");
    if (!comm || !comm->starts_with(name)) continue;
    std::error_code unseen;
    const auto place = std::filesystem::read_symlink(entry / "cwd", unseen).string();
    const auto words = read_file(entry / "cmdline");
    if (unseen || place.starts_with(folder.string()) ||
        (words && words->find(folder.string()) != std::string::npos))
      return true;
  }
  return processes.empty();
}

std::uint64_t network_of(pid_t process) {
  struct stat facts {};
  return ::stat(format("/proc/{}/ns/net", process).c_str(), &facts) == 0 ? facts.st_ino : 0;
}

bool sees_all_processes() {
  struct stat facts {};
  return ::stat("/proc/self/ns/pid", &facts) == 0 && facts.st_ino == kInitialProcesses;
}

std::string variable_of(pid_t process, std::string_view name) {
  const auto environment = proc_file(process, "environ");
  for (const auto entry : split(environment, '\0'))
    if (entry.starts_with(name) && entry.substr(name.size()).starts_with('='))
      return std::string(entry.substr(name.size() + 1));
  return {};
}

}  // namespace rewall
