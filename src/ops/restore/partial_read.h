#pragma once

#include <optional>
#include <string>

#include "ops/context/session.h"
#include "ops/history/revision.h"

namespace rewall {

/// HEAD, which LIVE is, and a snapshot that is to be restored: as texts, and by the chains alone that they do
/// not share. A restore of few rules takes no more apart.
struct PartialRead {
  SnapshotFiles head{};
  SnapshotFiles wanted{};
  /// Of HEAD and of the snapshot: their differing chains (rules/text_delta.h) and all their sets.
  Ruleset from{};
  Ruleset to{};
};

/// Nothing where LIVE is not known to be HEAD without reading it, where the two share little, and where
/// something outside of the differing chains tells what is to be done with them. Errors are those of
/// read_revision(). The caller, who may not hold the lock yet, asks still_live() when it does; and both
/// recordings are read with Proof::checksum: before LIVE or the history learns of them it asks
/// can_be_relied_on().
Result<std::optional<PartialRead>> read_partially(Session& session, const std::string& name, bool exact);

/// True when an excerpt's recording is by its hashes the snapshot `hash`, and nobody has changed its texts by
/// hand: those that were cut can be put together again. Takes as long as to read them: there is time for it
/// beside the programs.
bool can_be_relied_on(const Repository& repository, const std::string& hash, const Files& files);

/// The generation at which LIVE's rules are what the snapshot `head` says; nothing where they are not, or
/// HEAD is another.
std::optional<Generation> still_live(Session& session, const Repository& repository, const std::string& head);

}  // namespace rewall
