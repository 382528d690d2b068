#include "kernel/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"

namespace rewall {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kSystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr int kPipeSize = 1 << 20;
constexpr std::size_t kReadSize = 1 << 16;
constexpr int kReads = 16;              // one after the other; then the deadline is looked at
constexpr std::size_t kSaid = 1 << 16;  // of the beginning of standard error, and of its end
constexpr int kGivesWay = 10;           // of nice(1)

std::atomic<int> handed_on{-1};

struct Pipe {
  Fd read{};
  Fd write{};
};

/// Descriptors 0, 1 and 2 are the child's: ours must not be among them, should our own be closed.
Fd above_standard(int fd) {
  Fd owned(fd);
  if (fd < 0 || fd > STDERR_FILENO) return owned;
  return Fd(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

bool open_pipe(Pipe& pipe) {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return false;
  pipe.read = above_standard(ends[0]);
  pipe.write = above_standard(ends[1]);
  if (!pipe.read || !pipe.write) return false;
  fcntl(pipe.read.get(), F_SETPIPE_SZ, kPipeSize);  // a smaller pipe works too
  return fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) == 0;
}

/// The whole input in memory, as a file: a program that reads none of it can neither block us nor send us
/// SIGPIPE.
Fd input_file(std::string_view input) {
  Fd file = above_standard(memfd_create("input", MFD_CLOEXEC));
  while (file && !input.empty()) {
    const ssize_t n = write(file.get(), input.data(), input.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Fd{};
    input.remove_prefix(static_cast<std::size_t>(n));
  }
  if (file && lseek(file.get(), 0, SEEK_SET) != 0) return Fd{};
  return file;
}

/// HOME is unset under systemd and cron's is of no use; git and ssh want one.
std::string home() {
  const char* set = std::getenv("HOME");
  if (set != nullptr && *set == '/') return set;
  return geteuid() == 0 ? "/root" : "/";
}

/// No signal blocked or ignored.
void set_signals(posix_spawnattr_t& attributes) {
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
}

/// A command's words and environment as execve(2) wants them.
class Words {
 public:
  explicit Words(const Command& command) : words_(command.words) {
    variables_ = {std::string("PATH=") + kSystemPath, "LC_ALL=C"};
    const auto is_home = [](const std::string& variable) { return variable.starts_with("HOME="); };
    if (std::ranges::none_of(command.environment, is_home)) variables_.push_back("HOME=" + home());
    variables_.insert(variables_.end(), command.environment.begin(), command.environment.end());
    for (std::string& word : words_) argv_.push_back(word.data());
    for (std::string& variable : variables_) environment_.push_back(variable.data());
    argv_.push_back(nullptr);
    environment_.push_back(nullptr);
  }
  char* const* argv() { return argv_.data(); }
  char* const* environment() { return environment_.data(); }

 private:
  std::vector<std::string> words_;
  std::vector<std::string> variables_{};
  std::vector<char*> argv_{};
  std::vector<char*> environment_{};
};

class SpawnOptions {
 public:
  SpawnOptions(int in, int out, int err) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, err, STDERR_FILENO);
    int last = STDERR_FILENO;
    if (const int fd = handed_on; fd >= 0) posix_spawn_file_actions_adddup2(&actions_, fd, ++last);
    posix_spawn_file_actions_addclosefrom_np(&actions_, last + 1);
    posix_spawnattr_init(&attributes_);
    set_signals(attributes_);
    // A session of its own: a Ctrl-C on the terminal must not stop an iptables-restore half way, and an ssh
    // or a gpg finds no terminal to ask for a passphrase on.
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;
  ~SpawnOptions() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// A process that ends a group of others when this one is killed.
class Watcher {
 public:
  explicit Watcher(pid_t group) {
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return;
    const Fd waits(ends[0]);
    ours_ = Fd(ends[1]);
    process_ = fork();
    if (process_ == 0) watch(waits.get(), group);
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  ~Watcher() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);
    while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  // Other threads may hold any lock: only what signal-safety(7) allows. A Ctrl-C is not for this process.
  [[noreturn]] static void watch(int waits, pid_t group) {
    setsid();
    dup2(waits, STDIN_FILENO);
    syscall(SYS_close_range, STDIN_FILENO + 1, ~0U, 0);
    char nothing = 0;
    while (read(STDIN_FILENO, &nothing, 1) < 0 && errno == EINTR) {
    }
    kill(-group, SIGTERM);
    _exit(0);
  }

  Fd ours_{};
  pid_t process_ = 0;
};

/// A program that runs. Destroying it kills what is left of it.
class Child {
 public:
  explicit Child(Command command) : command_(std::move(command)) {}
  Child(Child&& other) noexcept
      : command_(std::move(other.command_)),
        outcome_(std::move(other.outcome_)),
        out_(std::move(other.out_)),
        err_(std::move(other.err_)),
        handle_(std::move(other.handle_)),
        watcher_(std::move(other.watcher_)),
        pid_(std::exchange(other.pid_, 0)),
        end_(other.end_) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ == 0) return;
    kill(-pid_, SIGKILL);
    reap();
  }

  /// 0, or the errno of what failed.
  int start() {
    Pipe out;
    Pipe err;
    const Fd input = input_file(command_.input);
    if (!input || !open_pipe(out) || !open_pipe(err)) return errno;
    const SpawnOptions options(input.get(), out.write.get(), err.write.get());

    Words words(command_);
    if (const int error = posix_spawn(&pid_, command_.words[0].c_str(), options.actions(),
                                      options.attributes(), words.argv(), words.environment());
        error != 0) {
      pid_ = 0;
      return error;
    }
    limit_to(RLIMIT_FSIZE, command_.biggest_file);
    limit_to(RLIMIT_DATA, command_.most_memory);
    if (command_.ends_with_us) watcher_ = std::make_unique<Watcher>(pid_);
    if (command_.gives_way) setpriority(PRIO_PROCESS, static_cast<id_t>(pid_), kGivesWay);
    handle_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));  // sys/pidfd.h of glibc 2.36 is C only
    if (!handle_) return errno;
    out_ = std::move(out.read);
    err_ = std::move(err.read);
    end_ = Clock::now() + command_.deadline;
    return 0;
  }

  void limit_to(__rlimit_resource what, std::uint64_t most) const {
    if (most == 0) return;
    const rlimit limit{.rlim_cur = most, .rlim_max = most};
    prlimit(pid_, what, &limit, nullptr);
  }

  bool done() const { return pid_ == 0 && !out_ && !err_; }
  Clock::time_point end() const { return end_; }

  void add_to(std::vector<pollfd>& waits) const {
    for (const Fd* fd : {&out_, &err_, &handle_})
      if (*fd) waits.push_back({.fd = fd->get(), .events = POLLIN, .revents = 0});
  }

  void advance() {
    read_output();
    pollfd exited{.fd = handle_.get(), .events = POLLIN, .revents = 0};
    if (pid_ == 0 || poll(&exited, 1, 0) <= 0) return;
    reap();
    if (!command_.leaves_children) return;
    read_output();
    out_.reset();
    err_.reset();
  }

  void give_up() {
    outcome_.timed_out = true;
    if (pid_ != 0) {
      kill(-pid_, SIGKILL);
      reap();
    }
    out_.reset();
    err_.reset();
  }

  Outcome take_outcome() {
    outcome_.deadline = command_.deadline;
    return std::move(outcome_);
  }

 private:
  void read_output() {
    drain(out_, outcome_.out, command_.listener);
    drain(err_, outcome_.err, command_.error_listener);
    if (command_.most_output > 0 && outcome_.out.size() > command_.most_output)
      outcome_.out.resize(command_.most_output);
    if (outcome_.err.size() > 2 * kSaid) outcome_.err.erase(kSaid, outcome_.err.size() - 2 * kSaid);
  }

  static void drain(Fd& fd, std::string& text, const std::function<void(std::string_view)>& listener) {
    const std::size_t begin = text.size();
    drain(fd, text);
    if (listener && text.size() > begin) listener(std::string_view(text).substr(begin));
  }

  static void drain(Fd& fd, std::string& text) {
    std::array<char, kReadSize> piece;
    for (int i = 0; fd && i < kReads; ++i) {
      const ssize_t n = read(fd.get(), piece.data(), piece.size());
      const int error = errno;
      if (n > 0) text.append(piece.data(), static_cast<std::size_t>(n));
      if (n > 0 || (n < 0 && error == EINTR)) continue;
      if (n < 0 && error == EAGAIN) return;
      fd.reset();
    }
  }

  void reap() {
    watcher_.reset();
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    handle_.reset();
    if (WIFSIGNALED(status)) {
      outcome_.signal = WTERMSIG(status);
      outcome_.status = 128 + outcome_.signal;
    } else {
      outcome_.status = WEXITSTATUS(status);
    }
  }

  Command command_;
  Outcome outcome_{};
  Fd out_{};
  Fd err_{};
  Fd handle_{};
  std::unique_ptr<Watcher> watcher_{};
  pid_t pid_ = 0;
  Clock::time_point end_{};
};

