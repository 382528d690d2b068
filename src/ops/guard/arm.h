#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/guard/guard_state.h"
#include "ops/history/record.h"

namespace rewall {

/// Kind refused, with its name, when a guard is armed already. The errors of read_guard().
Status refuse_second_guard(Session& session);

/// Arms the guard for a change that begins at the snapshot `before`: proves that it can be put back (read
/// from disk, held against its hash, staged whole), writes the state, and starts the process that waits,
/// under systemd as a transient service. Nothing is armed after an error. Kind refused: a guard is armed
/// already, the way back is not sure, or the process does not start.
Result<Guard> arm(Session& session, const Lock& held, const std::string& before,
                  std::chrono::milliseconds length, bool exact);

/// Removes the guard and ends its process; LIVE is left as it is.
void disarm(Session& session, const Lock& held, const Guard& guard, Ending ending = Ending::taken_back);

/// What a change does to a guard that is armed: where it touches foreign parts, they are put back too.
void tell_guard(Session& session, const Lock& held, bool exact);

/// Records LIVE where HEAD does not have it, and arms.
Result<Guard> begin_try(Session& session, std::chrono::milliseconds length);

/// When the command that was tried has ended: records what it made, and notes what of it is foreign. Kind
/// refused: the change was taken back while it ran, and so is what it did since.
Result<Recorded> end_try(Session& session, const Guard& guard, const std::string& message);

struct ConfirmOptions {
  std::optional<std::chrono::milliseconds> extend{};  ///< gives it so much more time, and keeps nothing yet
  bool from_new_session = false;                      ///< refuses the login that armed it
  std::string message{};                              ///< the subject, where LIVE is not recorded yet
};

struct Confirmed {
  Guard guard{};  ///< as it was, or as it is now where it got more time
  Recorded recorded{};
};

/// Keeps the change: removes the guard, records LIVE, and with `guard.tagGood` names it good. Kind refused:
/// no guard is armed here, or this is the login that armed it.
Result<Confirmed> confirm(Session& session, const ConfirmOptions& options);

}  // namespace rewall
