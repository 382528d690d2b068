#pragma once

#include <filesystem>
#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/guard/guard_state.h"

namespace rewall {

/// The command that confirms from a new connection, as the person types it on the machine from which this one
/// is reached: "ssh -o ControlPath=none -p 22 root@203.0.113.5 rewall confirm --new-session". Without an ssh
/// connection: "rewall confirm".
std::string confirming_command(const Session& session);

/// Kind refused: this process's connection began before the guard was armed, or that cannot be known.
Status prove_new_connection(const Session& session, const Guard& guard);

}  // namespace rewall
