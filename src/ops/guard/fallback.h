#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/revision.h"
#include "ops/restore/restore_options.h"

namespace rewall {

/// One of the rulesets that would do, when something has to be put in force and nobody is there to ask.
struct Candidate {
  std::string what{};  ///< "the old ruleset (snapshot 1a2b3c4d5e)", "the tag good"
  std::function<Result<Revision>()> read{};
  bool exact = true;
};

struct FallbackResult {
  std::string what{};                  ///< which of them is in force
  bool as_wanted = false;              ///< it is the first
  std::optional<Restored> restored{};  ///< absent where it is in force but not recorded
  std::string why_unrecorded{};
  std::vector<std::string> refused{};  ///< what was tried before, and why not
};

/// Puts the first candidate in force that the kernel takes. By a restore, which `held` is for; where the
/// repository is no help (damaged, full, locked: `held` is null) without it, and then what LIVE was goes
/// below /run/rewall. Whoever goes on changing the firewall meanwhile does not keep it from landing.
///
/// Kind damaged: none could be put in force. Kind permission.
Result<FallbackResult> restore_or_fall_back(Session& session, const Lock* held,
                                            std::span<const Candidate> candidates,
                                            const RestoreOptions& options);

/// What is wanted, then what is left when it cannot be had: the tag good, and the template lockdown.
std::vector<Candidate> with_fallbacks(Session& session, Candidate wanted, const std::string& login);

/// "the old ruleset (snapshot 1a2b3c4d5e) is in force", and which candidates could not be put in force, and
/// why.
std::string to_text(const FallbackResult& landed);

}  // namespace rewall
