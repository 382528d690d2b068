#pragma once

#include <optional>
#include <string>

#include "core/result.h"
#include "kernel/firewall.h"
#include "ops/context/session.h"
#include "store/repository.h"

namespace rewall {

/// The note "at this generation LIVE equals this snapshot", in `.git/rewall/seen`: while the generation
/// stays, LIVE need not be captured. The file lives until the next note; the generation goes with the boot.
struct CachedGeneration {
  Generation generation{};
  std::string head{};  ///< the snapshot, full hash
};

/// Reads the note. Absent where the file does not exist or cannot be parsed.
std::optional<CachedGeneration> read_cached_generation(const Repository& repository);
/// Replaces the note, without a sync. Kind repository.
Status write_cached_generation(const Repository& repository, const CachedGeneration& cached);

/// The note, where the generation of nf_tables proves that LIVE's rules still equal the snapshot. Absent
/// where the legacy backend is in use. The generation does not cover sets: the caller compares them.
std::optional<CachedGeneration> unchanged_since_cached(Session& session, const Repository& repository);

/// Notes that `capture` equals the snapshot `head`, where nft is the only backend and the capture has a
/// generation that proves it: not with a table that may go with its owner. A failure is logged.
void remember_generation(const Repository& repository, const Capture& capture, const std::string& head);

}  // namespace rewall
