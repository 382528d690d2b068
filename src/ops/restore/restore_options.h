#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/port_changes.h"
#include "diff/diff.h"
#include "ops/context/identity.h"
#include "ops/history/record.h"
#include "ops/restore/parts.h"
#include "ops/restore/safeguard.h"
#include "rules/foreign.h"

namespace rewall {

struct ChangeCheck;

/// Tables of a wanted ruleset that stay as they are, as a process owns them in LIVE (owned_tables.h). A
/// value.
struct LeftToOwners {
  std::string tables{};      ///< "table ip filter, which process nft (1234) owns"; empty where there are none
  bool of_iptables = false;  ///< one of them has a name of iptables, and is wanted otherwise
};

/// The options of a restore. Lives during the call.
struct RestoreOptions {
  std::optional<Family> family{};   ///< only this family
  std::string table{};              ///< only this table; "inet fw" and "ip filter" name a table of nft
  bool keeps_nft_words = false;     ///< a rules file leaves tables in the words of nft that it does not name
  const Parts* parts = nullptr;     ///< only these chains and sets; not together with family or table
  std::string message{};            ///< the subject of the result's snapshot; empty: made from the diff
  std::string trigger = "restore";  ///< as Rewall-Trigger
  std::string undoes{};             ///< as Rewall-Undoes, full hash
  bool dry_run = false;             ///< plans only
  bool exact = false;               ///< restores foreign parts too, instead of keeping those of LIVE
  Safeguard* safeguard = nullptr;   ///< the guard of the change; null for a way back
  /// What is held against the wanted ruleset first (change_check.h); null for a way back.
  ChangeCheck* check = nullptr;
  std::optional<Actor> actor{};  ///< the person who restores; else the person behind this process
  /// For a way back (a guard or a boot): pre-restore.d and the signature are not checked.
  bool way_back = false;
  /// The revision was made of the LIVE that the caller read: another LIVE is an error of kind refused, and no
  /// second plan is made.
  bool of_this_live = false;
  LostForeign lost_foreign = LostForeign::stays_lost;  ///< without `exact`
  bool asks_ports = false;                             ///< Restored::ports is asked for
  bool nothing_is_no_loss = false;                     ///< an empty LIVE is not recorded, as after a boot
};

/// The result of a restore. A value.
struct Restored {
  Diff diff{};                       ///< from the old LIVE to the new one, also with dry_run
  std::string moves{};               ///< "from nft to legacy", where all rules go to the other backend
  std::optional<Recorded> before{};  ///< the snapshot of the old LIVE, where HEAD differed from it
  /// The snapshot of the new LIVE; absent with dry_run, and where the history cannot be read or written.
  std::optional<Recorded> after{};
  std::string why_unrecorded{};  ///< why the history could not be read or written; empty where it could
  std::string kept{};      ///< the folder with the files of the old LIVE then; empty where it is LIVE still
  std::string restored{};  ///< the snapshot that was restored, full hash; empty for a file
  bool partly = false;     ///< of parts of that snapshot alone: LIVE may differ from the rest of it
  std::vector<std::string> notes{};  ///< for people: who signed it, which foreign parts were kept or left out
  LeftToOwners left_to_owners{};     ///< what is not as wanted, as a process owns it
  /// What the change does to the ports (port_changes()); absent where nobody asks, and where that has no
  /// answer.
  std::optional<std::vector<PortChange>> ports{};
  std::optional<Error> refusal{};  ///< with dry_run: why the restore would be refused
};

}  // namespace rewall
