#pragma once

#include <string>

#include "ops/guard/guard_state.h"
#include "ops/history/revision.h"

namespace rewall {

/// The ruleset of `templates/lockdown.rules`, which is part of the program: the last one to be put in force
/// when nothing else can be. The ports of ssh are 22, those that `sshd -T` names, and that of `login`, the
/// connection a guard was armed from (Guard::login).
Revision lockdown(const std::string& login);

}  // namespace rewall
