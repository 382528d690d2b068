#pragma once

#include <cstdint>
#include <optional>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

/// What stands in a repository, as `git count-objects -v` counts it.
struct Stored {
  std::uint64_t loose = 0;   ///< objects in files of their own
  std::uint64_t packed = 0;  ///< objects in packs; one that is loose too counts twice
  std::uint64_t packs = 0;
  std::uint64_t bytes = 0;  ///< on disk
};

struct Collected {
  Stored before{};
  Stored after{};
};

/// `rewall gc`: packs what is loose, and removes what nothing named for two weeks: no ref, no log of a ref,
/// and no file of `.git/rewall/`. Others work on meanwhile; the repository's lock is held only while the refs
/// are packed and while objects are removed. Killed at any moment it leaves the repository whole, and what
/// remains of it the next one removes.
///
/// Nothing while another process does it. Kind repository: git failed, on a full disk say; nothing is lost.
Result<std::optional<Collected>> gc(const Repository& repository);

/// For who holds the network, after a fetch whose objects were refused: git leaves them in a file as big as
/// they are. Nothing while a gc writes packs: the next one removes it.
void remove_refused_packs(const Repository& repository);

/// Whether there are as many loose objects as `gc.auto` says, by an estimate that takes no time, and no gc
/// began within the last hour.
bool gc_is_due(const Repository& repository);

}  // namespace rewall
