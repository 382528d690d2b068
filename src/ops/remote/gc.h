#pragma once

#include <cstdint>
#include <optional>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

/// The objects of a repository, as `git count-objects -v` counts them.
struct ObjectCount {
  std::uint64_t loose = 0;   ///< objects in files of their own
  std::uint64_t packed = 0;  ///< objects in packs; one that is loose too counts twice
  std::uint64_t packs = 0;
  std::uint64_t bytes = 0;  ///< on disk
};

struct GcResult {
  ObjectCount before{};
  ObjectCount after{};
};

/// `rewall gc`: packs loose objects and refs, and removes objects that are older than two weeks and that no
/// ref, no log of a ref and no file of `.git/rewall/` names. Other processes can work meanwhile; gc holds the
/// repository's lock only while it packs refs and removes objects. A gc that is killed leaves the repository
/// whole; the next gc removes its temporary files.
///
/// Absent while another process collects. Kind repository: git failed, on a full disk for example; nothing is
/// lost.
Result<std::optional<GcResult>> gc(const Repository& repository);

/// Removes the temporary pack that git leaves when it refuses the objects of a fetch: a file as big as they
/// are. Call it with the lock of begin_network() held. Does nothing while a gc runs: the next gc removes the
/// file.
void remove_refused_packs(const Repository& repository);

/// True when the repository has at least `gc.auto` loose objects, by a quick estimate, and the last gc began
/// more than an hour ago.
bool gc_is_due(const Repository& repository);

}  // namespace rewall
