#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "diff/diff.h"
#include "ops/context/session.h"
#include "ops/guard/guard_state.h"
#include "ops/history/record.h"
#include "ops/history/revision.h"

namespace rewall {

struct RestoreOptions {
  std::optional<Family> family{};  ///< this family alone
  std::string table{};             ///< this table alone
  std::string message{};
  std::string trigger = "restore";
  bool dry_run = false;
  bool exact = false;  ///< foreign parts too, instead of keeping LIVE's
  std::optional<std::chrono::milliseconds>
      guarded{};                    ///< arms the guard for as long, before anything changes
  std::optional<Actor> actor{};     ///< who restores, where it is not this process's person
  bool way_back = false;            ///< of a guarded change, or a boot: pre-restore.d is not asked
  bool nothing_is_no_loss = false;  ///< LIVE is not recorded where it holds nothing, as after a start
};

struct Restored {
  Diff diff{};                       ///< what changes, or with dry_run would
  std::string moves{};               ///< "from nft to legacy", where all rules go to the other kernel
  std::optional<Recorded> before{};  ///< LIVE as it was, where HEAD did not have it
  std::optional<Recorded> after{};   ///< absent with dry_run
  std::string restored{};            ///< the hash that was restored; empty for a file
  std::optional<Guard> guard{};      ///< that is armed now, by this restore
  std::vector<std::string> notes{};  ///< worth saying: who signed it, which foreign parts were kept or left
                                     ///< out
};

/// Makes LIVE what a revision says (the contract's section 7): records LIVE when HEAD does not have it,
/// stages the wanted ruleset in a scratch namespace, loads it, reads it back and compares; on any failure
/// what was there is put back.
///
/// Kind kernel: refused, LIVE is what it was. Kind refused: the firewall kept changing meanwhile, or
/// sign.require asks for a signature that the snapshot lacks. Kind damaged: it could not be put back; the
/// message says what is in force.
Result<Restored> restore(Session& session, const std::string& revision, const RestoreOptions& options);

/// The same of a revision that is read already, for one who holds the lock.
Result<Restored> restore(Session& session, const Lock& held, const Revision& revision,
                         const RestoreOptions& options);

/// Restores the parent of the newest snapshot; when LIVE differs from HEAD, that is HEAD itself. Twice is
/// redo. Unless exact, differences in foreign parts alone are none.
Result<Restored> undo(Session& session, const RestoreOptions& options);

}  // namespace rewall
