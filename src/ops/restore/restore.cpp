#include "ops/restore/restore.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <future>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "diff/pairs.h"
#include "ops/context/event_hooks.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/context/signal_block.h"
#include "ops/guard/arm.h"
#include "ops/history/generation_cache.h"
#include "ops/history/signature.h"
#include "ops/restore/journal.h"
#include "ops/restore/load.h"
#include "ops/restore/partial_read.h"
#include "ops/restore/recovery.h"
#include "ops/restore/transition.h"
#include "rules/foreign.h"
#include "rules/print.h"
#include "rules/rule.h"
#include "rules/sets.h"
#include "rules/text_delta.h"

namespace rewall {
namespace {

constexpr int kPlans = 3;

void take_tables(Tables& base, const Tables& wanted, const std::string& table) {
  if (table.empty()) {
    base = wanted;
    return;
  }
  std::erase_if(base.tables, [&](const Table& t) { return t.name == table; });
  if (const Table* found = wanted.find(table)) {
    base.tables.push_back(*found);
    base.texts.insert(base.texts.end(), wanted.texts.begin(), wanted.texts.end());
  }
}

// A part of a revision leaves the sets that LIVE has, and brings those that it lacks: the rules may name
// them.
Sets with_missing_sets(Sets live, const Sets& wanted) {
  for (const auto& set : wanted.sets) {
    if (live.find(set.name) == nullptr) live.sets.push_back(set);
  }
  live.texts.insert(live.texts.end(), wanted.texts.begin(), wanted.texts.end());
  return live;
}

Ruleset choose(const Ruleset& live, const Revision& revision, const RestoreOptions& options) {
  Ruleset whole = overlay(live, revision);
  if (!options.family && options.table.empty()) return whole;
  Ruleset wanted = live;
  if (live.backend != whole.backend) wanted.backend = whole.backend;
  for (const Slot slot : Ruleset::slots()) {
    if (options.family && slot.family != *options.family) continue;
    take_tables(wanted[slot], whole[slot], options.table);
  }
  wanted.sets = with_missing_sets(live.sets, whole.sets);
  return wanted;
}

// Rules go back where they were recorded, and that must be a backend that this run looks at.
Status within_backends(BackendChoice choice, const Revision& revision) {
  if (choice == BackendChoice::automatic || revision.by_hand) return {};
  const Ruleset& ruleset = revision.ruleset;
  const Backend chosen = choice == BackendChoice::nft ? Backend::nft : Backend::legacy;
  if (ruleset.backend == chosen && !ruleset.both_backends()) return {};
  return Error{
      .kind = ErrorKind::usage,
      .message = format("'{}' was recorded from the {} backend, and --backend {} works on that alone",
                        revision.name, backends_of(ruleset), name(chosen))}
      .hinted("run it without --backend");
}

// A part goes where the rest is: rules of one revision do not end up in two kernels.
Status part_within_backend(const Ruleset& live, const Revision& revision, const RestoreOptions& options) {
  const bool part = options.family || !options.table.empty();
  if (!part || revision.by_hand || revision.ruleset.backend == live.backend || !holds(live, live.backend))
    return {};
  return Error{.kind = ErrorKind::usage,
               .message = format("'{}' was recorded from the {} backend, and LIVE's rules are in the {} one",
                                 revision.name, name(revision.ruleset.backend), name(live.backend))}
      .hinted("restore it whole, or give its rules with 'rewall apply'");
}

// What a snapshot holds was once printed by iptables-save, so staging must give it back; a file written by
// hand may be respelled by the kernel, and what reads back in the scratch namespace is what LIVE will be held
// against.
Status staged_as_wanted(const Ruleset& wanted, const Ruleset& staged, const Revision& revision) {
  const Diff diff = compare(wanted, staged);
  if (diff.equal()) return {};
  const auto text =
      format("'{}' does not read back from the kernel as it is written ({})", revision.name, subject(diff));
  if (revision.by_hand) {
    log_warning("{}; the kernel's reading is taken", text);
    return {};
  }
  return Error{.kind = ErrorKind::kernel, .message = text, .live = LiveState::untouched}.hinted(
      "another version of iptables may have recorded it: 'rewall checkout' writes its files");
}

Error not_put_back(const std::string& why, const std::string& then) {
  return Error{.kind = ErrorKind::damaged,
               .message = format("{}; and what was there could not be put back: {}", why, then)}
      .hinted(
          "the firewall holds a mix of old and new rules now: look at 'rewall diff', then 'rewall restore "
          "HEAD'");
}

struct Prepared : LiveAndHead {
  bool same = false;  ///< LIVE was not read: it is what HEAD says
  /// The revision. Then LIVE, HEAD and what is wanted are rulesets of the chains alone in which it and HEAD
  /// differ (excerpt.h).
  std::optional<SnapshotFiles> whole{};
};

struct Plan {
  Capture live{};
  Staged staged{};
  std::vector<std::string> notes{};
  Diff diff{};                 ///< what it changes in LIVE
  const Head* rest = nullptr;  ///< where the rulesets are of some chains alone: LIVE's files are its
  Written written{};           ///< the files of what is staged
};

// What the plan does to LIVE, of all chains.
Result<Transition> transition_of(const Plan& plan) {
  const Ruleset& live = plan.live.ruleset;
  const Ruleset& wanted = plan.staged.ruleset;
  if (plan.rest == nullptr) return Transition(live, wanted);
  auto whole = TRY(ruleset_of(plan.rest->files, "HEAD:", plan.rest->backends));
  Ruleset all = with_unlike(whole, live, wanted);
  return Transition(std::move(whole), std::move(all));
}

// What is foreign stays as it is in LIVE.
Status keep_foreign_parts(Session& session, Ruleset& wanted, Plan& plan) {
  auto repository = TRY(session.repository());
  auto owners = TRY(read_owners(*repository));
  auto kept = keep_foreign(wanted, plan.live.ruleset, owners);
  wanted = std::move(kept.ruleset);
  plan.notes = std::move(kept.notes);
  if (!kept.kept.empty()) plan.notes.push_back("kept as they are: " + to_text(kept.kept));
  if (!kept.left_out.empty()) {
    plan.notes.push_back("left out, as they are not there now: " + to_text(kept.left_out));
  }
  return {};
}

bool same_words(const Tables& a, const Tables& b) {
  const auto same_chain = [](const Chain& one, const Chain& two) { return same_text(ChainPair{&one, &two}); };
  return std::ranges::equal(a.tables, b.tables, [&](const Table& one, const Table& two) {
    return one.name == two.name && std::ranges::equal(one.chains, two.chains, same_chain);
  });
}

bool same_words(const Ruleset& a, const Ruleset& b) {
  return a.backend == b.backend && a.sets.sets.empty() && b.sets.sets.empty() &&
         std::ranges::all_of(Ruleset::slots(), [&](Slot slot) { return same_words(a[slot], b[slot]); });
}

// Of what was read with less proof than a restore needs.
Status prove(const Session& session, const Prepared& prepared) {
  auto repository = TRY(open_again(session));
  if (can_be_relied_on(repository, prepared.head.hash, prepared.head.files) &&
      can_be_relied_on(repository, prepared.whole->hash, prepared.whole->files))
    return {};
  return Error{.kind = ErrorKind::repository, .message = "a snapshot is not as it was recorded"};
}

// Works out what is wanted and stages it.
Result<Plan> make_plan(Session& session, const Revision& revision, const RestoreOptions& options,
                       Prepared& prepared) {
  Plan plan{.live = prepared.whole ? prepared.live : std::move(prepared.live),
            .rest = prepared.whole ? &prepared.head : nullptr};
  TRY(part_within_backend(plan.live.ruleset, revision, options));
  Ruleset wanted = choose(plan.live.ruleset, revision, options);
  if (!options.exact) {
    TRY(keep_foreign_parts(session, wanted, plan));
  }
  // What the kernel once printed and holds already need not be tried again.
  const Ruleset* in_force = revision.by_hand ? nullptr : &plan.live.ruleset;
  // Beside the programs: the kernel mostly says a snapshot's rules as they were recorded.
  auto comparing = std::async(std::launch::async, [&]() -> std::optional<Diff> {
    if (revision.by_hand || !wanted.sets.sets.empty()) return std::nullopt;
    return compare(plan.live.ruleset, wanted);
  });
  auto proving =
      std::async(std::launch::async, [&] { return prepared.whole ? prove(session, prepared) : Status{}; });
  auto staged = session.firewall().stage(wanted, in_force, file_names(revision));
  auto diff = comparing.get();
  TRY(proving.get());
  if (!staged) return std::move(staged).error();
  const bool as_wanted = same_words(wanted, staged->ruleset);
  if (!as_wanted) {
    TRY(staged_as_wanted(wanted, staged->ruleset, revision));
  }
  plan.staged = *std::move(staged);
  plan.diff = as_wanted && diff ? *std::move(diff) : compare(plan.live.ruleset, plan.staged.ruleset);
  return plan;
}

// What is in a set that the plan leaves as it is may come and go at any time.
bool sets_unmoved(const Plan& plan, const Sets& now) {
  const Sets& live = plan.live.ruleset.sets;
  const Sets& wanted = plan.staged.ruleset.sets;
  return live.sets.size() == now.sets.size() && std::ranges::all_of(live.sets, [&](const Set& before) {
           const Set* after = now.find(before.name);
           if (after == nullptr) return false;
           const Set* stays = wanted.find(before.name);
           return same_text(before, *after) || (stays != nullptr && same_text(*stays, before));
         });
}

bool rules_unmoved(Ruleset live, Ruleset now) {
  live.sets = {};
  now.sets = {};
  return files_of(live) == files_of(now);
}

// Sets and the legacy backend have no generation: they are read again.
Result<bool> unmoved(Session& session, const Plan& plan) {
  const Capture& live = plan.live;
  if (!live.generation || session.firewall().legacy_tables()) {
    auto now = TRY(session.capture());
    return rules_unmoved(live.ruleset, now.ruleset) && sets_unmoved(plan, now.ruleset.sets);
  }
  if (session.firewall().generation() != live.generation) return false;
  auto sets = TRY(session.firewall().sets());
  return sets_unmoved(plan, sets);
}

// LIVE as HEAD says it, where the generation proves that it is so.
Result<std::optional<Prepared>> know_live_by_head(Session& session, const Repository& repository) {
  const auto seen = unchanged_since_cached(session, repository);
  if (!seen) return std::optional<Prepared>{};
  auto reading = std::async(std::launch::async, [&] { return session.firewall().sets(); });
  auto head = read_head(repository);
  auto sets = reading.get();
  if (!head) return std::move(head).error();
  if (!sets) return std::move(sets).error();
  if (head->hash != seen->head || canonical_text(*sets) != head->files["ipset"])
    return std::optional<Prepared>{};
  auto snapshot = TRY(repository.snapshot(head->hash));
  Capture live{.ruleset = head->ruleset,
               .backends = head->backends,
               .tools = snapshot.trailers.tools,
               .generation = seen->generation};
  return std::optional(Prepared{{std::move(live), *std::move(head)}, true});
}

Result<Prepared> know_live_and_head(Session& session, const Repository& repository) {
  auto known = TRY(know_live_by_head(session, repository));
  if (known) return *std::move(known);
  auto read = TRY(read_live_and_head(session, repository));
  return Prepared{std::move(read)};
}

Result<Prepared> known_by_partial_read(const Repository& repository, PartialRead excerpt,
                                       Generation generation) {
  auto snapshot = TRY(repository.snapshot(excerpt.head.hash));
  Capture live{.ruleset = excerpt.from,
               .backends = excerpt.head.backends,
               .tools = snapshot.trailers.tools,
               .generation = std::move(generation)};
  Head head{.hash = std::move(excerpt.head.hash),
            .backends = std::move(excerpt.head.backends),
            .files = std::move(excerpt.head.files),
            .ruleset = std::move(excerpt.from)};
  return Prepared{{std::move(live), std::move(head)}, true, std::move(excerpt.wanted)};
}

// All of the revision, of HEAD and of LIVE, which HEAD is; read anew, with all proof.
Status take_whole(Session& session, Prepared& prepared, Revision& revision) {
  auto repository = TRY(session.repository());
  auto files = TRY(repository->files(prepared.head.hash));
  prepared.head.files = std::move(files);
  auto head = ruleset_of(prepared.head.files, "HEAD:", prepared.head.backends);
  if (!head) return unreadable_snapshot(prepared.head.hash, head.error());
  prepared.head.ruleset = *std::move(head);
  prepared.live.ruleset = prepared.head.ruleset;
  prepared.whole.reset();
  auto wanted = TRY(read_revision(session, revision.hash));
  revision.ruleset = std::move(wanted.ruleset);
  return {};
}

struct Work {
  Session& session;
  Repository& repository;
  const Plan& plan;
  const Diff& diff;
  const Head* head;  ///< where no snapshot was made since it was read

