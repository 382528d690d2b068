#pragma once

#include <string>

#include "core/result.h"
#include "diff/diff.h"
#include "store/repository.h"

namespace rewall {

/// The change that a restore is about to make. The references are valid during the call.
struct WantedChange {
  const Diff& diff;  ///< between the two
  const Ruleset& from;
  const Ruleset& to;
};

/// The guard of a change, as a restore sees it: the restore arms it before LIVE changes, and drops it unless
/// its change, or a part of it, is in force. ops/guard/guarded_change.h implements it. Lives longer than the
/// restore; the caller of each function holds the repository's lock.
class Safeguard {
 public:
  virtual ~Safeguard() = default;

  /// Called before the first plan. Kind refused: another guard is armed.
  virtual Status check() = 0;
  /// Kind refused: a guard is armed in this network namespace, whose change nobody has decided on yet.
  virtual Status check_none_armed() = 0;
  /// Arms the guard. `before` is the snapshot that LIVE equals; `exact` is that of the restore. Called again
  /// when the restore plans again. Kind refused: no guard could be armed, and none is.
  virtual Status arm(const Lock& held, const std::string& before, bool exact, const WantedChange& change) = 0;
  /// Called by a dry run in place of arm(). Kind refused: arm() would refuse this change.
  virtual Status check_wanted(const WantedChange& change) = 0;
  /// Disarms the guard: no part of the change is in force.
  virtual void drop(const Lock& held) = 0;
  /// Leaves the guard armed: the change, or a part of it, is in force. A guard that was armed earlier reverts
  /// this change too. `after` is the snapshot that recorded the change; empty where none did.
  virtual void keep(const Lock& held, bool exact, const std::string& after) = 0;
};

}  // namespace rewall
