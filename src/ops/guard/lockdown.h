#pragma once

#include <string>

#include "ops/guard/guard_state.h"
#include "ops/history/revision.h"

namespace rewall {

/// The ruleset of `templates/lockdown.rules`, which is compiled into the program: the last candidate of a
/// guard and a boot. The ruleset accepts ssh on port 22, on the ports that `sshd -T` prints, and on the port
/// of `login`, the connection from which a guard was armed (Guard::login). Takes at most 5 s.
Revision lockdown(const std::string& login);

}  // namespace rewall
