#include "ops/restore/restore.h"

#include <fcntl.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "core/file_lock.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "diff/pairs.h"
#include "ops/context/event_hooks.h"
#include "ops/context/host_facts.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/state_paths.h"
#include "ops/history/generation_cache.h"
#include "ops/history/open_ports.h"
#include "ops/history/signature.h"
#include "ops/restore/apply.h"
#include "ops/restore/change_check.h"
#include "ops/restore/partial_read.h"
#include "ops/restore/put_in_force.h"
#include "ops/restore/record_result.h"
#include "ops/restore/recovery.h"
#include "ops/restore/unrecorded.h"

namespace rewall {
namespace {

Status ask(Session& session, const Revision& revision, const Head& head, const Diff& diff,
           const RestoreOptions& options) {
  if (diff.identical() || options.way_back) return {};
  return run_pre_hooks(session,
                       {.name = "pre-restore",
                        .trigger = options.trigger,
                        .from = head.hash,
                        .subject = options.message.empty() ? subject(diff) : options.message,
                        .revision = revision.name,
                        .restores = revision.hash},
                       diff);
}

void tell(Session& session, const Revision& revision, const Head& head, const Restored& restored,
          const RestoreOptions& options) {
  if (restored.diff.identical()) return;
  queue_event(session,
              {.name = "post-restore",
               .trigger = options.trigger,
               .from = restored.before ? restored.before->hash : head.hash,
               .hash = restored.after->hash,
               .subject = restored.after->subject,
               .revision = revision.name,
               .restores = revision.hash},
              restored.diff);
}

std::string moves(const Ruleset& live, const Ruleset& wanted) {
  if (live.backend == wanted.backend || !holds(live, live.backend)) return "";
  // Some of them stay where they are.
  if (live.both_backends() || wanted.both_backends()) return "";
  return format("from {} to {}", name(live.backend), name(wanted.backend));
}

Result<std::vector<std::string>> check_signature_of(const Repository& repository, const Revision& revision,
                                                    const KnownState& known) {
  auto notes = check_signature(repository, revision.hash, revision.name);
  if (notes || notes.error().kind != ErrorKind::refused) return notes;
  auto error = std::move(notes).error();
  const bool same = known.same || compare(known.head.ruleset, known.live.ruleset).equal();
  const std::string in_force = same ? known.head.hash : "";
  if (const auto newest = newest_other_signed(repository, in_force); !newest.empty())
    error.hint = format("the newest signed one with other rules than now is {0}: rewall restore {0}; {1}",
                        newest.substr(0, 10), error.hint);
  return error;
}

Task<CheckBasis> begin_check(const Repository& repository, const KnownState& known,
                             const RestoreOptions& options) {
  if (options.check == nullptr) return {};
  return begin_check(repository, *options.check, known.whole ? &known.head : nullptr);
}

// Of a plan that changes something. With a dry run the refusal is a part of the result.
Status hold_against(const RestorePlan& plan, Task<CheckBasis> basis, const RestoreOptions& options,
                    Restored& restored) {
  if (options.check == nullptr || restored.diff.identical()) return {};
  auto read = basis.get();
  auto found = read ? check_change(plan, *options.check, *std::move(read), options.dry_run)
                    : Result<CheckOutcome>(std::move(read).error());
  // A boot does not hang on it.
  if (!found && options.check->mode == ChangeCheck::Mode::warn) {
    restored.notes.push_back(format("not checked: {}", found.error().message));
    return {};
  }
  auto outcome = TRY(std::move(found));
  restored.notes.insert(restored.notes.end(), outcome.notes.begin(), outcome.notes.end());
  restored.refusal = std::move(outcome.refusal);
  if (!options.dry_run && restored.refusal) return *std::move(restored.refusal);
  return {};
}

void ask_ports(const RestorePlan& plan, const RestoreOptions& options, Restored& restored) {
  // A partial read has the changed chains alone.
  if (!options.asks_ports || plan.rest != nullptr || restored.diff.identical()) return;
  restored.ports = port_changes(plan.live.ruleset, plan.staged.ruleset, host_facts_if_known());
}

/// The guard of a restore: dropped again, unless something of the restore is in force.
class ArmedSafeguard {
 public:
  ArmedSafeguard(Safeguard* safeguard, const Lock& held) : safeguard_(safeguard), held_(held) {}
  ArmedSafeguard(const ArmedSafeguard&) = delete;
  ArmedSafeguard& operator=(const ArmedSafeguard&) = delete;
  ~ArmedSafeguard() {
    if (armed_) safeguard_->drop(held_);
  }

