#pragma once

#include <optional>
#include <string>

#include "core/result.h"
#include "kernel/firewall.h"
#include "ops/context/session.h"
#include "store/repository.h"

namespace rewall {

/// "At this generation LIVE was what this snapshot says": kept in `.git/rewall/seen`, so that an unchanged
/// firewall is known without reading it.
struct CachedGeneration {
  Generation generation{};
  std::string head{};
};

/// Absent when nothing was kept, or nothing that can be read.
std::optional<CachedGeneration> read_cached_generation(const Repository& repository);
Status write_cached_generation(const Repository& repository, const CachedGeneration& seen);

/// What was seen last, where the generation tells that LIVE's rules are still that. Sets have none: they have
/// to be looked at.
std::optional<CachedGeneration> unchanged_since_cached(Session& session, const Repository& repository);

/// Keeps that `capture` is what the snapshot `head` says, where its generation tells all of it.
void remember_generation(const Repository& repository, const Capture& capture, const std::string& head);

}  // namespace rewall