void wait_for(std::vector<Child>& children) {
  while (true) {
    std::vector<pollfd> waits;
    auto next = Clock::time_point::max();
    for (Child& child : children) {
      if (child.done()) continue;
      if (Clock::now() >= child.end()) {
        child.give_up();
        continue;
      }
      child.add_to(waits);
      next = std::min(next, child.end());
    }
    if (waits.empty()) return;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
    poll(waits.data(), waits.size(), static_cast<int>(std::clamp<decltype(left)>(left, 0, 60'000)));
    for (Child& child : children) child.advance();
  }
}

/// Of processes, memory or descriptors: that is no answer of the kernel to what the program was to load.
bool ran_out(int error) {
  return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
}

std::string command_line(const std::vector<std::string>& words) {
  std::vector<std::string> all;
  for (const std::string& word : words) all.push_back(shell_quote(word));
  return join(all, " ");
}

/// Only root and we ourselves may have put a program there. Root is who owns `/`: in a user namespace that
/// need not be number 0 (user_namespaces(7), overflowuid).
bool trusted_folder(const std::string& path) {
  struct stat root {};
  struct stat facts {};
  if (stat("/", &root) != 0 || stat(path.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode)) return false;
  if (facts.st_uid != root.st_uid && facts.st_uid != geteuid()) return false;
  if ((facts.st_mode & S_IWOTH) != 0) return false;
  return (facts.st_mode & S_IWGRP) == 0 || facts.st_gid == root.st_gid;
}

bool is_program(const std::string& path) {
  struct stat facts {};
  return stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) && access(path.c_str(), X_OK) == 0;
}

}  // namespace

HandedOn::HandedOn(int fd) {
  handed_on = fd;
}

HandedOn::~HandedOn() {
  handed_on = -1;
}

std::string Outcome::text() const {
  if (timed_out) {
    const auto ms = deadline.count();
    return ms % 1000 == 0 ? format("gave no answer within {} s", ms / 1000)
                          : format("gave no answer within {} ms", ms);
  }
  if (signal != 0) return format("killed by signal {}", signal);
  for (const std::string_view line : split_lines(err))
    if (const auto words = trim(line); !words.empty()) return format("exit status {}: {}", status, words);
  return format("exit status {}", status);
}

Result<std::vector<Outcome>> run_side_by_side(std::vector<Command> commands, ErrorKind kind) {
  std::vector<Child> children;
  children.reserve(commands.size());
  for (Command& command : commands) {
    log_debug("run {}", command_line(command.words));
    const std::string program = command.words.empty() ? "" : command.words[0];
    if (!program.starts_with('/'))
      return Error{.kind = kind, .message = format("{}: not an absolute path", program)};
    Child& child = children.emplace_back(std::move(command));
    if (const int error = child.start(); error != 0)
      return Error{.kind = kind == ErrorKind::kernel && ran_out(error) ? ErrorKind::refused : kind,
                   .message = format("{}: cannot be started: {}", program, errno_text(error))};
  }
  wait_for(children);
  std::vector<Outcome> outcomes;
  outcomes.reserve(children.size());
  for (Child& child : children) outcomes.push_back(child.take_outcome());
  return outcomes;
}

Result<Outcome> run(Command command, ErrorKind kind) {
  std::vector<Command> one;
  one.push_back(std::move(command));
  auto outcomes = TRY(run_side_by_side(std::move(one), kind));
  return std::move(outcomes.front());
}

Result<pid_t> start_detached(const Command& command, ErrorKind kind) {
  log_debug("start {}", command_line(command.words));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawn_file_actions_addchdir_np(&actions, "/");
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  set_signals(attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  Words words(command);
  pid_t process = 0;
  const int error = posix_spawn(&process, command.words[0].c_str(), &actions, &attributes, words.argv(),
                                words.environment());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error == 0) return process;
  return Error{.kind = kind,
               .message = format("{}: cannot be started: {}", command.words[0], errno_text(error))};
}

std::string find_program(const std::string& name) {
  const char* set = std::getenv("PATH");
  const std::string path = set != nullptr ? set : kSystemPath;
  for (const std::string_view entry : split(path, ':')) {
    if (!entry.starts_with('/')) continue;
    std::vector<std::string> folders{std::string(entry)};
    if (entry.ends_with("/bin")) folders.push_back(std::string(entry.substr(0, entry.size() - 3)) + "sbin");
    for (const std::string& folder : folders) {
      std::string file = folder + "/" + name;
      if (trusted_folder(folder) && is_program(file)) return file;
    }
  }
  return {};
}

}  // namespace rewall