  Status arm(const std::string& before, bool exact, const Diff& diff, const RestorePlan& plan) {
    if (safeguard_ == nullptr) return {};
    TRY(safeguard_->arm(held_, before, exact, {diff, plan.live.ruleset, plan.staged.ruleset}));
    armed_ = true;
    return {};
  }
  void keep(bool exact, const std::string& after = "") {
    if (safeguard_ != nullptr) safeguard_->keep(held_, exact, after);
    armed_ = false;
  }

 private:
  Safeguard* safeguard_;
  const Lock& held_;
  bool armed_ = false;
};

RecordOptions record_options(const Session& session, const Revision& revision,
                             const RestoreOptions& options) {
  return {.message = options.message,
          .trigger = options.trigger,
          .commands = {session.command_line},
          .restores = revision.hash,
          .undoes = options.undoes,
          .exact = options.exact,
          .actor = options.actor ? *options.actor : current_actor()};
}

bool is_partly(const RestoreOptions& options) {
  return options.parts != nullptr || options.family || !options.table.empty();
}

Result<Restored> carry_out(Session& session, Repository& repository, const Lock& held, Revision& revision,
                           KnownState known, const RestoreOptions& options) {
  TRY(check_backend(session.backend(), revision));
  TRY(check_rules(revision));
  Restored restored{.restored = revision.hash, .partly = is_partly(options)};
  std::vector<std::string> notes;
  // The way back of a guarded change and a boot must not hang on a key.
  if (!revision.hash.empty() && !options.way_back) {
    notes = TRY(check_signature_of(repository, revision, known));
  }
  if (options.safeguard != nullptr && !options.dry_run) TRY(options.safeguard->check());
  ArmedSafeguard guarded(options.safeguard, held);
  for (Tries tries(kFewTries); tries.next();) {
    auto basis = begin_check(repository, known, options);
    auto plan = make_plan(session, revision, options, known);
    if (!plan && known.whole) {
      // What these chains lack may be in others; and its words name the lines of all.
      basis = {};
      TRY(read_whole(session, known, revision));
      basis = begin_check(repository, known, options);
      plan = make_plan(session, revision, options, known);
    }
    if (!plan) return std::move(plan).error();
    restored.diff = std::move(plan->diff);
    restored.moves = moves(plan->live.ruleset, plan->staged.ruleset);
    restored.left_to_owners = plan->left_to_owners;
    restored.notes = notes;
    restored.notes.insert(restored.notes.end(), plan->notes.begin(), plan->notes.end());
    TRY(hold_against(*plan, std::move(basis), options, restored));
    ask_ports(*plan, options, restored);
    if (options.dry_run) {
      if (options.safeguard != nullptr && !restored.diff.identical() && !restored.refusal)
        if (auto may =
                options.safeguard->check_wanted({restored.diff, plan->live.ruleset, plan->staged.ruleset});
            !may)
          restored.refusal = std::move(may).error();
      auto would = session.firewall().check(plan->staged, &plan->live.ruleset, plan->live.generation);
      if (would || (would.error().kind == ErrorKind::refused && tries.last())) return restored;
      if (would.error().kind != ErrorKind::refused)
        return std::move(would).error().with_live(LiveState::untouched);
      if (known.whole) TRY(read_whole(session, known, revision));
      known = {TRY(read_live_and_head(session, repository))};
      continue;
    }
    TRY(ask(session, revision, known.head, restored.diff, options));
    auto entry = TRY(record_before(session, repository, known, revision, *plan, options, restored));
    if (!restored.diff.identical()) TRY(guarded.arm(entry.before, options.exact, restored.diff, *plan));
    auto still = TRY(still_as_planned(session, *plan));
    if (still) {
      entry.looks_at = session.backend();
      entry.exact = options.exact;
      entry.record = record_options(session, revision, options);
      const bool newest = entry.before == known.head.hash;
      auto after =
          put_in_force({session, repository, *plan, restored.diff, newest ? &known.head : nullptr}, entry);
      if (after) {
        restored.after = *std::move(after);
        if (!restored.diff.identical()) guarded.keep(options.exact, restored.after->hash);
        tell(session, revision, known.head, restored, options);
        return restored;
      }
      // A mix is what the guard is for.
      if (after.error().kind == ErrorKind::damaged) guarded.keep(options.exact);
      if (after.error().kind != ErrorKind::refused) return std::move(after).error();
    }
    if (tries.last() || options.of_this_live) break;
    if (known.whole) TRY(read_whole(session, known, revision));
    known = {TRY(read_live_and_head(session, repository))};
  }
  return error_of<messages::kept_changing>();
}

// True for a failure of the history that leaves LIVE as it was. A guard and a boot have a way of their own.
bool can_do_without_history(const Error& error, const RestoreOptions& options) {
  return error.kind == ErrorKind::repository && !options.way_back && options.parts == nullptr &&
         (!error.live || *error.live == LiveState::untouched || *error.live == LiveState::put_back);
}

// Where the history cannot be read or written: LIVE is kept in files, and the result is not recorded.
Result<Restored> carry_out_unrecorded(Session& session, Repository& repository, const Lock& held,
                                      const Revision& revision, const RestoreOptions& options,
                                      const Error& why) {
  Restored restored{.why_unrecorded = why.message, .restored = revision.hash, .partly = is_partly(options)};
  UnrecordedChange unrecorded(session);
  TRY(check_backend(session.backend(), revision));
  TRY(check_rules(revision));
  std::vector<std::string> notes;
  if (!revision.hash.empty()) notes = TRY(check_signature_of(repository, revision, {}));
  if (options.safeguard != nullptr && !options.dry_run) TRY(options.safeguard->check());
  ArmedSafeguard guarded(options.safeguard, held);
  for (Tries tries(kFewTries); tries.next();) {
    auto live = TRY(session.capture());
    KnownState known{{std::move(live), Head{}}};
    auto basis = begin_check(repository, known, options);
    auto plan = TRY(make_plan(session, revision, options, known));
    restored.diff = std::move(plan.diff);
    restored.moves = moves(plan.live.ruleset, plan.staged.ruleset);
    restored.left_to_owners = plan.left_to_owners;
    restored.notes = notes;
    restored.notes.insert(restored.notes.end(), plan.notes.begin(), plan.notes.end());
    TRY(hold_against(plan, std::move(basis), options, restored));
    ask_ports(plan, options, restored);
    if (options.dry_run || restored.diff.identical()) return restored;
    TRY(ask(session, revision, known.head, restored.diff, options));
    // A guard needs a snapshot as its way back, and an expiry one to find its rules by.
    if (!guarded.arm("", options.exact, restored.diff, plan))
      return error_of<messages::unrecorded_unguarded>(why.message);
    if (auto kept = unrecorded.keep(plan.live.ruleset); !kept)
      return std::move(kept).error().within(format("{}; and LIVE can be kept nowhere", why.message));
    restored.kept = unrecorded.folder();
    auto loaded = put_in_force_unrecorded({session, repository, plan, restored.diff, nullptr});
    if (loaded) {
      unrecorded.note(*loaded, record_options(session, revision, options), why.message);
      guarded.keep(options.exact);
      return restored;
    }
    if (loaded.error().kind != ErrorKind::refused) return std::move(loaded).error();
  }
  return error_of<messages::kept_changing>();
}

Result<Restored> carry_out_somehow(Session& session, Repository& repository, const Lock& held,
                                   Revision revision, Result<KnownState> known,
                                   const RestoreOptions& options) {
  const bool partial = known && known->whole.has_value();
  auto restored = known ? carry_out(session, repository, held, revision, *std::move(known), options)
                        : Result<Restored>(std::move(known).error());
  if (restored || !can_do_without_history(restored.error(), options)) return restored;
  if (partial) revision = TRY(read_revision(session, revision.hash));
  return carry_out_unrecorded(session, repository, held, revision, options, restored.error());
}

// A disk that is read-only has no lock that can be taken for writing, and nobody writes there.
Result<Lock> lock_on_read_only_disk(const Session& session, const Error& why) {
  const auto path = session.state_path() / "lock";
  std::error_code failed;
  if (!is_read_only_disk(why) || std::filesystem::exists(StatePaths(session.state_path()).journal(), failed))
    return why;
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd || lock_file(fd.get(), std::chrono::milliseconds{0}) != 0) return why;
  Lock held(std::move(fd));
  // It says nothing of its holder, and ends with it.
  held.leave_to_mend();
  return held;
}

}  // namespace

