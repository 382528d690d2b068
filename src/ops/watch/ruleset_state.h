#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/result.h"
#include "diff/diff.h"
#include "kernel/firewall.h"
#include "store/repository.h"

namespace rewall {

/// LIVE at a generation, as the texts of a snapshot.
struct RulesetState {
  std::shared_ptr<const Files> files = std::make_shared<const Files>();
  std::string backends{};  ///< "nft", "legacy" or "nft+legacy"
  std::string tools{};     ///< the versions of the programs that read LIVE
  std::optional<Generation> generation{};
  bool has_owned = false;  ///< as Capture::has_owned
};

/// The parts of two states that differ, and the changes from the first to the second.
struct StateDifference {
  Ruleset from{};
  Ruleset to{};
  Diff diff{};
};

/// `head`: the hash of the snapshot that `from` is, or that it follows. Kind repository: the files of that
/// snapshot are no rules, as somebody made it by hand.
Result<StateDifference> compare_states(const RulesetState& from, const RulesetState& to,
                                       const std::string& head);

}  // namespace rewall
