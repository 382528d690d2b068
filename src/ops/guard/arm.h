#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/expiry/expiry_state.h"
#include "ops/guard/guard_ending.h"
#include "ops/guard/guard_state.h"
#include "ops/history/record.h"

namespace rewall {

// Arming and confirming a guard. The guard lives in its state file (guard_state.h), not in these functions.

/// Fails where a guard is armed already: kind refused, with the name of the guard and its remaining time. The
/// errors of read_guard().
Status refuse_second_guard(Session& session);

/// Arms a guard for a change of LIVE, which equals the snapshot `before`. Proves the way back (reads the
/// snapshot from disk, checks its hash, stages it), writes the state file, and starts the guard's process,
/// under systemd as a transient service. `length` is the time to the deadline. After an error no guard is
/// armed. Kind refused: a guard is armed already, the way back cannot be proved, or the process does not
/// start. Else kind repository: the state file cannot be written.
Result<Guard> arm(Session& session, const Lock& held, const std::string& before,
                  std::chrono::milliseconds length, bool exact);

/// Ends the guard (end_guard(), whose result this is) and wakes its process, which ends too. LIVE is not
/// touched.
bool disarm(Session& session, const Guard& guard, GuardEnding ending);

/// Notes a change of LIVE in the guard that is armed, if one is: the guard reverts this change too, and with
/// `exact` also foreign parts. Warns the user. Failures are logged.
void note_in_armed_guard(Session& session, const Lock& held, bool exact);

/// Begins `rewall try`: takes the lock, records LIVE where HEAD differs from it, and arms a guard that
/// restores foreign parts too. The errors of lock(), record() and arm().
Result<Guard> begin_try(Session& session, std::chrono::milliseconds length);

/// The result of a command that was tried. A value.
struct Tried {
  Recorded recorded{};
  bool armed = false;                   ///< the guard of the command is armed still
  std::optional<GuardEnding> ending{};  ///< of a guard that is not; absent where nobody knows it
  std::optional<Expiry> expiry{};       ///< what expires of it; absent where the command added nothing
};

/// Ends `rewall try` after its command: takes the lock, records the result with the subject `message`, and
/// notes in the guard whether the command changed foreign parts. With `expires`, what the command added is
/// taken out after this time. Kind refused: the guard reverted the change while the command ran, and this
/// function reverted the rest, or left it, because others changed the firewall since; or nothing can wait for
/// the expiry, and the guard is still armed.
Result<Tried> end_try(Session& session, const Guard& guard, const std::string& message,
                      std::optional<std::chrono::milliseconds> expires = {});

/// The error of `confirm` and `rollback` where no guard is armed: how the last one ended, and what is in
/// force.
Error no_guard(Session& session);

/// The options of `rewall confirm`. Lives during the call.
struct ConfirmOptions {
  std::optional<std::chrono::milliseconds> extend{};  ///< extends the deadline, and confirms nothing
  bool from_new_session = false;                      ///< refuses the login that armed the guard
  std::string message{};                              ///< the subject, where LIVE is not recorded yet
};

/// The result of a confirmation. A value.
struct Confirmed {
  Guard guard{};        ///< the guard that was confirmed, or with its new deadline
  Recorded recorded{};  ///< the snapshot of LIVE; with `extend`, HEAD
};

/// Confirms the change: takes the lock, removes the guard, records LIVE, and with `guard.tagGood` gives the
/// snapshot the tag good. With `extend` it only moves the deadline. Kind refused: no guard is armed in this
/// network namespace, or this login armed the guard. The errors of lock() and record(); after an error of
/// record() the guard is gone.
Result<Confirmed> confirm(Session& session, const ConfirmOptions& options);

}  // namespace rewall
