#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/record.h"

namespace rewall {

/// `rewall watch`: records LIVE, then every change of LIVE, until SIGTERM or SIGINT. SIGHUP makes it read the
/// settings again. Calls `each` with every snapshot that it makes. A change that cannot be recorded is logged
/// and tried again. Kind refused: another watch of this repository is running. Kind repository: the
/// repository is missing, or belongs to another user.
Status watch(Session& session, const std::function<void(const Recorded&)>& each);

/// The process that watches the repository with this `.git/rewall`; 0 where there is none.
pid_t watching_process(const std::filesystem::path& state);

}  // namespace rewall
