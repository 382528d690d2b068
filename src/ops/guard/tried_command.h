#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace rewall {

/// What the command of `rewall try` has in its environment: the id of its guard. Whoever it starts has it
/// too.
inline constexpr const char* kGuardVariable = "REWALL_GUARD";

/// Notes while the object lives that the command of the guard `id` runs, for the guard's process: the command
/// may outlive `rewall try`, which is killed or loses its terminal. The note stays then. `state` is the
/// folder
/// `.git/rewall`; a second copy is in /run/rewall. Failures are logged.
class TriedCommand {
 public:
  /// Before the command is started.
  TriedCommand(std::filesystem::path state, std::string id);
  TriedCommand(const TriedCommand&) = delete;
  TriedCommand& operator=(const TriedCommand&) = delete;
  ~TriedCommand();

  void is(pid_t process) const;

 private:
  std::filesystem::path state_;
  std::string id_;
};

/// Removes what was noted of the command of a guard that has ended.
void forget_command(const std::filesystem::path& state, const std::string& id);

/// Whether this process runs in the command of the guard `id`, as its environment says.
bool is_of_command(const std::string& id);

/// What became of a command that was still running. A value.
struct EndedCommand {
  std::vector<pid_t> ended{};
  std::vector<pid_t> left{};  ///< that no signal ended

  /// "its command was still running and was ended (process 1234)"; empty where it was not running.
  std::string text() const;
};

/// Ends the command of the guard `id` if it is still running: SIGTERM, after a second SIGKILL, three seconds
/// in all. Its processes are the one that was noted, known by its number, its start and kGuardVariable; those
/// of its session that have the variable; and the children of all these. Not this process and its children.
EndedCommand end_command(const std::filesystem::path& state, const std::string& id);

}  // namespace rewall
