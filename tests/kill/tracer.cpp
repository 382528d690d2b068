#include "kill/tracer.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

namespace rewall {
namespace {

constexpr int kSeccompStop = SIGTRAP | (PTRACE_EVENT_SECCOMP << 8);

/// Calls that has_effect() says false of, whatever their arguments are.
const std::set<long>& private_calls();

/// Stops the caller, and what it starts, before calls that may have an effect: seccomp(2). To stop before and
/// behind every call would take a hundred times as long.
void filter_calls() {
  std::vector<sock_filter> code;
  const auto add = [&](unsigned op, std::uint32_t value, std::uint8_t yes = 0, std::uint8_t no = 0) {
    code.push_back({.code = static_cast<std::uint16_t>(op), .jt = yes, .jf = no, .k = value});
  };
  const auto load = [&](std::size_t offset) {
    add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  };
  const auto returns = [&](std::uint32_t action) { add(BPF_RET | BPF_K, action); };
  load(offsetof(seccomp_data, nr));
  for (const long number : private_calls()) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1);
    returns(SECCOMP_RET_ALLOW);
  }
  add(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3);
  load(offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t));
  add(BPF_JMP | BPF_JSET | BPF_K, O_CREAT | O_TRUNC, 1, 0);
  returns(SECCOMP_RET_ALLOW);
  returns(SECCOMP_RET_TRACE);
  const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(126);
}

[[noreturn]] void run_traced(std::vector<char*> words) {
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, standard);
  // The leak checker works by ptrace itself.
  ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
  ::raise(SIGSTOP);
  filter_calls();
  ::execv(words[0], words.data());
  ::_exit(127);
}

/// Of another process's memory; how much of it could be read.
ssize_t read(pid_t thread, std::uint64_t address, void* to, std::size_t size) {
  const iovec here{.iov_base = to, .iov_len = size};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of another process
  const iovec there{.iov_base = reinterpret_cast<void*>(address), .iov_len = size};
  return ::process_vm_readv(thread, &here, 1, &there, 1, 0);
}

std::string read_string(pid_t thread, std::uint64_t address) {
  std::array<char, 512> text{};
  const std::size_t room = text.size() - 1;
  if (read(thread, address, text.data(), room) > 0) return text.data();
  // It ends before an unmapped page.
  return read(thread, address, text.data(), std::min(room, 4096 - address % 4096)) > 0 ? text.data() : "";
}

/// The call that a stopped thread is about to make.
Call call_of(pid_t thread) {
  __ptrace_syscall_info info{};
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_SECCOMP)
    throw std::runtime_error("PTRACE_GET_SYSCALL_INFO");
  const auto& args = info.seccomp.args;
  Call call{.number = static_cast<long>(info.seccomp.nr)};
  if (call.number == SYS_unlink || call.number == SYS_rename) call.path = read_string(thread, args[0]);
  if (call.number == SYS_openat) {
    call.path = read_string(thread, args[1]);
    call.flags = args[2];
  }
  if (call.number == SYS_clone) call.flags = args[0];
  if (call.number == SYS_clone3) read(thread, args[0], &call.flags, sizeof call.flags);
  return call;
}

bool is_thread_of(pid_t process, pid_t thread) {
  std::error_code failed;
  return std::filesystem::exists("/proc/" + std::to_string(process) + "/task/" + std::to_string(thread),
                                 failed);
}

}  // namespace

Traced trace(const std::vector<std::string>& words, const std::function<bool(const Call&)>& visit) {
  // What the program leaves becomes ours.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t process = ::fork();
  if (process < 0) throw std::runtime_error("fork");
  if (process == 0) run_traced(argv);

  Traced traced;
  int status = 0;
  if (::waitpid(process, &status, __WALL) != process || !WIFSTOPPED(status))
    throw std::runtime_error("ptrace");
  // The programs that it starts have its filter, which fails their calls unless somebody traces them.
  ::ptrace(PTRACE_SETOPTIONS, process, nullptr,
           PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
               PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
  ::ptrace(PTRACE_CONT, process, nullptr, nullptr);
  std::map<pid_t, bool> threads{{process, true}};  // of the program, or of what it started
  while (true) {
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0 && errno == EINTR) continue;
    if (thread < 0) return traced;
    if (!WIFSTOPPED(status)) {
      if (thread == process && WIFEXITED(status)) traced.status = WEXITSTATUS(status);
      threads.erase(thread);
      continue;
    }
    const auto [known, first] = threads.try_emplace(thread, false);
    if (first) known->second = is_thread_of(process, thread);
    long signal = 0;
    if (status >> 8 == kSeccompStop) {
      if (known->second && !traced.killed) {
        const Call call = call_of(thread);
        if (has_effect(call) && !visit(call)) {
          traced.killed = true;
          ::kill(process, SIGKILL);
          continue;
        }
      }
    } else if (!first && status >> 16 == 0) {
      signal = WSTOPSIG(status);  // neither an event nor a new thread's first stop
    }
    ::ptrace(PTRACE_CONT, thread, nullptr, signal);
  }
}

namespace {

const std::set<long>& private_calls() {
  static const std::set<long> all{SYS_access,
                                  SYS_arch_prctl,
                                  SYS_bind,
                                  SYS_brk,
                                  SYS_capget,
                                  SYS_clock_gettime,
                                  SYS_clock_nanosleep,
                                  SYS_close,
                                  SYS_exit,
                                  SYS_faccessat,
                                  SYS_faccessat2,
                                  SYS_fcntl,
                                  SYS_fdatasync,
                                  SYS_fstat,
                                  SYS_fsync,
                                  SYS_futex,
                                  SYS_getcwd,
                                  SYS_getdents64,
                                  SYS_getegid,
                                  SYS_geteuid,
                                  SYS_getgid,
                                  SYS_getpid,
                                  SYS_getppid,
                                  SYS_getrandom,
                                  SYS_getsockname,
                                  SYS_getsockopt,
                                  SYS_gettid,
                                  SYS_getuid,
                                  SYS_lseek,
                                  SYS_lstat,
                                  SYS_madvise,
                                  SYS_memfd_create,
                                  SYS_mmap,
                                  SYS_mprotect,
                                  SYS_mremap,
                                  SYS_munmap,
                                  SYS_newfstatat,
                                  SYS_pidfd_open,
                                  SYS_pipe2,
                                  SYS_poll,
                                  SYS_pread64,
                                  SYS_prlimit64,
                                  SYS_read,
                                  SYS_readlink,
                                  SYS_recvfrom,
                                  SYS_recvmsg,
                                  SYS_rseq,
                                  SYS_rt_sigaction,
                                  SYS_rt_sigprocmask,
                                  SYS_rt_sigreturn,
                                  SYS_sched_getaffinity,
                                  SYS_sched_yield,
                                  SYS_set_robust_list,
                                  SYS_set_tid_address,
                                  SYS_setns,
                                  SYS_setsockopt,
                                  SYS_sigaltstack,
                                  SYS_socket,
                                  SYS_stat,
                                  SYS_statfs,
                                  SYS_statx,
                                  SYS_sysinfo,
                                  SYS_umask,
                                  SYS_uname,
                                  SYS_unshare,
                                  SYS_wait4};
  return all;
}

}  // namespace

bool has_effect(const Call& call) {
  // A file without a name (O_TMPFILE) nobody else sees.
  if (call.number == SYS_openat) return (call.flags & (O_CREAT | O_TRUNC)) != 0;
  if (call.number == SYS_clone || call.number == SYS_clone3) return (call.flags & CLONE_THREAD) == 0;
  return !private_calls().contains(call.number);
}

}  // namespace rewall