  bool changes_live() const { return !diff.identical(); }
};

// Nothing that stood in the kernel for a moment is lost: what is replaced goes into the history, and what
// replaces it.
void keep(const Work& work, const Capture& capture, const std::string& why) {
  auto head = read_head(work.repository);
  if (!head) return;
  auto kept = record(work.session, work.repository, *head, capture, {.message = why});
  if (kept && kept->changed) log_warning("{}: kept as snapshot {}", why, kept->hash.substr(0, 10));
}

// What is not as before in the places of the change; members come and go with the traffic.
std::string left_behind(const Transition& transition, const Ruleset& live) {
  if (transition.before.backend != transition.wanted.backend && live.backend != transition.before.backend)
    return format("the {} backend", name(live.backend));
  Diff left = compare(transition.before, live);
  std::erase_if(left.changes, [&](const Change& change) {
    return change.kind == ChangeKind::members || !transition.change.words.contains(place_of(change));
  });
  return left.equal() ? "" : subject(left);
}

// Puts the old tables and sets back after a load that went wrong, and says what is in force. What others
// changed elsewhere stays; what stands in their places and is in neither ruleset goes into the history.
Error put_back(const Work& work, Error why) {
  const auto planned = transition_of(work.plan);
  if (!planned) return not_put_back(why.message, planned.error().message);
  const Transition& transition = *planned;
  // That kind is for what never touched LIVE, and is planned again.
  if (why.kind == ErrorKind::refused) why.kind = ErrorKind::kernel;
  std::string then;
  bool kept = false;
  for (int attempt = 0; attempt < kPlans; ++attempt) {
    auto now = work.session.capture();
    if (!now) return not_put_back(why.message, now.error().message);
    if (!kept && holds_more(transition, now->ruleset)) {
      keep(work, *now, "what a restore that failed left");
      kept = true;
    }
    auto loaded = put_in_force_again(work.session, undone(transition, now->ruleset), *now);
    if (!loaded) {
      then = loaded.error().message;
      if (loaded.error().kind == ErrorKind::refused) continue;
      break;
    }
    auto after = work.session.capture();
    if (!after) return not_put_back(why.message, after.error().message);
    if (const auto left = left_behind(transition, after->ruleset); !left.empty()) {
      then = left + " is left";
      continue;
    }
    if (kept) keep(work, *after, "what a restore that failed put back");
    why.live = LiveState::put_back;
    return why;
  }
  return not_put_back(why.message, then);
}

// What was read back over netlink, and the sets, which have to be asked for; nothing where that is not all.
std::optional<Capture> known_after(const Work& work, const Generation& proven) {
  const Ruleset& ruleset = work.plan.staged.ruleset;
  if (work.session.firewall().legacy_tables()) return std::nullopt;
  auto sets = work.session.firewall().sets();
  if (!sets || !same_text(*sets, ruleset.sets)) return std::nullopt;
  if (work.session.firewall().generation() != proven) return std::nullopt;
  return Capture{.ruleset = ruleset,
                 .backends = backends_of(ruleset),
                 .tools = work.plan.live.tools,
                 .generation = proven};
}

// True when all that reads back otherwise than expected is in tables and sets that this restore did not
// touch, or members, which packets may add and time takes away.
bool is_of_others(const Diff& unexpected, const Transition& transition) {
  return std::ranges::all_of(unexpected.changes, [&](const Change& change) {
    return change.kind == ChangeKind::members || !transition.change.words.contains(place_of(change));
  });
}

// A load that had begun leaves the sets that it fills aside.
bool had_begun(const Work& work) {
  const auto sets = work.session.firewall().sets();
  if (!sets) return false;
  const Transition transition(work.plan.live.ruleset, work.plan.staged.ruleset);
  return without_helpers({.sets = *sets}, transition).sets.sets.size() != sets->sets.size();
}

struct After : Capture {
  bool as_staged = false;
};

// Kind refused: somebody was faster, and LIVE is untouched.
Status load_and_read_back(const Work& work, After& after) {
  const Ruleset& live = work.plan.live.ruleset;
  auto loaded = work.session.firewall().load(work.plan.staged, live, work.plan.live.generation);
  if (!loaded && loaded.error().kind == ErrorKind::refused && !had_begun(work))
    return std::move(loaded).error();
  if (!loaded) return put_back(work, std::move(loaded).error());
  if (const auto& proven = *loaded) {
    if (auto known = known_after(work, *proven)) {
      after = {*std::move(known), true};
      return {};
    }
  }
  auto read = work.session.capture();
  if (!read) {
    return put_back(work,
                    Error{.kind = ErrorKind::kernel, .message = "cannot read back: " + read.error().message});
  }
  after = {*std::move(read)};
  const auto transition = transition_of(work.plan);
  if (!transition) return put_back(work, transition.error());
  const Diff unexpected = compare(transition->wanted, after.ruleset);
  if (unexpected.equal()) return {};
  if (is_of_others(unexpected, *transition)) {
    log_warning("somebody changed the firewall meanwhile ({}): it is kept and recorded", subject(unexpected));
    return {};
  }
  return put_back(
      work, Error{.kind = ErrorKind::kernel,
                  .message = format("LIVE does not read back as it was loaded ({})", subject(unexpected))});
}

Result<Recorded> record_result(const Work& work, const After& after, const RecordOptions& options) {
  const Written* written = after.as_staged ? &work.plan.written : nullptr;
  const bool comparable = after.as_staged || work.plan.rest == nullptr;
  if (work.head != nullptr && comparable)
    return record(work.session, work.repository, *work.head, after, options, written);
  auto head = TRY(read_head(work.repository));
  return record(work.session, work.repository, head, after, options, written);
}

Result<Recorded> load_and_record(const Work& work, const RecordOptions& options) {
  const bool needed = work.changes_live();
  // Where nothing changes they say the same; of some chains alone only what is written says all.
  After after{work.plan.live, !needed && work.plan.rest != nullptr};
  if (needed) {
    work.repository.write_aside();
    TRY(load_and_read_back(work, after));
  }
  auto recorded = record_result(work, after, options);
  if (recorded || !needed) return recorded;
  return put_back(work, std::move(recorded).error().within("the result could not be recorded"));
}

Result<Recorded> load_and_record_or_put_back(const Work& work, const RecordOptions& options) {
  try {
    return load_and_record(work, options);
  } catch (const std::exception& error) {
    return put_back(work,
                    Error{.kind = ErrorKind::kernel, .message = format("unexpected: {}", error.what())});
  }
}

// From here to the record no signal, no exception and no SIGKILL may leave one half of each ruleset behind.
Result<Recorded> put_in_force(const Work& work, const JournalEntry& entry) {
  if (!work.changes_live()) return load_and_record(work, entry.record);
  const SignalBlock held;
  const SocketsKept kept;
  auto journal = TRY(Journal::begin(work.repository, entry));
  auto recorded = load_and_record_or_put_back(work, entry.record);
  // Where nothing could be put back, the next process tries it again.
  if (recorded || recorded.error().kind != ErrorKind::damaged) journal.clear();
  return recorded;
}

bool holds_nothing(const Ruleset& live) {
  return !holds(live, Backend::nft) && !holds(live, Backend::legacy) && live.sets.sets.empty();
}

// True when what is staged is word for word what the revision, of which only some chains were taken apart,
// says.
bool staged_as_recorded(const Plan& plan, const Revision& revision, const SnapshotFiles& recording) {
  const Ruleset& staged = plan.staged.ruleset;
  return canonical_text(staged.v4) == canonical_text(revision.ruleset.v4) &&
         canonical_text(staged.v6) == canonical_text(revision.ruleset.v6) && !staged.both_backends() &&
         canonical_text(staged.sets) == recording.files.at("ipset");
}

// The result's content, ahead: no disk is too full afterwards.
Result<Written> write_ahead(Repository& repository, Prepared& prepared, const Revision& revision,
                            const Plan& plan) {
  Files files;
  std::string same_as;
  if (prepared.whole && staged_as_recorded(plan, revision, *prepared.whole)) {
    files = std::move(prepared.whole->files);
    files.erase("expect");
    same_as = prepared.whole->hash;
  } else if (prepared.whole) {
    auto transition = TRY(transition_of(plan));
    files = files_of(transition.wanted);
  } else {
    files = files_of(plan.staged.ruleset);
  }
  Written written{.files = std::make_shared<const Files>(std::move(files))};
  auto tree = TRY(repository.prepare(written.files, same_as));
  written.tree = std::move(tree);
  return written;
}

// Records LIVE where HEAD does not have it, and what it will be ahead.
Result<JournalEntry> keep_what_is(Session& session, Repository& repository, Prepared& prepared,
                                  const Revision& revision, Plan& plan, const RestoreOptions& options,
                                  Restored& restored) {
  std::string before_hash = prepared.head.hash;
  if (!prepared.same && !(options.nothing_is_no_loss && holds_nothing(plan.live.ruleset))) {
    auto before = TRY(record(session, repository, prepared.head, plan.live, {}));
    for (const auto& note : before.notes) log_warning("{}", note);
    if (before.changed) restored.before = before;
    before_hash = std::move(before.hash);
  }
  auto written = TRY(write_ahead(repository, prepared, revision, plan));
  plan.written = std::move(written);
  if (prepared.same) plan.written.diff = &restored.diff;
  return JournalEntry{.before = std::move(before_hash),
                      .wanted = plan.written.tree,
                      .backends = backends_of(plan.staged.ruleset),
                      .place = plan.live.generation,
                      .began = now(),
                      .process = ::getpid()};
}

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
  return format("from {} to {}", name(live.backend), name(wanted.backend));
}

/// The guard of a restore: gone again, unless something of the restore is in force.
class Guarded {
 public:
  Guarded(Session& session, const Lock& held) : session_(session), held_(held) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { drop(); }

