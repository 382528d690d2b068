#pragma once

#include "core/result.h"
#include "ops/restore/journal.h"
#include "ops/restore/plan.h"

namespace rewall {

/// A plan that is about to be carried out. What it refers to must outlive it.
struct PlannedChange {
  Session& session;
  Repository& repository;
  const RestorePlan& plan;
  const Diff& diff;
  const Head* head;  ///< null where a snapshot was made since HEAD was read

  bool changes_live() const { return !diff.identical(); }
};

/// Loads the plan, reads LIVE back, compares, and records the result; on any failure the old ruleset is put
/// back. From the journal's begin to its end no signal, no exception and no SIGKILL leaves a part of each
/// ruleset behind.
///
/// Kind refused: somebody changed the firewall meanwhile, LIVE is untouched. Kind kernel: refused, LIVE is
/// what it was before. Kind damaged: the old ruleset could not be put back; the journal stays.
Result<Recorded> put_in_force(const PlannedChange& change, const JournalEntry& entry);

}  // namespace rewall
