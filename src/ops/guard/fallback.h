#pragma once

#include <chrono>
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

/// A ruleset that a guard or a boot can put in force when nobody is there to decide. The session that `read`
/// uses must outlive it.
struct Candidate {
  std::string what{};  ///< "the old ruleset (snapshot 1a2b3c4d5e)", "the tag good"
  std::function<Result<Revision>()> read{};
  bool exact = true;  ///< replaces foreign parts too
};

/// The result of restore_or_fall_back(). A value.
struct FallbackResult {
  std::string what{};                  ///< the candidate that is in force
  std::string hash{};                  ///< its snapshot, full hash; empty where it is none
  bool as_wanted = false;              ///< true where the first candidate is in force, all of it
  LeftToOwners left_to_owners{};       ///< as Restored::left_to_owners; `what` says it too
  std::optional<Restored> restored{};  ///< absent where the candidate is not recorded
  bool changed = false;                ///< where it is not recorded: LIVE was another before
  std::string why_unrecorded{};        ///< why the candidate is not recorded
  std::vector<std::string> refused{};  ///< the candidates tried before, each with the reason
  std::string left_out{};              ///< the family that cannot be loaded here at all, with the reason
};

/// The next candidate; absent after the last.
using NextCandidate = std::function<std::optional<Candidate>()>;

/// Puts the first candidate in force that the kernel accepts: by a restore with the lock `held`, or, where
/// `held` is null or the restore fails, by a load without the history; the old LIVE is kept in /run/rewall
/// then. `held` is null where the lock cannot be had. Other programs that keep changing the firewall cannot
/// prevent the load (ops/guard/README.md).
///
/// Kind damaged: no candidate could be put in force. Kind permission: no privilege to change the firewall.
Result<FallbackResult> restore_or_fall_back(Session& session, const Lock* held,
                                            std::span<const Candidate> candidates,
                                            const RestoreOptions& options);
/// The same for a boot, which has time: a trouble that passes by itself (kernel/trouble.h) is waited for, no
/// longer than `patience` in all, and the backend that it does not hinder is loaded meanwhile. A family of
/// which not even an empty table can be loaded is left out of a candidate.
Result<FallbackResult> restore_or_fall_back(Session& session, const Lock* held, const NextCandidate& next,
                                            const RestoreOptions& options,
                                            std::chrono::milliseconds patience);

/// The candidates in their order: `wanted`, the tag good, the template lockdown. `login` is Guard::login.
std::vector<Candidate> with_fallbacks(Session& session, Candidate wanted, const std::string& login);

/// The name of a candidate whose revision was read: "the old ruleset (snapshot 1a2b3c4d5e, without 1 rule
/// that had expired)".
std::string with_left_out(const std::string& what, const Revision& revision);

/// A result for people: "the old ruleset (snapshot 1a2b3c4d5e) is in force", and the candidates that could
/// not be put in force with the reasons.
std::string to_text(const FallbackResult& fallback);

}  // namespace rewall
