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
#include "ops/context/session.h"
#include "ops/context/state_file.h"
#include "store/repository.h"

namespace rewall {

/// An armed guard, which restores the old ruleset unless somebody confirms (rewall-guard(7)). The guard
/// lives as long as its state file `.git/rewall/guard` (rewall-repository(5), STATE); this value is a copy of
/// the file. The repository's lock is held to write the file.
struct Guard {
  std::string id{};        ///< 16 random hexadecimal digits
  std::string before{};    ///< the snapshot that the guard restores, full hash
  std::string backends{};  ///< its Rewall-Backend
  /// Restores foreign parts too: the change touched them, or may have.
  bool exact = true;
  BackendChoice looks_at = BackendChoice::automatic;  ///< the --backend of the guarded command
  std::optional<Generation> place{};  ///< the boot and the network namespace; the number is not kept
  Time armed{};
  std::chrono::milliseconds length{};    ///< from `armed` to the deadline
  std::chrono::milliseconds deadline{};  ///< of boot_time(), which setting the clock does not change
  std::string login{};                   ///< the login that armed the guard (login_session())
  std::string command{};                 ///< the guarded command
  Actor actor{};                         ///< the person who armed the guard
};

/// The text of a state file, in the format of ops/context/state_file.h, with lines and keys of the caller's
/// own. parse_guard() has the errors of parse_state().
std::string print_guard(const Guard& guard, StateLines more = {});
Result<Guard> parse_guard(std::string_view text, StateKeys more = {});

// `state` is the folder `.git/rewall` of the repository.

/// Reads the guard that is armed; absent where none is. Kind repository: the file cannot be read or parsed.
Result<std::optional<Guard>> read_guard(const std::filesystem::path& state);
/// Reads the state file of a guard that ended while nobody could write there (ops/context/over_note.h).
std::optional<Guard> read_guard_that_is_over(const std::filesystem::path& state);
/// The id of the guard that is armed; empty where none is, or its file cannot be read.
std::string armed_guard_id(const Session& session);
/// Writes and syncs the state file, and its second copy (guards/ID.armed), whose failure is logged. The
/// caller holds the repository's lock. Kind repository.
Status write_guard(const std::filesystem::path& state, const Guard& guard);
/// The text of the second copy, for a boot whose state file tells nothing; absent where there is none of a
/// guard that has not ended.
std::optional<std::string> read_second_copy(const std::filesystem::path& state);
/// Removes the second copies of all guards but `id`.
void remove_second_copies(const std::filesystem::path& state, const std::string& id = "");
/// The time from now to the deadline; 0 after the deadline, and for a guard of an earlier boot. `here` is the
/// current generation.
std::chrono::milliseconds time_left(const Guard& guard, const std::optional<Generation>& here);

/// The path of the lock of the guard's process (ops/context/pid_lock.h), `.git/rewall/guard.lock`. The work
/// is the guard's id.
std::filesystem::path guard_lock(const std::filesystem::path& state);

/// Writes the files of the old ruleset to /run/rewall/guard-ID, in case the repository is damaged before the
/// deadline. The copy lives until end_guard() (guard_ending.h) or the next boot. A failure is logged.
void keep_copy(const Guard& guard, const Files& files);
/// Reads the copy. Kind repository: the copy does not exist or is not complete.
Result<Files> read_copy(const Guard& guard);
void remove_copy(const Guard& guard);

/// "nft" or "legacy" where the guarded command had --backend: the guard takes back nothing of the other one.
/// Empty without it.
std::string_view only_backend(const Guard& guard);

/// A guard for people: "the guard of alice, pts/0 (rewall restore HEAD~1)".
std::string name_of(const Guard& guard);

}  // namespace rewall
