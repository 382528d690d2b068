#include "measured.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "core/text.h"

namespace rewall {
namespace {

constexpr int kNotStarted = 127;

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

[[noreturn]] void become(const std::vector<std::string>& words, const std::string& folder,
                         const std::vector<std::string>& environment) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  for (const auto& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
  const auto onto = [](const char* path, int flags, int fd) {
    const int file = ::open(path, flags, 0600);
    return file >= 0 && ::dup2(file, fd) == fd;
  };
  if (::chdir(folder.c_str()) == 0 && onto("/dev/null", O_RDONLY, 0) &&
      onto("measured.out", O_WRONLY | O_CREAT | O_TRUNC, 1) &&
      onto("measured.err", O_WRONLY | O_CREAT | O_TRUNC, 2) && ::ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
    ::execv(argv[0], argv.data());
  ::_exit(kNotStarted);
}

void take_figures(pid_t process, Measured& measured) {
  const auto folder = "/proc/" + std::to_string(process) + "/";
  const auto status = text_of(folder + "status");
  if (const auto at = status.find("VmHWM:"); at != std::string::npos)
    measured.peak = std::stoul(status.substr(at + 6)) * 1024;
  // The name of the program, in brackets, may hold blanks: utime and stime are the 12th and 13th after it.
  const auto stat = text_of(folder + "stat");
  const auto fields = split(std::string_view(stat).substr(stat.rfind(')') + 2), ' ');
  const auto ticks = std::stol(std::string(fields.at(11))) + std::stol(std::string(fields.at(12)));
  measured.cpu = std::chrono::milliseconds(ticks * 1000 / ::sysconf(_SC_CLK_TCK));
}

}  // namespace

Measured measure(const std::vector<std::string>& words, const std::string& folder,
                 const std::vector<std::string>& environment) {
  const pid_t process = ::fork();
  if (process < 0) throw std::runtime_error("fork");
  if (process == 0) become(words, folder, environment);
  Measured measured;
  int state = 0;
  bool known = false;
  while (::waitpid(process, &state, 0) == process && WIFSTOPPED(state)) {
    int signal = WSTOPSIG(state);
    if (state >> 8 == (SIGTRAP | (PTRACE_EVENT_EXIT << 8))) take_figures(process, measured);
    if (signal == SIGTRAP) signal = 0;
    if (!known) ::ptrace(PTRACE_SETOPTIONS, process, 0, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
    known = true;
    ::ptrace(PTRACE_CONT, process, 0, signal);
  }
  measured.status = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  measured.out = text_of(folder + "/measured.out");
  measured.err = text_of(folder + "/measured.err");
  return measured;
}

}  // namespace rewall
