#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "ops/context/session.h"

namespace rewall {

/// Makes the session of a command on a repository: with the signer, the observers and the path of rewall.
using SessionFactory =
    std::function<std::unique_ptr<Session>(const std::filesystem::path& repository, BackendChoice backend)>;

/// The guard's process, from its start to its end: holds its lock, sleeps until the deadline, warns 60 s
/// before, and fires. SIGUSR1 makes it look at the guard again; signals that end a session do not end it.
/// Returns the exit status.
int keep_guard(const std::filesystem::path& repository, const std::string& id,
               const SessionFactory& make_session);

}  // namespace rewall
