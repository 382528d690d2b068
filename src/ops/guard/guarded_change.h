#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ops/context/session.h"
#include "ops/expiry/expiry_state.h"
#include "ops/guard/guard_state.h"
#include "ops/restore/safeguard.h"

namespace rewall {

/// The Safeguard of a command that changes LIVE. With a length (`--for`) it arms a guard with this time to
/// the deadline; without, it notes the change in a guard that was armed earlier, which reverts this change
/// too. With `expires` (`--expire`) what the change adds is taken out after this time. Lives as long as the
/// command; the guard and the expiry live on.
class GuardedChange : public Safeguard {
 public:
  GuardedChange(Session& session, std::optional<std::chrono::milliseconds> length,
                std::optional<std::chrono::milliseconds> expires = {})
      : session_(session), length_(length), expires_(expires) {}

  /// The guard that this change armed; absent where none is armed or the guard was dropped.
  const std::optional<Guard>& armed() const { return guard_; }
  /// What expires of this change; absent where nothing does.
  const std::optional<Expiry>& expiry() const { return expiry_; }

  Status check() override;
  Status check_none_armed() override;
  Status arm(const Lock& held, const std::string& before, bool exact, const WantedChange& change) override;
  Status check_wanted(const WantedChange& change) override;
  void drop(const Lock& held) override;
  void keep(const Lock& held, bool exact, const std::string& after) override;

 private:
  /// What expires of a change. Kind refused: nothing does.
  Result<std::vector<ExpiringPart>> expiring_parts(const WantedChange& change);
  Status begin_expiry(const Lock& held, const std::string& before, const WantedChange& change);

  Session& session_;
  std::optional<std::chrono::milliseconds> length_;
  std::optional<std::chrono::milliseconds> expires_;
  std::optional<Guard> guard_{};
  std::optional<Expiry> expiry_{};
};

}  // namespace rewall
