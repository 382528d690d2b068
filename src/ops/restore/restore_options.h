#pragma once

#include <optional>
#include <string>
#include <vector>

#include "diff/diff.h"
#include "ops/context/identity.h"
#include "ops/history/record.h"
#include "ops/restore/safeguard.h"

namespace rewall {

struct RestoreOptions {
  std::optional<Family> family{};  ///< only this family
  std::string table{};             ///< only this table
  std::string message{};
  std::string trigger = "restore";
  bool dry_run = false;
  bool exact = false;               ///< restores foreign parts too, instead of keeping LIVE's
  Safeguard* safeguard = nullptr;   ///< the guard of the change; null for a way back
  std::optional<Actor> actor{};     ///< who restores, where it is not the person behind this process
  bool way_back = false;            ///< of a guarded change, or a boot: pre-restore.d is not asked
  bool nothing_is_no_loss = false;  ///< LIVE is not recorded where it holds nothing, as after a boot
};

struct Restored {
  Diff diff{};                       ///< what changes, or with dry_run would change
  std::string moves{};               ///< "from nft to legacy", where all rules go to the other backend
  std::optional<Recorded> before{};  ///< the old LIVE, where HEAD did not have it
  std::optional<Recorded> after{};   ///< absent with dry_run
  std::string restored{};            ///< the hash that was restored; empty for a file
  std::vector<std::string> notes{};  ///< for people: who signed it, which foreign parts were kept or left out
};

}  // namespace rewall
