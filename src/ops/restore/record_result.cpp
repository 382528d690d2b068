#include "ops/restore/record_result.h"

#include <unistd.h>

#include <utility>

#include "core/log.h"
#include "diff/pairs.h"
#include "ops/context/ruleset_files.h"
#include "rules/print.h"
#include "rules/sets.h"

namespace rewall {
namespace {

// True when what is staged is word for word what the revision, of which only some chains were taken apart,
// says.
bool staged_as_recorded(const RestorePlan& plan, const Revision& revision) {
  const Ruleset& staged = plan.staged.ruleset;
  return canonical_text(staged.v4) == canonical_text(revision.ruleset.v4) &&
         canonical_text(staged.v6) == canonical_text(revision.ruleset.v6) && !staged.both_backends() &&
         same_text(staged.sets, revision.ruleset.sets);
}

// The result's content, ahead: no disk is too full afterwards.
Result<PreparedFiles> write_ahead(Repository& repository, KnownState& known, const Revision& revision,
                                  const RestorePlan& plan) {
  Files files;
  std::string same_as;
  if (known.whole && staged_as_recorded(plan, revision)) {
    files = std::move(known.whole->files);
    files.erase("expect");
    same_as = known.whole->hash;
  } else if (known.whole) {
    auto transition = TRY(transition_of(plan));
    files = files_of(transition.wanted);
  } else {
    files = files_of(plan.staged.ruleset);
  }
  PreparedFiles prepared{.files = std::make_shared<const Files>(std::move(files))};
  prepared.tree = TRY(repository.prepare(prepared.files, same_as));
  return prepared;
}

}  // namespace

Result<JournalEntry> record_before(Session& session, Repository& repository, KnownState& known,
                                   const Revision& revision, RestorePlan& plan, const RestoreOptions& options,
                                   Restored& restored) {
  std::string before_hash = known.head.hash;
  // LIVE that went back by itself is the result of a way back, not a change before it.
  const bool is_back = options.way_back && restored.diff.identical();
  if (!known.same && !is_back && !(options.nothing_is_no_loss && holds_nothing(plan.live.ruleset))) {
    auto before = TRY(record(session, repository, known.head, plan.live, found_change()));
    for (const auto& note : before.notes) log_warning("{}", note);
    if (before.changed) restored.before = before;
    before_hash = std::move(before.hash);
  }
  plan.prepared = TRY(write_ahead(repository, known, revision, plan));
  if (known.same) plan.prepared.diff = &restored.diff;
  return JournalEntry{.before = std::move(before_hash),
                      .wanted = plan.prepared.tree,
                      .backends = backends_of(plan.staged.ruleset),
                      .place = plan.live.generation,
                      .began = now(),
                      .process = ::getpid()};
}

Result<std::optional<Recorded>> record_first(Session& session, Repository& repository, KnownState& known) {
  if (known.same) return std::optional<Recorded>{};
  auto recorded = TRY(record(session, repository, known.head, known.live, found_change()));
  for (const auto& note : recorded.notes) log_warning("{}", note);
  if (!recorded.changed) return std::optional<Recorded>{};
  known.head = TRY(read_head(repository));
  return std::optional(std::move(recorded));
}

Result<Recorded> record_result(const PlannedChange& change, const ReadBack& after,
                               const RecordOptions& options) {
  const PreparedFiles* prepared = after.as_staged ? &change.plan.prepared : nullptr;
  const bool comparable = after.as_staged || change.plan.rest == nullptr;
  if (change.head != nullptr && comparable)
    return record(change.session, change.repository, *change.head, after, options, prepared);
  auto head = TRY(read_head(change.repository));
  return record(change.session, change.repository, head, after, options, prepared);
}

}  // namespace rewall
