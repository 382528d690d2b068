#include "ops/restore/undo.h"

#include <utility>
#include <vector>

#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/settings.h"
#include "ops/history/change_stack.h"
#include "ops/restore/parts.h"
#include "ops/restore/record_result.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"

namespace rewall {
namespace {

struct Begun {
  Lock held;
  KnownState known;
};

Result<Begun> begin(Session& session, const Repository& repository, const RestoreOptions& options,
                    std::string_view command) {
  auto held = TRY(lock(session));
  if (options.safeguard != nullptr) TRY(options.safeguard->check_none_armed());
  auto known = TRY(know_live_and_head(session, repository));
  if (known.head.hash.empty()) return error_of<messages::nothing_recorded>(command);
  return Begun{std::move(held), std::move(known)};
}

// True where LIVE differs from HEAD by more than foreign parts: recorded, that is a change.
Result<bool> own_parts_differ(const Repository& repository, const KnownState& known) {
  if (known.same) return false;
  const Diff diff = compare(known.head.ruleset, known.live.ruleset);
  if (diff.identical()) return false;
  const auto owners = TRY(read_owners(repository));
  return foreign_only(diff, known.head.ruleset, known.live.ruleset, owners).empty();
}

Result<Ruleset> ruleset_at(Session& session, const Head& head, const std::string& hash) {
  if (hash == head.hash) return head.ruleset;
  auto revision = TRY(read_revision(session, hash));
  return std::move(revision.ruleset);
}

bool same_backends(const Ruleset& a, const Ruleset& b) {
  return a.backend == b.backend && a.both_backends() == b.both_backends();
}

// Refuses to call a change taken back of which something stays, as it belongs to other programs.
Status check_nothing_kept(const Ruleset& live, const Revision& revision, const Parts& parts,
                          const Restored& restored, const RestoreOptions& options) {
  if (compare(live, with_parts(live, revision.ruleset, parts)).equal()) return {};
  return error_of<messages::only_foreign_left>(join(restored.notes, "; "), options.trigger);
}

/// Why foreign parts go back too, where they do.
struct ForeignWish {
  bool by_person = false;  ///< asked for now: whatever their owners made of them since
  bool was_exact = false;  ///< the change was: where owners made these parts anew, nothing is left of it
};

// Puts the chains and sets in which `left` and the snapshot differ back as they are in the snapshot.
Result<Restored> put_parts_back(Session& session, Begun& begun, const std::string& hash, Ruleset left,
                                RestoreOptions options, ForeignWish wish) {
  auto target = TRY(ruleset_at(session, begun.known.head, hash));
  Parts parts;
  // Where the rules went to another backend, all of them go back.
  if (same_backends(left, target) && same_backends(begun.known.live.ruleset, target)) {
    parts = differing_parts(target, std::move(left));
    parts.with_later = wish.by_person;
    options.parts = &parts;
  }
  const Revision revision{.name = hash, .hash = hash, .ruleset = std::move(target)};
  const auto live = options.dry_run ? begun.known.live.ruleset : Ruleset{};
  auto restored = TRY(restore(session, begun.held, revision, std::move(begun.known), options));
  if (options.parts == nullptr || wish.by_person || wish.was_exact) return restored;
  if (options.dry_run && restored.diff.identical())
    TRY(check_nothing_kept(live, revision, parts, restored, options));
  if (restored.after && !restored.after->changed) {
    const auto repository = TRY(session.repository());
    const auto head = TRY(read_head(*repository));
    TRY(check_nothing_kept(head.ruleset, revision, parts, restored, options));
  }
  return restored;
}

// What a person's command did to foreign parts is a part of the change; else their owners keep them.
bool takes_foreign_parts(const Snapshot& change) {
  return !change.trailers.exact.empty() || !change.trailers.foreign.empty();
}

Error nothing_done(const Repository& repository, const std::string& head) {
  const auto undone = newest_undone(repository, head);
  // Redo compares with what was before, which a shallow clone may lack.
  const bool can_redo = undone && undone->change && !undone->change->parent.empty();
  return can_redo ? error_of<messages::all_is_undone>() : error_of<messages::nothing_to_undo>();
}

// The snapshots of foreign parts alone from the newest down to the change.
std::vector<std::string> background_above(const Repository& repository, std::string at,
                                          const std::string& change) {
  std::vector<std::string> all;
  while (!at.empty() && at != change) {
    const auto snapshot = repository.snapshot(at);
    if (!snapshot || !is_background(*snapshot)) break;
    all.push_back(at);
    at = snapshot->parent;
  }
  return all;
}

// Of a change that is not recorded, as a dry run leaves it.
Result<Restored> undo_unrecorded(Session& session, const Repository& repository, Begun begun,
                                 const RestoreOptions& options, const Announce& announce) {
  auto head = TRY(repository.snapshot(begun.known.head.hash));
  const auto back_to = TRY(in_force_at(repository, std::move(head)));
  if (!back_to) return error_of<messages::nothing_to_undo>();
  Ruleset left = begun.known.live.ruleset;
  const Snapshot change{.subject = subject(compare(begun.known.head.ruleset, left))};
  if (announce) announce({.change = change, .back_to = *back_to});
  return put_parts_back(session, begun, back_to->hash, std::move(left), options,
                        {.by_person = options.exact});
}

// Of a change of which nothing is in force any more, as a guard or a boot leaves out what expired: without a
// snapshot the next undo would come upon the same change for ever.
Result<Recorded> record_undone(Session& session, Repository& repository, const std::string& back_to,
                               const RestoreOptions& options) {
  const auto read = TRY(read_live_and_head(session, repository));
  return record(session, repository, read.head, read.live,
                {.message = options.message,
                 .trigger = options.trigger,
                 .restores = back_to,
                 .undoes = options.undoes,
                 .exact = options.exact,
                 .allow_empty = true});
}

}  // namespace

Result<Restored> undo(Session& session, const RestoreOptions& given, const Announce& announce) {
  auto repository = TRY(session.repository());
  auto begun = TRY(begin(session, *repository, given, "undo"));
  std::optional<Recorded> before;
  if (given.dry_run) {
    const bool differ = TRY(own_parts_differ(*repository, begun.known));
    if (differ) return undo_unrecorded(session, *repository, std::move(begun), given, announce);
  } else {
    before = TRY(record_first(session, *repository, begun.known));
  }
  const auto change = TRY(newest_done(*repository, begun.known.head.hash));
  if (!change) return nothing_done(*repository, begun.known.head.hash);
  const auto back_to = TRY(in_force_before(*repository, *change));
  if (!back_to) return error_of<messages::nothing_to_undo>();
  RestoreOptions options = given;
  options.trigger = "undo";
  options.undoes = change->hash;
  options.exact = given.exact || takes_foreign_parts(*change);
  if (announce)
    announce({.change = *change,
              .back_to = *back_to,
              .passed_over = background_above(*repository, begun.known.head.hash, change->hash),
              .missing = missing_reference(*repository, *change)});
  auto left = TRY(ruleset_at(session, begun.known.head, change->hash));
  auto restored =
      TRY(put_parts_back(session, begun, back_to->hash, std::move(left), options,
                         {.by_person = given.exact, .was_exact = !change->trailers.exact.empty()}));
  if (!options.dry_run && restored.after && !restored.after->changed &&
      restored.left_to_owners.tables.empty())
    restored.after = TRY(record_undone(session, *repository, back_to->hash, options));
  if (before && !restored.before) restored.before = std::move(before);
  return restored;
}

Result<Restored> redo(Session& session, const RestoreOptions& given, const Announce& announce) {
  auto repository = TRY(session.repository());
  auto begun = TRY(begin(session, *repository, given, "redo"));
  const bool differ = TRY(own_parts_differ(*repository, begun.known));
  if (differ) return error_of<messages::changed_unrecorded>();
  const auto undone = TRY(newest_undone(*repository, begun.known.head.hash));
  if (undone.since)
    return error_of<messages::changed_since_undo>(undone.since->hash.substr(0, 10), undone.since->subject);
  const auto taken_back = TRY(newest_rollback(*repository, begun.known.head.hash));
  if (!undone.change && taken_back)
    return error_of<messages::redo_after_rollback>(taken_back->parent.substr(0, 10));
  if (!undone.change) return error_of<messages::nothing_to_redo>();
  const Snapshot& change = *undone.change;
  const auto before = TRY(in_force_before(*repository, change));
  if (!before) return error_of<messages::nothing_to_redo>();
  RestoreOptions options = given;
  options.trigger = "redo";
  options.exact = given.exact || takes_foreign_parts(change);
  if (announce)
    announce({.change = change, .back_to = *before, .missing = missing_reference(*repository, change)});
  auto left = TRY(ruleset_at(session, begun.known.head, before->hash));
  return put_parts_back(session, begun, change.hash, std::move(left), options,
                        {.by_person = given.exact, .was_exact = !change.trailers.exact.empty()});
}

}  // namespace rewall
