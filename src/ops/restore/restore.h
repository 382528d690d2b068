#pragma once

#include <string>

#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/revision.h"
#include "ops/restore/plan.h"
#include "ops/restore/restore_options.h"

namespace rewall {

/// Makes LIVE what a revision says (rewall(8), restore): records LIVE when HEAD does not have it, stages the
/// wanted ruleset in a scratch namespace, loads it, reads it back and compares; on any failure the old
/// ruleset is put back.
///
/// Kind kernel: refused, LIVE is what it was. Kind refused: the firewall kept changing meanwhile, or
/// sign.require asks for a signature that the snapshot lacks. Kind damaged: the old ruleset could not be put
/// back.
Result<Restored> restore(Session& session, const std::string& revision, const RestoreOptions& options);

/// The same for a revision that is read already, and a caller who holds the lock.
Result<Restored> restore(Session& session, const Lock& held, const Revision& revision,
                         const RestoreOptions& options);

/// The same where LIVE and HEAD are known, too.
Result<Restored> restore(Session& session, const Lock& held, Revision revision, KnownState known,
                         const RestoreOptions& options);

}  // namespace rewall
