#pragma once

#include "commands/command.h"
#include "ops/guard/guard_state.h"
#include "ui/json.h"

namespace rewall {

/// The object "guard" of the contract's section 10.
Json guard_json(const Guard& guard, std::chrono::milliseconds left, bool overdue);

/// `--for TIME`.
void add_length(Syntax& syntax, std::optional<std::chrono::milliseconds>& length, const std::string& what);

/// Says that the guard is armed; on a terminal that people sit at counts down, until it is confirmed or
/// fires, or they leave it to itself. Kind refused: the change was taken back.
Result<Answer> stand_by(Context& context, const Guard& guard, bool may_ask);

}  // namespace rewall
