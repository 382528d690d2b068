#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/record.h"

namespace rewall {

/// `rewall watch`: records LIVE, then every change of it, until SIGTERM or SIGINT; SIGHUP reads the settings
/// again (the contract's section 6). `each` hears of every snapshot that it makes. Kind refused: another
/// watch of this repository is running. Kind repository: it is missing or not ours. What fails later is said,
/// and tried again.
Status watch(Session& session, const std::function<void(const Recorded&)>& each);

/// The process that watches the repository whose `.git/rewall` this is; else 0.
pid_t watching_process(const std::filesystem::path& state);

}  // namespace rewall
