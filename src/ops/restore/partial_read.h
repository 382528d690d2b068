#pragma once

#include <optional>
#include <string>

#include "ops/context/session.h"
#include "ops/history/revision.h"

namespace rewall {

/// HEAD, which LIVE equals, and a snapshot to restore, of which only the chains that differ are parsed: a
/// restore that changes few rules parses no more. A value, valid while still_live() confirms it.
struct PartialRead {
  SnapshotFiles head{};
  SnapshotFiles wanted{};
  /// Of HEAD: the chains with different text (rules/text_delta.h), and all sets, without the members that are
  /// in both (rules/set_delta.h).
  Ruleset from{};
  Ruleset to{};  ///< of the snapshot: the same
};

/// Reads HEAD and the snapshot `name` partially. Absent where the generation cache does not prove that LIVE
/// equals HEAD, where more than half of the text differs, where a legacy backend is involved, or where the
/// owners of foreign parts depend on other chains. The caller need not hold the repository's lock; with the
/// lock it asks still_live(). Both snapshots are read with Proof::checksum; before LIVE or the history
/// changes, can_be_relied_on() must prove them. The errors of read_revision().
Result<std::optional<PartialRead>> read_partially(Session& session, const std::string& name, bool exact);

/// True when `files` are those of the snapshot `hash`, by their hashes, and their texts are canonical, so
/// that chains can be replaced in them. Takes as long as reading the files.
bool can_be_relied_on(const Repository& repository, const std::string& hash, const Files& files);

/// The generation at which LIVE's rules equal the snapshot `head`; absent where the generation has changed or
/// HEAD is another snapshot.
std::optional<Generation> still_live(Session& session, const Repository& repository, const std::string& head);

}  // namespace rewall
