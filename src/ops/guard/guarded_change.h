#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "ops/context/session.h"
#include "ops/guard/guard_state.h"
#include "ops/restore/safeguard.h"

namespace rewall {

/// The Safeguard of a command that changes LIVE. With a length (`--for`) it arms a guard with this time to
/// the deadline; without, it notes the change in a guard that was armed earlier, which reverts this change
/// too. Lives as long as the command; the guard lives on.
class GuardedChange : public Safeguard {
 public:
  GuardedChange(Session& session, std::optional<std::chrono::milliseconds> length)
      : session_(session), length_(length) {}

  /// The guard that this change armed; absent where none is armed or the guard was dropped.
  const std::optional<Guard>& armed() const { return guard_; }

  Status check() override;
  Status check_none_armed() override;
  Status arm(const Lock& held, const std::string& before, bool exact) override;
  void drop(const Lock& held) override;
  void keep(const Lock& held, bool exact) override;

 private:
  Session& session_;
  std::optional<std::chrono::milliseconds> length_;
  std::optional<Guard> guard_{};
};

}  // namespace rewall
