#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "ops/context/session.h"
#include "ops/guard/fallback.h"
#include "ops/guard/guard_state.h"
#include "ops/restore/restore_options.h"

namespace rewall {

// The way back of a guard: its old ruleset and how it is restored.

/// Reads the old ruleset of a guard, from the repository, else from the copy in /run/rewall. The errors of
/// read_revision().
Result<Revision> read_before(Session& session, const Guard& guard);

/// The old ruleset of a guard as the first candidate for restore_or_fall_back(). The session must outlive the
/// candidate.
Candidate old_ruleset(Session& session, const Guard& guard);

/// The options of the restore of a guard's old ruleset.
RestoreOptions options_of(const Guard& guard);

/// True where a repository knows of a guard whose state file is not there: how it ended, or its second copy.
/// One that stands where the guard's own repository stood does not. `state` is the folder `.git/rewall`.
bool knows_of_its_end(const std::filesystem::path& state, const std::string& id);

/// Reads the guard again; absent where it has ended, which the repository knows of it (guards/ID.HOW, or the
/// second copy where somebody removed the state file). Returns `known` where the state file or the repository
/// cannot be read, or another repository stands there: nobody has confirmed then. `path` is the folder of the
/// repository.
std::optional<Guard> still_armed(const std::filesystem::path& path, const Guard& known);

}  // namespace rewall
