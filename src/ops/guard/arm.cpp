#include "ops/guard/arm.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <thread>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/time.h"
#include "kernel/daemon.h"
#include "kernel/process.h"
#include "ops/context/git_command.h"
#include "ops/context/namespace_match.h"
#include "ops/context/network_place.h"
#include "ops/context/pid_lock.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/context/state_file.h"
#include "ops/context/systemd.h"
#include "ops/expiry/expiry.h"
#include "ops/guard/guard_place.h"
#include "ops/guard/new_login.h"
#include "ops/guard/way_back.h"
#include "ops/history/revision.h"
#include "ops/restore/live_foreign.h"
#include "ops/restore/plan.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"
#include "rules/foreign.h"
#include "rules/set_delta.h"

namespace rewall {
namespace {

Error unsure(const Error& why) {
  return error_of<messages::guard_not_sure>(why.message).hinted(why.hint);
}

// The old ruleset. Sets that the kernel holds, member for member, need not be filled once more to prove that
// it takes them.
Result<Ruleset> to_be_proved(Session& session, Files files, const Guard& guard) {
  const std::string name = guard.before.substr(0, 10) + ":";
  const std::string sets = files["ipset"];
  const auto live = sets.empty() ? std::nullopt : session.firewall().sets_digest();
  if (!live || *live != digest_of_text(sets)) return ruleset_of(std::move(files), name, guard.backends);
  files.erase("ipset");
  auto ruleset = TRY(ruleset_of(std::move(files), name, guard.backends));
  auto cut = TRY(differing_sets(sets, sets, *live));
  ruleset.sets = std::move(cut.first);
  return ruleset;
}

// The way back, walked up to the kernel's door.
Result<Files> prove(Session& session, const Repository& repository, const Guard& guard) {
  auto files = repository.files(guard.before, Proof::hash);
  if (!files) return unsure(std::move(files).error());
  files->erase("expect");
  auto ruleset = to_be_proved(session, *files, guard);
  if (!ruleset) return unsure(std::move(ruleset).error());
  auto staged = session.firewall().stage(*ruleset, nullptr);
  if (!staged) return unsure(std::move(staged).error());
  const Diff diff = compare(*ruleset, staged->ruleset);
  if (diff.equal()) {
    auto taken = session.firewall().check(*staged, nullptr, std::nullopt);
    if (taken) return files;
    Error error = unsure(taken.error());
    error.kind = taken.error().kind;
    return error;
  }
  return unsure({.kind = ErrorKind::refused,
                 .message = format("snapshot {} does not read back from the kernel as it is written ({})",
                                   guard.before.substr(0, 10), subject(diff))});
}

std::string unit_name(const Guard& guard) {
  return "rewall-guard-" + guard.id;
}

// Each deadline has a timer of its own name: one that ends is not gone at once.
std::string timer_name(const Guard& guard) {
  return format("{}-overdue-{}", unit_name(guard), guard.length.count());
}

Command guards_command(const Session& session, const Guard& guard) {
  // What it records is signed: git finds the same agent and keys.
  return {.words = {session.program, "-C", absolute_path(session.path()), "guard", guard.id},
          .environment = signing_environment()};
}

// For the case that the service is killed and cannot be restarted, or is stopped.
void start_timer(const Command& command, const Guard& guard) {
  constexpr std::chrono::seconds kLater{15};
  const auto left = std::max(guard.deadline - boot_time(), std::chrono::milliseconds{});
  start_unit({"--unit=" + timer_name(guard), "--timer-property=AccuracySec=1s",
              format("--on-active={}ms", (left + kLater).count())},
             command);
}

// A service that waits, restarted if it is killed, and a timer.
bool start_units(const Command& command, const Guard& guard) {
  const bool started =
      start_unit({"--unit=" + unit_name(guard),
                  "--description=puts the old firewall back unless somebody confirms", "--service-type=exec",
                  "--property=Restart=on-failure", "--property=RestartSec=1", "--property=TimeoutStopSec=5"},
                 command);
  if (started) start_timer(command, guard);
  return started;
}

// The service ends by itself; its timer would run rewall once more, for nothing.
void stop_timer(const Guard& guard) {
  stop_unit(timer_name(guard) + ".timer");
}

// The guard's process may be no service of systemd's.
void move_timer(const Session& session, const Guard& before, const Guard& after) {
  if (!at_systemd() || session.program.empty()) return;
  start_timer(guards_command(session, after), after);
  stop_timer(before);
}

Error not_started(const std::string& why) {
  return error_of<messages::guard_not_started>(why);
}

Status start(Session& session, const Repository& repository, const Guard& guard) {
  if (session.program.empty()) return not_started("this is no rewall");
  const Command command = guards_command(session, guard);
  pid_t process = 0;
  if (!start_units(command, guard)) {
    if (const auto limit = limit_too_small()) return error_of<messages::guard_limited>(*limit);
    auto started = start_detached(command, ErrorKind::refused);
    if (!started) return not_started(started.error().message);
    process = *started;
  }
  const auto why = PidLock::await(guard_lock(repository.state_path()), guard.id, process);
  return why.empty() ? Status{} : Status(not_started(why));
}

void wake(const std::filesystem::path& state, const Guard& guard) {
  const pid_t process = PidLock::process(guard_lock(state), guard.id);
  if (process <= 0 || process == ::getpid()) return;
  // A stopped one would hear it too late, and hold the namespace's one place for a guard until then.
  ::kill(process, is_stopped(process) ? SIGKILL : SIGUSR1);
}

// True when what made `after` of `before` is more than a restore would take back by itself.
bool touches_foreign(Session& session, const Ruleset& before, const Ruleset& after,
                     const Repository& repository) {
  const auto owners = read_owners(repository);
  if (!owners) return true;
  const auto kept =
      keep_live_foreign(session, before, after, *owners, LostForeign::stays_lost, UnsaidForeign::is_refused);
  return !kept || !compare(kept->ruleset, before).equal();
}

Result<Guard> armed_here(Session& session, const Repository& repository) {
  auto guard = TRY(read_guard(repository.state_path()));
  if (!guard) return no_guard(session);
  if (match_namespace(guard->place, session.firewall().generation()) == NamespaceMatch::elsewhere)
    return error_of<messages::guard_elsewhere>(name_of(*guard));
  return *std::move(guard);
}

/// The snapshot in which others than the tried command changed the firewall after the guard took the change
/// back. Empty: nobody did. Others are whoever asked rewall to; what watch saw may be the command's own work.
Result<std::string> changed_by_others(const Repository& repository, const std::string& since) {
  std::string others;
  bool found = false;
  auto head = TRY(repository.head());
  TRY(repository.walk(head, [&](const Snapshot& snapshot) -> Result<bool> {
    found = snapshot.hash == since;
    if (!found && snapshot.trailers.trigger != "watch") others = snapshot.hash;
    return !found && others.empty();
  }));
  return found || !others.empty() ? others : head;
}

// What a command did after its change was taken back.
Error take_back_rest(Session& session, const Lock& held, const Repository& repository, const Guard& guard,
                     const GuardEnding& ending, bool another_armed) {
  const auto what = format("while the command ran, its guard {}", to_text(ending));
  if (ending.result.empty() || another_armed)
    return error_of<messages::rest_not_taken_back>(
        what, another_armed ? "another guard is armed since" : "what was put in force is not recorded");
  auto others = TRY(changed_by_others(repository, ending.result));
  if (!others.empty())
    return error_of<messages::rest_not_taken_back>(
        what, format("others changed the firewall since (snapshot {})", others.substr(0, 10)));
  auto revision = read_before(session, guard);
  auto restored =
      revision ? restore(session, held, *revision, {.trigger = "rollback", .exact = true, .way_back = true})
               : Result<Restored>(revision.error());
  if (!restored)
    return std::move(restored).error().within(format("{}; its later changes are in force", what));
  if (!restored->left_to_owners.tables.empty())
    return error_of<messages::left_to_owners>(restored->left_to_owners.tables).within(what);
  return ending.how == EndedBy::deadline ? error_of<messages::reverted_while_running>(what)
                                         : error_of<messages::rolled_back_while_running>(what);
}

Result<Recorded> record_confirmed(Session& session, Repository& repository, const std::string& message) {
  auto read = TRY(read_live_and_head(session, repository));
  auto recorded = TRY(record(session, repository, read.head, read.live,
                             {.message = message, .trigger = "try", .commands = {session.command_line}}));
  const bool tags = TRY(read_setting(repository, settings::guard_tag_good));
  if (!tags) return recorded;
  TRY(repository.set_tag("good", recorded.hash));
  return recorded;
}

}  // namespace

Status refuse_second_guard(Session& session) {
  auto repository = TRY(session.repository());
  auto guard = TRY(read_guard(repository->state_path()));
  if (!guard) {
    const auto other = guard_of_other_repository(session);
    if (!other) return {};
    return other->repository.empty()
               ? error_of<messages::guard_armed_silent>()
               : error_of<messages::guard_armed_elsewhere>(other->name, other->repository);
  }
  const auto here = session.firewall().generation();
  const auto where = match_namespace(guard->place, here);
  // Neither confirm nor rollback helps here then.
  if (where == NamespaceMatch::elsewhere) TRY(check_network(session));
  const std::string left = where == NamespaceMatch::gone ? "from before a restart of the machine"
                           : where == NamespaceMatch::elsewhere
                               ? "in another network namespace"
                               : time_text(time_left(*guard, here)) + " left";
  return error_of<messages::guard_armed_already>(name_of(*guard), left);
}

Result<Guard> arm(Session& session, const Lock&, const std::string& before, std::chrono::milliseconds length,
                  bool exact) {
  TRY(refuse_second_guard(session));
  auto opened = TRY(session.repository());
  const Repository& repository = *opened;
  auto snapshot = repository.snapshot(before);
  if (!snapshot) return unsure(std::move(snapshot).error());
  Guard guard{.id = fresh_id(),
              .before = before,
              .backends = snapshot->trailers.backend.empty() ? "nft" : snapshot->trailers.backend,
              .exact = exact,
              .looks_at = session.backend(),
              .place = session.firewall().generation(),
              .length = length,
              .login = login_session(),
              .command = session.command_line,
              .actor = current_actor()};
  if (const auto part = only_backend(guard); !part.empty())
    log_warning("the guard takes back what changes in the {} backend, and nothing else, as --backend says",
                part);
  auto files = TRY(prove(session, repository, guard));
  guard.armed = now();
  guard.deadline = boot_time() + length;
  const auto state = repository.state_path();
  settle_ending(state);
  if (auto written = write_guard(state, guard); !written)
    return std::move(written).error().within("no guard").with_live(LiveState::untouched);
  keep_copy(guard, files);
  note_place(absolute_path(session.path()), guard);
  if (auto started = start(session, repository, guard); !started) {
    end_guard(state, guard, {.how = EndedBy::no_change});
    TRY(refuse_second_guard(session));
    return std::move(started).error();
  }
  return guard;
}

bool disarm(Session& session, const Guard& guard, GuardEnding ending) {
  // The process ends when it sees that its file is gone; what it misses of that it sees at the deadline.
  if (!end_guard(session.state_path(), guard, std::move(ending))) return false;
  wake(session.state_path(), guard);
  stop_timer(guard);
  return true;
}

void note_in_armed_guard(Session& session, const Lock&, bool exact) {
  auto repository = session.repository();
  if (!repository) return;
  const auto state = (*repository)->state_path();
  auto guard = read_guard(state);
  if (!guard || !*guard) return;
  log_warning("a guard is armed: it reverts this change too in {}, unless somebody confirms",
              time_text(time_left(**guard, session.firewall().generation())));
  if (!exact || (*guard)->exact) return;
  (*guard)->exact = true;
  if (auto written = write_guard(state, **guard); !written) log_warning("{}", written.error().message);
}

Result<Guard> begin_try(Session& session, std::chrono::milliseconds length) {
  auto repository = TRY(session.repository());
  TRY(refuse_second_guard(session));
  auto held = TRY(lock(session));
  auto known = TRY(know_live_and_head(session, *repository));
  if (known.same) return arm(session, held, known.head.hash, length, true);
  auto before = TRY(record(session, *repository, known.head, known.live, found_change()));
  for (const auto& note : before.notes) log_warning("{}", note);
  return arm(session, held, before.hash, length, true);
}

namespace {

// The old ruleset is that of the snapshot, or of its copy.
Status note_foreign_changes(Session& session, const Repository& repository, Guard guard,
                            const Ruleset& live) {
  auto before = TRY(read_before(session, guard));
  guard.exact = touches_foreign(session, before.ruleset, live, repository);
  return write_guard(repository.state_path(), guard);
}

}  // namespace

namespace {

Result<std::optional<Expiry>> let_expire(Session& session, const Lock& held, const Guard& guard,
                                         const Tried& tried, const Ruleset& live,
                                         std::chrono::milliseconds length) {
  auto before = TRY(read_before(session, guard));
  const auto diff = compare(before.ruleset, live);
  auto parts = added_parts(diff, before.ruleset, live, owners_of(session));
  if (const auto native = native_parts_of(diff); !native.empty())
    log_warning("what changed in tables of nft ({}) does not expire", native);
  if (parts.empty()) return std::optional<Expiry>{};
  auto expiry = make_expiry(session, length, std::move(parts));
  expiry.before = guard.before;
  expiry.after = tried.recorded.hash;
  if (tried.armed) expiry.guard = guard.id;
  auto begun = begin_expiry(session, held, expiry);
  if (begun) return std::optional(std::move(expiry));
  begun.error().live.reset();
  return std::move(begun).error().within(tried.armed ? "the guard is armed and takes the change back"
                                                     : "what was tried is in force, and stays");
}

}  // namespace

Result<Tried> end_try(Session& session, const Guard& guard, const std::string& message,
                      std::optional<std::chrono::milliseconds> expires) {
  auto repository = TRY(session.repository());
  auto held = TRY(lock(session));
  const auto state = repository->state_path();
  const auto standing = read_guard(state);
  // A file that cannot be read is nobody's answer: the guard's process goes on.
  Tried tried{.armed = !standing || (*standing && (*standing)->id == guard.id)};
  if (!tried.armed) tried.ending = read_ending(state, guard.id);
  if (tried.ending && tried.ending->how != EndedBy::confirm)
    return take_back_rest(session, held, *repository, guard, *tried.ending, standing->has_value());
  auto read = read_live_and_head(session, *repository);
  auto recorded = read ? record(session, *repository, read->head, read->live,
                                {.message = message, .trigger = "try", .commands = {session.command_line}})
                       : Result<Recorded>(read.error());
  if (!recorded)
    return std::move(recorded).error().within(
        tried.armed ? "the guard is armed and takes the change back; but what was tried is not recorded"
                    : "what was tried is in force, and not recorded");
  tried.recorded = *std::move(recorded);
  if (expires) tried.expiry = TRY(let_expire(session, held, guard, tried, read->live.ruleset, *expires));
  if (!standing) log_warning("{}; the guard is armed all the same", standing.error().message);
  if (!tried.armed || !standing) return tried;
  if (auto noted = note_foreign_changes(session, *repository, **standing, read->live.ruleset); !noted)
    log_warning("{}; the guard takes foreign parts back too", noted.error().message);
  return tried;
}

namespace {

std::string in_force_now(Session& session) {
  auto repository = session.repository();
  auto read =
      repository ? read_live_and_head(session, **repository) : Result<LiveAndHead>(repository.error());
  if (!read) return format("what is in force cannot be read ({})", read.error().message);
  const auto head = read->head.hash.substr(0, 10);
  return compare(read->head.ruleset, read->live.ruleset).equal()
             ? format("in force is now snapshot {}", head)
             : format("in force is now what differs from HEAD (snapshot {})", head);
}

}  // namespace

Error no_guard(Session& session) {
  if (const auto other = guard_of_other_repository(session); other && !other->repository.empty())
    return error_of<messages::guard_of_other>(other->name, other->repository);
  const auto ending = last_ending(session.state_path());
  if (!ending) return error_of<messages::no_guard_armed>();
  return error_of<messages::guard_ended>(name_of(ending->guard), to_text(*ending), in_force_now(session));
}

Result<Confirmed> confirm(Session& session, const ConfirmOptions& options) {
  auto opened = TRY(session.repository());
  Repository& repository = *opened;
  auto held = lock(session);
  if (!held && (options.extend || !is_read_only_disk(held.error()))) return std::move(held).error();
  auto guard = TRY(armed_here(session, repository));
  if (options.from_new_session) TRY(prove_new_connection(session, guard));
  Confirmed confirmed;
  if (options.extend) {
    if (match_namespace(guard.place, session.firewall().generation()) == NamespaceMatch::gone)
      return error_of<messages::guard_before_restart>(name_of(guard));
    const Guard before = guard;
    guard.deadline += *options.extend;
    guard.length += *options.extend;
    if (auto written = write_guard(repository.state_path(), guard); !written)
      return std::move(written).error().within("the guard has no more time than before");
    move_timer(session, before, guard);
    wake(repository.state_path(), guard);
    auto head = TRY(repository.head());
    auto snapshot = TRY(repository.snapshot(head));
    confirmed.recorded = {.hash = std::move(head), .subject = snapshot.subject};
  } else {
    // What stands before the recording: the snapshot that is proved by it to be wished (boot_candidates.h).
    const auto tried = repository.head();
    if (!disarm(session, guard,
                {.how = EndedBy::confirm, .by = current_actor().text(), .tried = tried ? *tried : ""}))
      return error_of<messages::guard_not_ended>(name_of(guard));
    if (!held) return error_of<messages::confirmed_until_restart>(held.error().message);
    auto recorded = record_confirmed(session, repository, options.message);
    if (!recorded)
      return std::move(recorded).error().within("confirmed, the guard is gone; but LIVE is not recorded");
    confirmed.recorded = *std::move(recorded);
  }
  confirmed.guard = std::move(guard);
  return confirmed;
}

}  // namespace rewall
