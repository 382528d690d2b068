#include "kill/tracer.h"

#include <fcntl.h>
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
#include <set>
#include <stdexcept>
#include <string_view>

namespace rewall {
namespace {

constexpr int kSystemCallStop = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD

[[noreturn]] void run_traced(std::vector<char*> words) {
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, standard);
  // The leak checker works by ptrace itself.
  ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
  ::raise(SIGSTOP);
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

/// The call that a stopped thread is about to make; number -1 where it comes back from one.
Call call_of(pid_t thread) {
  __ptrace_syscall_info info{};
  Call call{.number = -1};
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_ENTRY)
    return call;
  call.number = static_cast<long>(info.entry.nr);
  if (call.number == SYS_unlink || call.number == SYS_rename)
    call.path = read_string(thread, info.entry.args[0]);
  if (call.number == SYS_openat) {
    call.path = read_string(thread, info.entry.args[1]);
    call.flags = info.entry.args[2];
  }
  if (call.number == SYS_clone) call.flags = info.entry.args[0];
  if (call.number == SYS_clone3) read(thread, info.entry.args[0], &call.flags, sizeof call.flags);
  return call;
}

/// Waits for the program and all that it left.
void reap_all(pid_t process, Traced& traced) {
  int status = 0;
  for (pid_t ended = 0; ended >= 0 || errno == EINTR;) {
    ended = ::waitpid(-1, &status, __WALL);
    if (ended == process && WIFEXITED(status)) traced.status = WEXITSTATUS(status);
  }
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
  ::ptrace(PTRACE_SETOPTIONS, process, nullptr,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
  ::ptrace(PTRACE_SYSCALL, process, nullptr, nullptr);
  std::set<pid_t> threads{process};
  while (true) {
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0 && errno == EINTR) continue;
    if (thread < 0) return traced;
    if (!WIFSTOPPED(status)) {
      if (thread != process) continue;
      if (WIFEXITED(status)) traced.status = WEXITSTATUS(status);
      reap_all(process, traced);
      return traced;
    }
    long signal = 0;
    if (WSTOPSIG(status) == kSystemCallStop) {
      const Call call = call_of(thread);
      if (call.number >= 0) {
        ++traced.calls;
        if (!visit(call)) {
          traced.killed = true;
          ::kill(process, SIGKILL);
          reap_all(process, traced);
          return traced;
        }
      }
    } else if (!threads.insert(thread).second && status >> 16 == 0) {
      signal = WSTOPSIG(status);  // neither an event nor a new thread's first stop
    }
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, signal);
  }
}

bool has_effect(const Call& call) {
  static const std::set<long> kPrivate{SYS_access,
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
  // A file without a name (O_TMPFILE) nobody else sees.
  if (call.number == SYS_openat) return (call.flags & (O_CREAT | O_TRUNC)) != 0;
  if (call.number == SYS_clone || call.number == SYS_clone3) return (call.flags & CLONE_THREAD) == 0;
  return !kPrivate.contains(call.number);
}

}  // namespace rewall
