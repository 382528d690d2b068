#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "ops/context/git_command.h"
#include "ops/context/pid_lock.h"
#include "store/repository.h"

namespace rewall {

/// Called with the progress that git reports: lines that end in \r or \n. Without such a function git reports
/// none.
using Progress = std::function<void(std::string_view)>;

/// The remote of that name; without a name the only remote, else the one of `push.remote`. Kind usage: there
/// is no such remote.
Result<Remote> find_remote(const Repository& repository, const std::string& name = {});

/// Takes the lock of the one process that may use the network for a repository, and removes lock files that a
/// killed git left there. Kind repository: another process held the lock for longer than `lock.wait`.
Result<PidLock> begin_network(const Repository& repository);

/// Runs git on the network, for `remote`, with ssh in BatchMode. A connection that does not come up or
/// carries no data ends after `network.connect`; git ends after `network.timeout`, or after the deadline of
/// `work` where that is shorter. Kind remote: no server accepts the connection. The caller looks at how git
/// ended. Secrets of addresses are removed from git's standard error.
Result<Outcome> run_on_network(const Repository& repository, const Remote& remote, GitWork work);

/// Why git failed on the network, in one line for people.
std::string reason_of(const Outcome& outcome);

/// Kind remote: why git failed on the network, in one line for people, and what to do next. Kind repository
/// where it failed because an object of this repository is damaged.
Error unreachable(const Repository& repository, const Remote& remote, const Outcome& outcome);

}  // namespace rewall
