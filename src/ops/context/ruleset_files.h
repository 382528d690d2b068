#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "rules/ruleset.h"
#include "store/repository.h"

namespace rewall {

/// The files of the contract's section 4 for a ruleset, canonical. `rules.v4`, `rules.v6` and `ipset` are
/// always there, perhaps empty; the legacy files only where the legacy backend has rules beside nft's.
Files files_of(const Ruleset& ruleset);

/// A ruleset from such files, taken apart only down to rules. `name` stands before the file's name in an
/// error (kind usage): "1a2b3c:rules.v4:3: ...". `backends` is a snapshot's Rewall-Backend, empty where it is
/// unknown.
Result<Ruleset> ruleset_of(Files files, std::string_view name, std::string_view backends);

/// "nft", "legacy" or "nft+legacy".
std::string backends_of(const Ruleset& ruleset);

/// Files below /run/rewall in a new folder, root's alone and gone with the next restart: for what the
/// repository cannot hold. False where it could not be made, or not be filled.
bool keep_in_run(const std::string& folder, const Files& files);

}  // namespace rewall
