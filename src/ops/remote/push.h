#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/remote/network.h"
#include "store/repository.h"

namespace rewall {

struct PushResult {
  Remote remote{};
  std::size_t snapshots = 0;         ///< how many of them the remote did not have before
  std::size_t tags = 0;              ///< how many tags the remote did not have, or had elsewhere
  bool changed = false;              ///< the remote has another branch or tag than before
  std::vector<std::string> notes{};  ///< the tags that the remote refused, a sentence each
};

/// Sends the branch of this host to a remote, and the tags of this host as NAME/TAG. With `all` it sends
/// every local branch hosts/NAME. A push is never forced: kind remote where the remote's branch has snapshots
/// that the local branch does not have. After a push that went well the queue of pushes is empty
/// (push_queue.h).
Result<PushResult> push(const Repository& repository, const std::string& remote, bool all, Progress progress);

}  // namespace rewall
