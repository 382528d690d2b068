#include "ops/guard/tried_command.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/proc.h"
#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kCommandVersion = "rewall command 1";
constexpr milliseconds kBeforeKill{1000};
constexpr milliseconds kBeforeGivingUp{3000};

/// What is noted of a command. Before it is started there is no process.
struct CommandNote {
  pid_t process = 0;
  std::int64_t started = 0;  ///< milliseconds, as started() of core/proc.h
  pid_t session = 0;
};

std::array<fs::path, 2> note_paths(const fs::path& state, const std::string& id) {
  return {StatePaths(state).guard_command(id), fs::path(kRunFolder) / ("command-" + id)};
}

void write_note(const fs::path& state, const std::string& id, const CommandNote& note) {
  StateLines lines;
  if (note.process != 0) {
    lines.add("process", format("{}", note.process));
    lines.add("started", format("{}", note.started));
  }
  lines.add("session", format("{}", note.session));
  for (const auto& path : note_paths(state, id))
    if (auto written = write_file(path, lines.text(kCommandVersion), 0600, Sync::no); !written)
      log_info("{}", written.error().message);
}

std::optional<CommandNote> read_note(const fs::path& state, const std::string& id) {
  for (const auto& path : note_paths(state, id)) {
    const auto text = read_plain_file(path);
    CommandNote note;
    if (text && parse_state(*text, kCommandVersion,
                            {{"process", number_key(note.process)},
                             {"started", number_key(note.started)},
                             {"session", required(number_key(note.session))}}))
      return note;
  }
  return std::nullopt;
}

/// A process that cannot be mistaken for one that takes its number later.
class HeldProcess {
 public:
  explicit HeldProcess(pid_t number)
      : number_(number),
        fd_(static_cast<int>(::syscall(SYS_pidfd_open, number, 0))),
        started_(started(number)) {}

  pid_t number() const { return number_; }
  bool is_there() const { return started_ && lives(number_) && started(number_) == started_; }
  void send(int signal) const {
    if (fd_)
      ::syscall(SYS_pidfd_send_signal, fd_.get(), signal, nullptr, 0);
    else if (is_there())
      ::kill(number_, signal);
  }

 private:
  pid_t number_;
  Fd fd_;  ///< none before Linux 5.3
  std::optional<milliseconds> started_;
};

/// The processes of a command.
class CommandProcesses {
 public:
  CommandProcesses(CommandNote note, std::string id) : note_(note), id_(std::move(id)) {}

  /// Looks for more, until there are none; what it finds does not go on before let_go(). What is known
  /// by its parent alone would be lost with that.
  void stop_all() {
    constexpr int kRounds = 20;
    for (int i = 0; i < kRounds; ++i) {
      bool more = false;
      for (const pid_t number : find()) {
        HeldProcess process(number);
        if (!process.is_there() || !belongs(number)) continue;
        process.send(SIGSTOP);
        known_.insert_or_assign(number, std::move(process));
        more = true;
      }
      for (const auto& [number, process] : known_) process.send(SIGSTOP);
      if (!more) return;
    }
  }
  void send(int signal) const {
    for (const auto& [number, process] : known_) process.send(signal);
  }
  void let_go() const { send(SIGCONT); }
  bool any_known() const { return !known_.empty(); }
  std::vector<pid_t> numbers(bool there) const {
    std::vector<pid_t> all;
    for (const auto& [number, process] : known_)
      if (process.is_there() == there) all.push_back(number);
    return all;
  }

 private:
  bool is_noted(pid_t number) const {
    const auto begin = started(number);
    return note_.process == number && begin && begin->count() == note_.started && has_variable(number);
  }
  bool has_variable(pid_t number) const { return variable_of(number, kGuardVariable) == id_; }
  bool is_known(pid_t number) const {
    const auto found = known_.find(number);
    return found != known_.end() && found->second.is_there();
  }
  static bool is_ours(pid_t number) {
    for (; number > 1; number = parent_of(number))
      if (number == ::getpid()) return true;
    return false;
  }
  bool belongs(pid_t number) const {
    return is_noted(number) || is_known(parent_of(number)) ||
           (::getsid(number) == note_.session && has_variable(number));
  }

  std::set<pid_t> find() const {
    std::set<pid_t> found;
    for (const pid_t number : all_processes())
      if (number > 1 && !is_known(number) && lives(number) && belongs(number) && !is_ours(number))
        found.insert(number);
    return found;
  }

  CommandNote note_;
  std::string id_;
  std::map<pid_t, HeldProcess> known_{};
};

std::string process_words(const std::vector<pid_t>& numbers) {
  const auto more = numbers.size() - 1;
  return more == 0 ? format("process {}", numbers.front())
                   : format("process {} and {} more", numbers.front(), more);
}

}  // namespace

TriedCommand::TriedCommand(fs::path state, std::string id) : state_(std::move(state)), id_(std::move(id)) {
  write_note(state_, id_, {.session = ::getsid(0)});
}

TriedCommand::~TriedCommand() {
  forget_command(state_, id_);
}

void TriedCommand::is(pid_t process) const {
  const auto begin = started(process);
  if (!begin) return;
  write_note(state_, id_, {.process = process, .started = begin->count(), .session = ::getsid(0)});
}

void forget_command(const fs::path& state, const std::string& id) {
  std::error_code ignored;
  for (const auto& path : note_paths(state, id)) fs::remove(path, ignored);
}

bool is_of_command(const std::string& id) {
  const char* value = std::getenv(kGuardVariable);
  return value != nullptr && id == value;
}

std::string EndedCommand::text() const {
  std::string text;
  if (!ended.empty()) text = format("its command was still running and was ended ({})", process_words(ended));
  if (!left.empty())
    text += format("{}its command could not be ended ({}): it may go on changing the firewall",
                   text.empty() ? "" : "; ", process_words(left));
  return text;
}

EndedCommand end_command(const fs::path& state, const std::string& id) {
  EndedCommand result;
  const auto note = read_note(state, id);
  if (!note) return result;
  CommandProcesses processes(*note, id);
  const auto begin = steady_clock::now();
  processes.stop_all();
  if (!processes.any_known()) return result;
  processes.send(SIGTERM);
  processes.let_go();
  for (;;) {
    constexpr milliseconds kPause{20};
    std::this_thread::sleep_for(kPause);
    const auto passed = steady_clock::now() - begin;
    if (processes.numbers(true).empty() || passed > kBeforeGivingUp) {
      // What was started meanwhile.
      processes.stop_all();
      if (processes.numbers(true).empty() || passed > kBeforeGivingUp) break;
    }
    if (passed < kBeforeKill) continue;
    processes.stop_all();
    processes.send(SIGKILL);
  }
  processes.let_go();
  result.ended = processes.numbers(false);
  result.left = processes.numbers(true);
  return result;
}

}  // namespace rewall
