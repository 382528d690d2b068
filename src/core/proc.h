#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rewall {

/// What proc(5) tells of a process; what it does not is absent or empty.
struct Process {
  std::string name{};  ///< as ps(1) names it, at most 15 bytes
  pid_t parent = 0;
  std::optional<uid_t> login{};      ///< pam_loginuid(8); absent for a service
  std::optional<uid_t> user{};       ///< real user
  std::string tty{};                 ///< "pts/0"
  std::vector<std::string> words{};  ///< its command line
};
/// Absent when there is none of that number, or none any more.
std::optional<Process> look_at_process(pid_t process);

/// False when no process has that number, or one that has ended and that its parent has not waited for yet (a
/// zombie). A process that took the number of another lives too.
bool lives(pid_t process);

/// The words of a command line as the kernel has it, NUL behind each.
std::vector<std::string> command_words(std::string_view line);

/// 0 where it cannot be known.
pid_t parent_of(pid_t process);

/// The number of its network namespace (namespaces(7)); 0 where it cannot be known.
std::uint64_t network_of(pid_t process);

/// True when the numbers of processes that we see are those of the kernel: in the initial process namespace.
bool sees_all_processes();

/// A user's number; absent for the largest, which stands for nobody (-1).
std::optional<uid_t> user_number(std::string_view text);

/// A variable of a process's environment, as it was when it began; empty where it cannot be known.
std::string variable_of(pid_t process, std::string_view name);

}  // namespace rewall