Result<Restored> restore_on_read_only_disk(Session& session, const Revision& revision,
                                           const RestoreOptions& options, const Error& why) {
  const Lock read_only = TRY(lock_on_read_only_disk(session, why));
  auto repository = TRY(session.repository());
  return carry_out_unrecorded(session, *repository, read_only, revision, options, why);
}

namespace {

// What is wanted: all of it, or where a partial read is enough, what that holds.
struct WantedState {
  Revision revision{};
  std::optional<PartialRead> partial{};
};

Result<WantedState> read_target(Session& session, const std::string& name, const RestoreOptions& options) {
  if (!is_unrecorded(name) && !options.family && options.table.empty()) {
    auto partial = read_partially(session, name, options.exact);
    // HEAD may be what cannot be read.
    if (!partial && partial.error().kind != ErrorKind::repository) return std::move(partial).error();
    if (partial && *partial) {
      Revision revision{.name = name, .hash = (*partial)->wanted.hash, .ruleset = std::move((*partial)->to)};
      return WantedState{std::move(revision), *std::move(partial)};
    }
  }
  const auto pipes = options.trigger == "apply" ? Pipes::read : Pipes::refused;
  auto revision = TRY(read_revision(session, name, options.family, Proof::hash, pipes));
  return WantedState{std::move(revision)};
}

// Takes the lock.
Result<Restored> restore_target(Session& session, Repository& repository, WantedState target,
                                const RestoreOptions& options) {
  auto held = lock(session);
  auto& [revision, partial] = target;
  if (!held) {
    const Error why = held.error();
    if (partial) revision = TRY(read_revision(session, revision.hash));
    return restore_on_read_only_disk(session, revision, options, why);
  }
  if (partial) {
    if (auto generation = still_live(session, repository, partial->head.hash)) {
      auto known = known_by_partial_read(repository, *std::move(partial), *std::move(generation));
      return carry_out_somehow(session, repository, *held, std::move(revision), std::move(known), options);
    }
    revision.ruleset = TRY(read_revision(session, revision.hash)).ruleset;
  }
  return restore(session, *held, revision, options);
}

}  // namespace

Result<Restored> restore(Session& session, const std::string& name, const RestoreOptions& options) {
  auto repository = TRY(session.repository());
  // Before the lock is taken: standard input may be slow. And before LIVE is recorded: HEAD is the snapshot
  // that the caller saw.
  auto target = TRY(read_target(session, name, options));
  return restore_target(session, *repository, std::move(target), options);
}

Result<Restored> restore(Session& session, Revision revision, const RestoreOptions& options) {
  auto repository = TRY(session.repository());
  return restore_target(session, *repository, WantedState{std::move(revision)}, options);
}

Result<Restored> restore(Session& session, const Lock& held, const Revision& revision,
                         const RestoreOptions& options) {
  auto repository = TRY(session.repository());
  return carry_out_somehow(session, *repository, held, revision, know_live_and_head(session, *repository),
                           options);
}

Result<Restored> restore(Session& session, const Lock& held, Revision revision, KnownState known,
                         const RestoreOptions& options) {
  auto repository = TRY(session.repository());
  return carry_out_somehow(session, *repository, held, std::move(revision), std::move(known), options);
}

}  // namespace rewall
