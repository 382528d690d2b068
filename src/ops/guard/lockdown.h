#pragma once

#include <optional>
#include <string>

#include "ops/guard/guard_state.h"
#include "ops/history/revision.h"
#include "store/repository.h"

namespace rewall {

/// The ruleset of `templates/lockdown.rules`, which is compiled into the program: the last candidate of a
/// guard and a boot. The ruleset accepts ssh on port 22, on the ports that `sshd -T` prints, and on the port
/// of `login`, the connection from which a guard was armed (Guard::login). Takes at most 5 s.
Revision lockdown(const std::string& login);

/// Where HEAD is the template, which a guard or a boot came to: the full hash of the snapshot that was to be
/// in force instead, else of the newest before it that can be read; empty where none can. Changes of other
/// programs since then change nothing of that. Absent where HEAD is another one, or cannot be read.
std::optional<std::string> before_lockdown(const Repository& repository);

}  // namespace rewall
