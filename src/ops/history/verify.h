#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "ops/context/finding.h"
#include "ops/context/session.h"
#include "store/repository.h"

namespace rewall {

/// Checks every snapshot of a range: its hashes, that it parses, and its signature. Returns a finding for
/// each snapshot that fails a check, and one for each check that no snapshot fails. Reads each object once.
///
/// `range` is `A..B`, or `REV` for the revision and all its ancestors; empty for HEAD. A missing signature
/// fails only where `sign.require` is true; a bad one always fails. Kind usage: the range or a revision in it
/// does not exist. Kind repository: HEAD or the settings cannot be read.
///
/// A signature by `sign.allowed` for the host of the branch stands for all that led to its snapshot, by the
/// hashes in it: unsigned snapshots that are older than the first such signature are counted in one line and
/// fail nothing. `all` looks at the branches of other hosts and of remotes and at the tags too; where
/// `sign.require` is true, a tag fails that restore would refuse.
Result<std::vector<Finding>> verify(const Repository& repository, const std::string& range, bool all = false);

/// Loads the rules of each snapshot of a range, without a range those of HEAD alone, into a scratch network
/// namespace, and compares what the kernel has of them with the snapshot, by meaning. Returns a finding for
/// each snapshot that does not come back as it is, and one where all do. What cannot be read verify() tells.
/// Errors as verify(); kind permission without the privilege for the firewall.
Result<std::vector<Finding>> verify_by_staging(Session& session, const Repository& repository,
                                               const std::string& range);

/// The same for one snapshot.
Result<Finding> stage_snapshot(Session& session, const std::string& hash, const Ruleset& ruleset);

}  // namespace rewall
