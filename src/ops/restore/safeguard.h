#pragma once

#include <string>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

/// The guard of a change, as a restore sees it: armed before LIVE changes, and dropped when nothing of the
/// change is in force. ops/guard/guarded_change.h has the real one. The caller of each function holds the
/// lock.
class Safeguard {
 public:
  virtual ~Safeguard() = default;

  /// Asked before anything is planned. Kind refused: another guard is armed.
  virtual Status check() = 0;
  /// Arms before LIVE changes, at the snapshot `before` that LIVE is. Called again when the restore plans
  /// again. Kind refused: nothing is armed.
  virtual Status arm(const Lock& held, const std::string& before, bool exact) = 0;
  /// Nothing of the change is in force: nothing is to be reverted.
  virtual void drop(const Lock& held) = 0;
  /// The change, or a part of it, is in force: what was armed stays. A guard that was armed earlier reverts
  /// this change too.
  virtual void keep(const Lock& held, bool exact) = 0;
};

}  // namespace rewall
