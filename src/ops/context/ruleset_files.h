#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "rules/parse.h"
#include "rules/ruleset.h"
#include "store/repository.h"

namespace rewall {

/// A ruleset as the files of a snapshot (rewall-repository(5), WORK TREE), in canonical text. `rules.v4`,
/// `rules.v6` and `ipset` always exist and may be empty; the legacy files exist only where the legacy backend
/// has rules beside those of nft.
Files files_of(const Ruleset& ruleset);

/// Parses such files into a ruleset; rules stay text. `name` stands before the name of a file in an error
/// (kind usage): "1a2b3c:rules.v4:3: ...". `backends` is the Rewall-Backend of the snapshot, empty where it
/// is not known. `sets` says whose words the file `ipset` has.
Result<Ruleset> ruleset_of(Files files, std::string_view name, std::string_view backends,
                           SetsText sets = SetsText::saved);

/// The same of files that people may have written (read_rules_file()).
struct WrittenRuleset {
  Ruleset ruleset{};
  std::vector<std::string> notes{};  ///< what people should know about how the files were read
};
Result<WrittenRuleset> written_ruleset_of(Files files, std::string_view name);

/// The backends that a ruleset uses: "nft", "legacy" or "nft+legacy".
std::string backends_of(const Ruleset& ruleset);

/// Writes files into a new folder below /run/rewall, for a ruleset that the repository cannot hold. The
/// folder has mode 0700 and lasts until the next boot. False where the folder or a file could not be written.
bool keep_in_run(const std::string& folder, const Files& files);

}  // namespace rewall