  /// Anew for each plan: what LIVE was before may be another snapshot.
  Status arm_at(const std::string& before, const RestoreOptions& options) {
    drop();
    auto armed = TRY(arm(session_, held_, before, *options.guarded, options.exact));
    guard_ = std::move(armed);
    return {};
  }
  std::optional<Guard> keep() { return std::exchange(guard_, std::nullopt); }

 private:
  void drop() {
    if (guard_) disarm(session_, held_, *std::exchange(guard_, std::nullopt));
  }

  Session& session_;
  const Lock& held_;
  std::optional<Guard> guard_{};
};

Result<Restored> carry_out(Session& session, Repository& repository, const Lock& held, Revision revision,
                           Prepared prepared, const RestoreOptions& options) {
  TRY(within_backends(session.backend(), revision));
  TRY(check_rules(revision));
  Restored restored{.restored = revision.hash};
  std::vector<std::string> notes;
  // The way back of a guarded change and a boot must not hang on a key.
  if (!revision.hash.empty() && !options.way_back) {
    auto said = TRY(check_signature(repository, revision.hash));
    notes = std::move(said);
  }
  if (options.guarded && !options.dry_run) {
    TRY(refuse_second_guard(session));
  }
  Guarded guarded(session, held);
  for (int attempt = 0; attempt < kPlans; ++attempt) {
    auto plan = make_plan(session, revision, options, prepared);
    if (!plan && prepared.whole) {
      // What these chains lack may be in others; and its words name the lines of all.
      TRY(take_whole(session, prepared, revision));
      plan = make_plan(session, revision, options, prepared);
    }
    if (!plan) return std::move(plan).error();
    restored.diff = std::move(plan->diff);
    restored.moves = moves(plan->live.ruleset, plan->staged.ruleset);
    restored.notes = notes;
    restored.notes.insert(restored.notes.end(), plan->notes.begin(), plan->notes.end());
    if (options.dry_run) return restored;
    TRY(ask(session, revision, prepared.head, restored.diff, options));
    auto entry = TRY(keep_what_is(session, repository, prepared, revision, *plan, options, restored));
    if (options.guarded && !restored.diff.identical()) {
      TRY(guarded.arm_at(entry.before, options));
    }
    auto still = TRY(unmoved(session, *plan));
    if (still) {
      entry.looks_at = session.backend();
      entry.exact = options.exact;
      entry.record = {.message = options.message,
                      .trigger = options.trigger,
                      .commands = {session.command_line},
                      .restores = revision.hash,
                      .actor = options.actor ? *options.actor : current_actor()};
      const bool newest = entry.before == prepared.head.hash;
      auto after =
          put_in_force({session, repository, *plan, restored.diff, newest ? &prepared.head : nullptr}, entry);
      if (after) {
        restored.after = *std::move(after);
        restored.guard = guarded.keep();
        if (!options.guarded && !options.way_back && !restored.diff.identical())
          tell_guard(session, held, options.exact);
        tell(session, revision, prepared.head, restored, options);
        return restored;
      }
      // A mix is what the guard is for.
      if (after.error().kind == ErrorKind::damaged) guarded.keep();
      if (after.error().kind != ErrorKind::refused) return std::move(after).error();
    }
    if (attempt + 1 == kPlans) break;
    if (prepared.whole) {
      TRY(take_whole(session, prepared, revision));
    }
    auto again = TRY(read_live_and_head(session, repository));
    prepared = {std::move(again)};
  }
  return error_of<messages::kept_changing>();
}

// True when what makes `to` of `from` are foreign parts alone.
bool only_foreign(const Ruleset& from, const Ruleset& to, const std::vector<Owner>& owners) {
  return compare(keep_foreign(from, to, owners).ruleset, to).equal();
}

Result<Ruleset> ruleset_at(Session& session, const std::string& hash) {
  auto revision = TRY(read_revision(session, hash));
  return std::move(revision.ruleset);
}

// The snapshot that an undo takes back: imports did nothing to the firewall, and are stepped over; so are
// those whose changes a restore would keep.
Result<Snapshot> newest_change(Session& session, const Repository& repository, const std::string& head,
                               const std::vector<Owner>& owners) {
  auto newest = repository.snapshot(head);
  while (newest && !newest->parent.empty()) {
    if (newest->trailers.trigger == "import" && !newest->trailers.restores.empty()) {
      newest = repository.snapshot(newest->trailers.restores);
      continue;
    }
    if (owners.empty()) break;
    auto from = TRY(ruleset_at(session, newest->parent));
    auto to = TRY(ruleset_at(session, newest->hash));
    if (compare(from, to).equal() || !only_foreign(from, to, owners)) break;
    newest = repository.snapshot(newest->parent);
  }
  return newest;
}

// What is wanted: all of it, or where an excerpt tells enough, what that holds.
struct Target {
  Revision revision{};
  std::optional<PartialRead> excerpt{};
};

Result<Target> read_target(Session& session, const std::string& name, const RestoreOptions& options) {
  if (!is_unrecorded(name) && !options.family && options.table.empty()) {
    auto excerpt = TRY(read_partially(session, name, options.exact));
    if (excerpt) {
      Revision revision{.name = name, .hash = excerpt->wanted.hash, .ruleset = std::move(excerpt->to)};
      return Target{std::move(revision), std::move(excerpt)};
    }
  }
  auto revision = TRY(read_revision(session, name, options.family));
  return Target{std::move(revision)};
}

}  // namespace

