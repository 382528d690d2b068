#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "ops/remote/network.h"
#include "store/repository.h"

namespace rewall {

/// Where the branches of hosts stand in a repository: `refs/heads/hosts/NAME`.
inline constexpr std::string_view kHostBranches = "refs/heads/hosts/";

/// A branch that a fetch moved.
struct FetchedBranch {
  std::string host{};
  std::string hash{};         ///< of its newest snapshot
  std::size_t snapshots = 0;  ///< how many of them are new here
  bool rewritten = false;     ///< the branch does not hold its old newest snapshot any more
  std::size_t lost = 0;       ///< how many snapshots of the old branch the rewritten one lacks
  std::string trouble{};      ///< why a commit of the branch is no snapshot; empty where all are
};

/// A part of a remote that a fetch did not take: git's check of the objects refuses one of them, the remote
/// does not send all of them, or they are more than `fetch.limit` and `fetch.memory` allow.
struct RefusedPart {
  std::string name{};  ///< "hosts/web1", "tags/web1", or kRestOfRemote
  std::string why{};
};
/// The setting that a part was refused by ("fetch.memory"); empty where it was for another reason.
std::string_view limit_in(const RefusedPart& part);
/// All parts that a fetch had not asked for when it failed.
inline constexpr std::string_view kRestOfRemote = "the rest";

struct FetchResult {
  Remote remote{};
  std::vector<FetchedBranch> branches{};  ///< those that moved, by name
  std::vector<RefusedPart> refused{};
};

/// A part of a remote, for fetch_parts().
struct RemotePart {
  std::string name{};  ///< for people: "tags/web1"
  std::string refspec{};
  std::string hash{};  ///< what it is on the remote; empty where nobody asked
};

/// Fetches the branches of all hosts into REMOTE/hosts/NAME. git checks the objects (git-config(1),
/// fetch.fsckObjects): a branch with a bad object is refused, the other branches are taken. A branch that was
/// refused is not asked for again within a day, unless it moved or a limit did (refused_parts.h). A branch
/// that the remote does not have any more is kept.
Result<FetchResult> fetch(Repository& repository, const std::string& remote, Progress progress);

/// The same, and fetches `more` parts too.
Result<FetchResult> fetch_parts(Repository& repository, const Remote& remote, std::vector<RemotePart> more,
                                Progress progress);

/// Why the history of a commit that came otherwise than by a branch is refused: a snapshot in it is larger
/// than `fetch.snapshot`. Empty where none is.
std::string matter_of_size(const Repository& repository, const std::string& hash);

}  // namespace rewall
