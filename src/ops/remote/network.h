#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "ops/context/git_command.h"
#include "ops/context/pid_lock.h"
#include "store/repository.h"

namespace rewall {

/// Gets what git says of its progress, as it comes: lines that end in \r or \n. Without one it says none.
using Progress = std::function<void(std::string_view)>;

/// The remote of that name; of no name: `push.remote`, or the only one there is. Kind usage: there is none.
Result<Remote> find_remote(const Repository& repository, const std::string& name = {});

/// The turn of one process at the network for a repository: waited for as long as `lock.wait` says, then kind
/// repository. What a git that was killed left locked there is removed.
Result<PidLock> begin_network(const Repository& repository);

/// Runs git on the network, for `remote`: ssh in BatchMode; a connection that does not come or says nothing
/// is given up after `network.connect`, all of it after `network.timeout`, or `deadline` where that is less.
/// Kind remote: nobody takes the connection. How git ended is for the caller; its standard error has no
/// secret of an address in it.
Result<Outcome> run_on_network(const Repository& repository, const Remote& remote, GitWork work);

/// Kind remote: why such a git failed, in a line for people, and what to do next.
Error unreachable(const Remote& remote, const Outcome& outcome);

}  // namespace rewall
