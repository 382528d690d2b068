#include "ui/foreground.h"

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "core/file.h"
#include "core/format.h"

namespace rewall {
namespace {

constexpr mode_t kPrivate = S_IRWXG | S_IRWXO;

/// The umask of whoever started this process; absent before make_files_private().
std::optional<mode_t> umask_of_starter;

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  list.reserve(words.size() + 1);
  for (auto& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace

SignalsForChild::SignalsForChild()
    : interrupt_(::signal(SIGINT, SIG_IGN)), quit_(::signal(SIGQUIT, SIG_IGN)) {}

SignalsForChild::~SignalsForChild() {
  ::signal(SIGINT, interrupt_);
  ::signal(SIGQUIT, quit_);
}

void make_files_private() {
  umask_of_starter = ::umask(kPrivate);
}

Result<pid_t> start(Foreground program) {
  sigset_t defaults;
  ::sigemptyset(&defaults);
  for (const int number : {SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ}) ::sigaddset(&defaults, number);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (program.input >= 0) ::posix_spawn_file_actions_adddup2(&actions, program.input, STDIN_FILENO);
  if (program.output >= 0) ::posix_spawn_file_actions_adddup2(&actions, program.output, STDOUT_FILENO);
  pid_t process = -1;
  if (umask_of_starter) ::umask(*umask_of_starter);
  const int failed = ::posix_spawn(&process, program.words[0].c_str(), &actions, &attributes,
                                   pointers(program.words).data(), pointers(program.environment).data());
  if (umask_of_starter) ::umask(kPrivate);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failed == 0) return process;
  return Error{.kind = ErrorKind::usage,
               .message = format("{}: cannot be started: {}", program.words[0], errno_text(failed))};
}

int wait_for(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Status run_editor(std::vector<std::string> words, const std::string& path) {
  Foreground editor{.words = std::move(words)};
  editor.words.push_back(path);
  for (char** variable = environ; *variable != nullptr; ++variable)
    editor.environment.emplace_back(*variable);
  // Standard output may be a file or a pipe for the result: the editor's screen goes to standard error then.
  if (::isatty(STDOUT_FILENO) != 1) editor.output = STDERR_FILENO;
  const std::string name = editor.words[0];
  const SignalsForChild held;
  auto process = TRY(start(std::move(editor)));
  const int status = wait_for(process);
  if (status == 0) return {};
  return Error{.kind = ErrorKind::refused,
               .message = format("{}: exit status {}", name, status),
               .live = LiveState::untouched};
}

}  // namespace rewall
