#include "kernel/daemon.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr rlim_t kMiB = 1 << 20;

struct Limit {
  int resource = 0;
  rlim_t needed = 0;  ///< of what reads, stages and records a big ruleset
  rlim_t wanted = RLIM_INFINITY;
  const char* name = "";
  const char* unit = "";
};

constexpr std::array<Limit, 8> kLimits{
    {{RLIMIT_FSIZE, 64 * kMiB, RLIM_INFINITY, "file sizes (ulimit -f", " bytes"},
     {RLIMIT_NOFILE, 64, 4096, "open files (ulimit -n", ""},
     {RLIMIT_NPROC, 32, RLIM_INFINITY, "processes (ulimit -u", ""},
     {RLIMIT_AS, 256 * kMiB, RLIM_INFINITY, "memory (ulimit -v", " bytes"},
     {RLIMIT_DATA, 256 * kMiB, RLIM_INFINITY, "memory (ulimit -d", " bytes"},
     {RLIMIT_STACK, kMiB, 8 * kMiB, "the stack (ulimit -s", " bytes"},
     {RLIMIT_CPU, 600, RLIM_INFINITY, "processor time (ulimit -t", " s"},
     {RLIMIT_RTTIME, 60000000, RLIM_INFINITY, "real-time processor time (ulimit -R", " us"}}};

/// True where the process then has `least`, hard and soft.
bool raise_limit(int resource, rlim_t wanted, rlim_t least) {
  rlimit limit{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return true;
  const rlimit better{.rlim_cur = std::max(limit.rlim_cur, wanted),
                      .rlim_max = std::max(limit.rlim_max, wanted)};
  if (::setrlimit(static_cast<__rlimit_resource>(resource), &better) == 0) return true;
  // The hard limit is as far as it goes without CAP_SYS_RESOURCE.
  const rlimit all{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  (void)::setrlimit(static_cast<__rlimit_resource>(resource), &all);
  return limit.rlim_max >= least;
}

bool write_text(const std::string& path, std::string_view text) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// /proc/PID/cgroup has a line "NUMBER:CONTROLLERS:PATH" for each hierarchy (cgroups(7)).
std::string mount_of(std::string_view controllers) {
  if (!controllers.empty())
    return "/sys/fs/cgroup/" +
           std::string(controllers.starts_with("name=") ? controllers.substr(5) : controllers);
  return ::access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
}

template <class Visit>
void for_each_control_group(const std::string& process, const Visit& visit) {
  const auto groups = read_file("/proc/" + process + "/cgroup");
  if (!groups) return;
  for (const auto line : split_lines(*groups)) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    visit(mount_of(line.substr(first + 1, second - first - 1)), std::string(line.substr(second + 1)));
  }
}

bool is_frozen(const std::string& mount, const std::string& path) {
  const auto events = read_file(mount + path + "/cgroup.events");
  if (events && events->find("frozen 1") != std::string::npos) return true;
  const auto state = read_file(mount + path + "/freezer.state");
  return state && trim(*state) != "THAWED";
}

}  // namespace

void raise_limits() {
  for (const auto& limit : kLimits) raise_limit(limit.resource, limit.wanted, limit.needed);
}

void become_independent(bool vital) {
  raise_limits();
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < SIGRTMIN; ++number) ::signal(number, SIG_DFL);
  ::signal(SIGXFSZ, SIG_IGN);
  ::umask(S_IRWXG | S_IRWXO);
  constexpr sched_param kNoPriority{};
  ::sched_setscheduler(0, SCHED_OTHER, &kNoPriority);
  ::setpriority(PRIO_PROCESS, 0, 0);
  if (!vital || !write_text("/proc/self/oom_score_adj", "-900")) write_text("/proc/self/oom_score_adj", "0");
  // A service has limits and a control group of its own.
  if (std::getenv("INVOCATION_ID") != nullptr) return;
  for_each_control_group("self", [](const std::string& mount, const std::string& path) {
    if (path != "/") write_text(mount + "/cgroup.procs", "0");
  });
}

std::optional<std::string> limit_too_small() {
  for (const auto& limit : kLimits) {
    rlimit before{};
    if (::getrlimit(static_cast<__rlimit_resource>(limit.resource), &before) != 0) continue;
    const bool enough = raise_limit(limit.resource, limit.wanted, limit.needed);
    (void)::setrlimit(static_cast<__rlimit_resource>(limit.resource), &before);
    if (!enough) return format("the limit of {}, {}{})", limit.name, before.rlim_max, limit.unit);
  }
  return std::nullopt;
}

bool is_stopped(pid_t process) {
  const auto number = format("{}", process);
  const auto facts = read_file("/proc/" + number + "/stat");
  if (!facts) return false;
  // The name of the program, in brackets, may hold anything (proc(5)).
  const auto state = facts->rfind(") ");
  if (state != std::string::npos && state + 2 < facts->size() &&
      std::string_view("Tt").find((*facts)[state + 2]) != std::string_view::npos)
    return true;
  bool frozen = false;
  for_each_control_group(number, [&](const std::string& mount, const std::string& path) {
    frozen = frozen || is_frozen(mount, path);
  });
  return frozen;
}

}  // namespace rewall
