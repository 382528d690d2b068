#include "ops/restore.h"

#include <csignal>
#include <future>
#include <set>

#include "core/format.h"
#include "core/log.h"
#include "ops/files.h"
#include "ops/settings.h"
#include "rules/print.h"
#include "rules/rule.h"

namespace rewall {
namespace {

constexpr int kPlans = 3;

// A Ctrl-C or a lost terminal between two tables must not leave half of each ruleset.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE}) ::sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

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
  const Ruleset whole = overlay(live, revision);
  if (!options.family && options.table.empty()) return whole;
  Ruleset wanted = live;
  if (live.backend != whole.backend) wanted.backend = whole.backend;
  for (const auto slot : {&Ruleset::v4, &Ruleset::v6, &Ruleset::v4_legacy, &Ruleset::v6_legacy}) {
    if (options.family && (live.*slot).family != *options.family) continue;
    take_tables(wanted.*slot, whole.*slot, options.table);
  }
  wanted.sets = with_missing_sets(live.sets, whole.sets);
  return wanted;
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
  return Error{.kind = ErrorKind::kernel, .message = text + "; LIVE is untouched"}.hinted(
      "another version of iptables may have recorded it: 'rewall checkout' writes its files");
}

Error not_put_back(const std::string& why, const std::string& then) {
  return Error{.kind = ErrorKind::damaged,
               .message = format("{}; and what was there could not be put back: {}", why, then)}
      .hinted(
          "the firewall holds a mix of old and new rules now: look at 'rewall diff', then 'rewall restore "
          "HEAD'");
}

// Puts `live` back after a load that went wrong, and says what is in force.
Error put_back(Session& session, const Ruleset& live, Error why) {
  auto now = session.capture();
  if (!now) return not_put_back(why.message, now.error().message);
  if (auto loaded = session.firewall().load(live, now->ruleset); !loaded) {
    return not_put_back(why.message, loaded.error().message);
  }
  auto after = session.capture();
  if (!after) return not_put_back(why.message, after.error().message);
  if (const Diff diff = compare(live, after->ruleset); !diff.equal()) {
    return not_put_back(why.message, subject(diff) + " is left");
  }
  why.message += "; LIVE is what it was before";
  return why;
}

Status load_and_read_back(Session& session, const Ruleset& wanted, const Ruleset& expected,
                          const Ruleset& live, Capture& after) {
  const SignalsHeld held;
  if (auto loaded = session.firewall().load(wanted, live); !loaded) {
    return put_back(session, live, std::move(loaded).error());
  }
  auto read = session.capture();
  if (!read) {
    return put_back(session, live,
                    Error{.kind = ErrorKind::kernel, .message = "cannot read back: " + read.error().message});
  }
  after = *std::move(read);
  const Diff diff = compare(expected, after.ruleset);
  if (diff.equal()) return {};
  return put_back(session, live,
                  Error{.kind = ErrorKind::kernel,
                        .message = format("LIVE does not read back as it was loaded ({})", subject(diff))});
}

struct Plan {
  Capture live{};
  Ruleset wanted{};
  Ruleset expected{};
};

// Reads LIVE, works out what is wanted and stages it.
Result<Plan> make_plan(Session& session, const Revision& revision, const RestoreOptions& options,
                       Capture live) {
  Plan plan{.live = std::move(live)};
  plan.wanted = choose(plan.live.ruleset, revision, options);
  auto staged = session.firewall().stage(plan.wanted);
  if (!staged) return std::move(staged).error();
  if (auto good = staged_as_wanted(plan.wanted, *staged, revision); !good) return std::move(good).error();
  plan.expected = *std::move(staged);
  return plan;
}

bool unmoved(Session& session, const Capture& live) {
  return !live.generation || session.firewall().generation() == live.generation;
}

struct Prepared {
  Capture live{};
  Head head{};
};

Result<Prepared> read_live_and_head(Session& session, const Repository& repository) {
  auto reading = std::async(std::launch::async, [&] { return read_head(repository); });
  auto live = session.capture();
  auto head = reading.get();
  if (!head) return std::move(head).error();
  if (!live) return std::move(live).error();
  for (const auto& note : live->notes) log_warning("{}", note);
  return Prepared{*std::move(live), *std::move(head)};
}

// Loads what was planned and records the result.
Result<Recorded> put_in_force(Session& session, Repository& repository, const Plan& plan, const Diff& diff,
                              const Revision& revision, const RestoreOptions& options) {
  Capture after = plan.live;
  if (!diff.equal() || diff.respelled) {
    auto loaded = load_and_read_back(session, plan.wanted, plan.expected, plan.live.ruleset, after);
    if (!loaded) return std::move(loaded).error();
  }
  auto head = read_head(repository);
  if (!head) return std::move(head).error().within("LIVE is restored, but it was not recorded");
  auto recorded = record(repository, *head, after,
                         {.message = options.message,
                          .trigger = options.trigger,
                          .commands = {session.command_line},
                          .restores = revision.hash});
  if (!recorded) return std::move(recorded).error().within("LIVE is restored, but it was not recorded");
  return recorded;
}

Result<Restored> carry_out(Session& session, Repository& repository, const Revision& revision,
                           Prepared prepared, const RestoreOptions& options) {
  if (auto good = check_rules(revision); !good) return std::move(good).error();
  Restored restored{.restored = revision.hash};
  for (int attempt = 0; attempt < kPlans; ++attempt) {
    auto plan = make_plan(session, revision, options, std::move(prepared.live));
    if (!plan) return std::move(plan).error();
    restored.diff = compare(plan->live.ruleset, plan->expected);
    if (options.dry_run) return restored;

    auto before = record(repository, prepared.head, plan->live, {});
    if (!before) return std::move(before).error();
    for (const auto& note : before->notes) log_warning("{}", note);
    if (before->changed) restored.before = *before;

    if (unmoved(session, plan->live)) {
      auto after = put_in_force(session, repository, *plan, restored.diff, revision, options);
      if (!after) return std::move(after).error();
      restored.after = *std::move(after);
      return restored;
    }
    auto again = read_live_and_head(session, repository);
    if (!again) return std::move(again).error();
    prepared = *std::move(again);
  }
  return Error{.kind = ErrorKind::refused,
               .message = "the firewall kept changing while the restore was planned; LIVE is untouched"}
      .hinted("find out who changes it ('rewall diff'), then run the command again");
}

}  // namespace

