#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/time.h"
#include "kernel/firewall.h"
#include "ops/context/identity.h"
#include "store/repository.h"

namespace rewall {

/// The armed timer that puts the old ruleset back unless somebody confirms (the contract's section 7), as
/// `.git/rewall/guard` holds it. Whoever writes the file holds the repository's lock.
struct Guard {
  std::string id{};        ///< tells it from every other guard
  std::string before{};    ///< the snapshot that LIVE was, full hash
  std::string backends{};  ///< its Rewall-Backend
  /// Foreign parts are put back too: the change touched them, or nobody knows what it touches.
  bool exact = true;
  BackendChoice looks_at = BackendChoice::automatic;  ///< the --backend of who armed it
  std::optional<Generation> place{};  ///< which network namespace of which boot; its number is not kept
  Time armed{};
  std::chrono::milliseconds length{};    ///< from then to the deadline
  std::chrono::milliseconds deadline{};  ///< of boot_time(): a clock that is set does not move it
  std::string login{};                   ///< where it was armed, as login_session() says
  std::string command{};
  Actor actor{};
};

/// In the lines of ops/context/state_file.h. Kind repository names the line.
std::string print_guard(const Guard& guard);
Result<Guard> parse_guard(std::string_view text);

/// The guard of the repository whose `.git/rewall` this is; absent where none is armed. Kind repository: the
/// file cannot be read.
Result<std::optional<Guard>> read_guard(const std::filesystem::path& state);
Status write_guard(const std::filesystem::path& state, const Guard& guard);
/// No guard any more. Of one that is confirmed that is known afterwards.
enum class Ending { confirmed, taken_back };
void remove_guard(const std::filesystem::path& state, const Guard& guard, Ending ending);
/// How a guard ended that is armed no more.
Ending ending_of(const std::filesystem::path& state, const Guard& guard);

/// Until the deadline; nothing is left of one from an earlier boot.
std::chrono::milliseconds time_left(const Guard& guard, const std::optional<Generation>& here);

/// Where the guard's process is at work (ops/context/pid_lock.h), by the guard's id:
/// `.git/rewall/guard.lock`.
std::filesystem::path guard_lock(const std::filesystem::path& state);

/// A copy of the old ruleset outside the repository, for the day when that is damaged before time is up:
/// files as in section 4, below /run/rewall. Where there is no /run, there is no copy.
void keep_copy(const Guard& guard, const Files& files);
/// Kind repository: it is not there, or not whole.
Result<Files> read_copy(const Guard& guard);

/// "the guard of alice, pts/0 (rewall restore HEAD~1)".
std::string name_of(const Guard& guard);
/// "9 min 30 s", "45 s", for people.
std::string time_text(std::chrono::milliseconds time);

}  // namespace rewall
