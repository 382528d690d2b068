#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace rewall {

/// A process as proc(5) shows it. A field that proc does not show is absent or empty.
struct Process {
  std::string name{};  ///< as ps(1) names it, at most 15 bytes
  pid_t parent = 0;
  std::optional<uid_t> login{};      ///< pam_loginuid(8); absent for a service
  std::optional<uid_t> user{};       ///< real user
  std::string tty{};                 ///< "pts/0"
  std::vector<std::string> words{};  ///< its command line
};
/// Absent when no process has that number.
std::optional<Process> look_at_process(pid_t process);

/// The numbers of all processes that /proc shows.
std::vector<pid_t> all_processes();

/// The sockets that a process holds open: their inode numbers, as proc(5) writes them in socket:[NUMBER].
std::set<std::string> sockets_of_process(pid_t process);

/// False when no process has that number, or one that has ended and that its parent has not waited for yet (a
/// zombie). A process that took the number of another lives too.
bool lives(pid_t process);

/// True when a process whose name begins with `name` runs in `folder` or below, or names it in its command
/// line; also where no process can be seen.
bool runs_in(const std::filesystem::path& folder, std::string_view name);

/// Splits a command line as the kernel stores it, with a NUL after each word.
std::vector<std::string> command_words(std::string_view line);

/// The number of its parent; 0 when proc(5) does not show it.
pid_t parent_of(pid_t process);

/// When it was started, on the clock of boot_time() (core/time.h), to the tick before; absent when proc(5)
/// does not show it.
std::optional<std::chrono::milliseconds> started(pid_t process);

/// The inode number of its network namespace (namespaces(7)); 0 when proc(5) does not show it.
std::uint64_t network_of(pid_t process);

/// True in the initial process namespace, where process numbers are those of the kernel's messages.
bool sees_all_processes();

/// Reads a user's number; absent for 4294967295, which means "no user".
std::optional<uid_t> user_number(std::string_view text);

/// A variable of a process's environment, as it was when the program started; empty when proc(5) does not
/// show it.
std::string variable_of(pid_t process, std::string_view name);

}  // namespace rewall
