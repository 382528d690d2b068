#pragma once

#include "ops/history/record.h"
#include "ops/restore/recovery.h"

namespace rewall {

/// What `rewall snapshot` does: takes the lock, and records LIVE.
inline Result<Recorded> record_now(Session& session, const RecordOptions& options) {
  const Lock held = TRY(lock(session));
  return record_live(session, held, options);
}

}  // namespace rewall