Result<Restored> restore(Session& session, const std::string& name, const RestoreOptions& options) {
  auto repository = session.repository();
  if (!repository) return std::move(repository).error();
  auto held = lock(**repository);
  if (!held) return std::move(held).error();
  // Read before LIVE is recorded: HEAD is the snapshot that the caller saw.
  auto revision = read_revision(session, name);
  if (!revision) return std::move(revision).error();
  auto prepared = read_live_and_head(session, **repository);
  if (!prepared) return std::move(prepared).error();
  return carry_out(session, **repository, *revision, *std::move(prepared), options);
}

Result<Restored> undo(Session& session, const RestoreOptions& options) {
  auto repository = session.repository();
  if (!repository) return std::move(repository).error();
  auto held = lock(**repository);
  if (!held) return std::move(held).error();
  auto prepared = read_live_and_head(session, **repository);
  if (!prepared) return std::move(prepared).error();
  std::string target = prepared->head.hash;
  if (compare(prepared->head.ruleset, prepared->live.ruleset).equal()) {
    auto newest = (*repository)->snapshot(target);
    if (!newest) return std::move(newest).error();
    if (newest->parent.empty()) {
      return Error{.kind = ErrorKind::usage,
                   .message = "there is nothing before the first snapshot to go back to"};
    }
    target = newest->parent;
  }
  auto revision = read_revision(session, target);
  if (!revision) return std::move(revision).error();
  return carry_out(session, **repository, *revision, *std::move(prepared), options);
}

}  // namespace rewall
