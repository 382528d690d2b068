#pragma once

#include "commands/command.h"
#include "ops/guard/guard_ending.h"
#include "ops/guard/guard_state.h"
#include "ui/json.h"

namespace rewall {

/// The object "guard" of --json.
Json guard_json(const Guard& guard, std::chrono::milliseconds left, bool overdue);

/// The object "last_guard" of --json.
Json ending_json(const GuardEnding& ending);

/// Says that the guard that is armed takes back what was recorded meanwhile too, and how it is kept; says
/// nothing where none is armed in this network namespace. `of_it` stands behind it: what follows from that.
void tell_armed_guard(Context& context, const std::string& of_it);

/// Adds `--for TIME`.
void add_guard_time(Syntax& syntax, std::optional<std::chrono::milliseconds>& length,
                    const std::string& what);

/// Prints that the guard is armed. With `may_ask` and on a terminal it counts down until somebody confirms or
/// reverts the change, the guard fires, or the person at the terminal quits; the guard stays armed then.
/// `again`: the command that makes the guarded change again, for the hint. Kind refused: the guard reverted
/// the change.
Result<Answer> stand_by(Context& context, const Guard& guard, const std::string& again, bool may_ask);

/// The command that makes a guarded change again: a restore of its snapshot `tried`, or, where a part of it
/// expires, the command as it was typed.
std::string retry_command(const Guard& guard, const std::string& tried, bool expires);
/// The same of a guard that ended, which does not know whether something expired.
std::string retry_command(const GuardEnding& ending);

}  // namespace rewall