Result<Restored> restore(Session& session, const std::string& name, const RestoreOptions& options) {
  auto repository = TRY(session.repository());
  // Before the lock is taken: standard input may be slow. And before LIVE is recorded: HEAD is the snapshot
  // that the caller saw.
  auto target = TRY(read_target(session, name, options));
  auto held = TRY(lock(session));
  auto& [revision, excerpt] = target;
  if (excerpt) {
    if (auto generation = still_live(session, *repository, excerpt->head.hash)) {
      auto prepared = TRY(known_by_partial_read(*repository, *std::move(excerpt), *std::move(generation)));
      return carry_out(session, *repository, held, std::move(revision), std::move(prepared), options);
    }
    auto whole = TRY(read_revision(session, revision.hash));
    revision.ruleset = std::move(whole.ruleset);
  }
  return restore(session, held, revision, options);
}

Result<Restored> restore(Session& session, const Lock& held, const Revision& revision,
                         const RestoreOptions& options) {
  auto repository = TRY(session.repository());
  auto prepared = TRY(know_live_and_head(session, *repository));
  return carry_out(session, *repository, held, revision, std::move(prepared), options);
}

Result<Restored> undo(Session& session, const RestoreOptions& options) {
  auto repository = TRY(session.repository());
  auto held = TRY(lock(session));
  auto prepared = TRY(know_live_and_head(session, *repository));
  std::string target = prepared.head.hash;
  std::vector<Owner> owners;
  if (!options.exact) {
    auto read = TRY(read_owners(*repository));
    owners = std::move(read);
  }
  if (only_foreign(prepared.head.ruleset, prepared.live.ruleset, owners)) {
    auto newest = TRY(newest_change(session, *repository, target, owners));
    if (newest.parent.empty()) {
      return Error{.kind = ErrorKind::usage,
                   .message = "there is nothing before the first snapshot to go back to"};
    }
    target = newest.parent;
  }
  auto revision = TRY(read_revision(session, target));
  return carry_out(session, *repository, held, std::move(revision), std::move(prepared), options);
}

}  // namespace rewall
