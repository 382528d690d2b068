#include "ops/guard/arm.h"

#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <thread>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/process.h"
#include "ops/context/git_command.h"
#include "ops/context/namespace_match.h"
#include "ops/context/pid_lock.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/context/systemd.h"
#include "ops/history/revision.h"
#include "ops/restore/plan.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"
#include "rules/foreign.h"
#include "rules/set_delta.h"

namespace rewall {
namespace {

constexpr std::chrono::seconds kStartDeadline{10};
constexpr std::chrono::milliseconds kStartPoll{5};

std::string fresh_id() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    number = static_cast<std::uint64_t>(boot_time().count()) << 20 ^ static_cast<std::uint64_t>(::getpid());
  return format("{:016x}", number);
}

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

// A service that waits, restarted if it is killed, and a timer for the case that it cannot be.
bool start_units(const Command& command, const Guard& guard) {
  constexpr std::chrono::seconds kLater{15};
  const auto unit = "rewall-guard-" + guard.id;
  const bool started =
      start_unit({"--unit=" + unit, "--description=puts the old firewall back unless somebody confirms",
                  "--service-type=exec", "--property=Restart=on-failure", "--property=RestartSec=1",
                  "--property=TimeoutStopSec=5"},
                 command);
  if (started)
    start_unit({"--unit=" + unit + "-overdue", "--timer-property=AccuracySec=1s",
                format("--on-active={}ms", (guard.length + kLater).count())},
               command);
  return started;
}

// The service ends by itself; its timer would run rewall once more, for nothing.
void stop_timer(const Guard& guard) {
  const auto program = at_systemd() ? find_program("systemctl") : "";
  if (program.empty()) return;
  const auto unit = "rewall-guard-" + guard.id + "-overdue.timer";
  (void)run({.words = {program, "--quiet", "--no-block", "stop", unit}, .deadline = kStartDeadline},
            ErrorKind::refused);
}

Error not_started(const std::string& why) {
  return error_of<messages::guard_not_started>(why);
}

Status start(Session& session, const Repository& repository, const Guard& guard) {
  if (session.program.empty()) return not_started("this is no rewall");
  // What it records is signed: git finds the same agent and keys.
  const Command command{
      .words = {session.program, "-C", std::filesystem::absolute(session.path()), "guard", guard.id},
      .environment = signing_environment()};
  pid_t process = 0;
  if (!start_units(command, guard)) {
    auto started = start_detached(command, ErrorKind::refused);
    if (!started) return not_started(started.error().message);
    process = *started;
  }
  const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
  while (PidLock::process(guard_lock(repository.state_path()), guard.id) == 0) {
    int status = 0;
    if (process != 0 && ::waitpid(process, &status, WNOHANG) == process)
      return not_started(WIFEXITED(status) ? format("exit status {}", WEXITSTATUS(status)) : "it was killed");
    if (std::chrono::steady_clock::now() > deadline) return not_started("it says nothing");
    std::this_thread::sleep_for(kStartPoll);
  }
  return {};
}

void wake(const Repository& repository, const Guard& guard) {
  const pid_t process = PidLock::process(guard_lock(repository.state_path()), guard.id);
  if (process > 0 && process != ::getpid()) ::kill(process, SIGUSR1);
}

// True when what made `after` of `before` is more than a restore would take back by itself.
bool touches_foreign(const Ruleset& before, const Ruleset& after, const Repository& repository) {
  const auto owners = read_owners(repository);
  return !owners || !compare(keep_foreign(before, after, *owners).ruleset, before).equal();
}

Result<Guard> armed_here(Session& session, const Repository& repository) {
  auto guard = TRY(read_guard(repository.state_path()));
  if (!guard) return error_of<messages::no_guard_armed>();
  if (match_namespace(guard->place, session.firewall().generation()) == NamespaceMatch::elsewhere)
    return error_of<messages::guard_elsewhere>(name_of(*guard));
  return *std::move(guard);
}

// What a command did after its change was taken back.
Error take_back_rest(Session& session, const Lock& held, const Guard& guard) {
  constexpr std::string_view kWhat = "the change was reverted while the command ran";
  auto revision = read_revision(session, guard.before);
  auto restored =
      revision ? restore(session, held, *revision, {.trigger = "rollback", .exact = true, .way_back = true})
               : Result<Restored>(revision.error());
  if (!restored)
    return std::move(restored).error().within(format("{}, and its later changes are in force", kWhat));
  return error_of<messages::reverted_while_running>();
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
  if (!guard) return {};
  const auto here = session.firewall().generation();
  const auto where = match_namespace(guard->place, here);
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
  auto files = TRY(prove(session, repository, guard));
  guard.armed = now();
  guard.deadline = boot_time() + length;
  const auto state = repository.state_path();
  if (auto written = write_guard(state, guard); !written)
    return std::move(written).error().within("no guard").with_live(LiveState::untouched);
  keep_copy(guard, files);
  if (auto started = start(session, repository, guard); !started) {
    remove_guard(state, guard, Ending::reverted);
    return std::move(started).error();
  }
  return guard;
}

void disarm(Session& session, const Lock&, const Guard& guard, Ending ending) {
  auto repository = session.repository();
  if (!repository) return;
  // The process ends when it sees that its file is gone; what it misses of that it sees at the deadline.
  remove_guard((*repository)->state_path(), guard, ending);
  wake(**repository, guard);
  stop_timer(guard);
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
  auto before = TRY(record(session, *repository, known.head, known.live, {}));
  for (const auto& note : before.notes) log_warning("{}", note);
  return arm(session, held, before.hash, length, true);
}

Result<Recorded> end_try(Session& session, const Guard& guard, const std::string& message) {
  auto repository = TRY(session.repository());
  auto held = TRY(lock(session));
  const auto state = repository->state_path();
  auto armed = TRY(read_guard(state));
  const bool gone = !armed || armed->id != guard.id;
  if (gone && ending_of(state, guard) == Ending::reverted) return take_back_rest(session, held, guard);
  const auto read = read_live_and_head(session, *repository);
  auto recorded = read ? record(session, *repository, read->head, read->live,
                                {.message = message, .trigger = "try", .commands = {session.command_line}})
                       : Result<Recorded>(read.error());
  if (gone) return recorded;
  if (!recorded)
    return std::move(recorded).error().within(
        "the guard is armed and takes the change back; but what was tried is not recorded");
  auto files = TRY(repository->files(guard.before, Proof::hash));
  auto before = TRY(ruleset_of(std::move(files), guard.before.substr(0, 10) + ":", guard.backends));
  armed->exact = touches_foreign(before, read->live.ruleset, *repository);
  TRY(write_guard(state, *armed));
  return recorded;
}

Result<Confirmed> confirm(Session& session, const ConfirmOptions& options) {
  auto opened = TRY(session.repository());
  Repository& repository = *opened;
  auto held = TRY(lock(session));
  auto guard = TRY(armed_here(session, repository));
  if (options.from_new_session && guard.login == login_session()) return error_of<messages::same_session>();
  Confirmed confirmed;
  if (options.extend) {
    guard.deadline += *options.extend;
    guard.length += *options.extend;
    if (auto written = write_guard(repository.state_path(), guard); !written)
      return std::move(written).error().within("the guard has no more time than before");
    wake(repository, guard);
    auto head = TRY(repository.head());
    auto snapshot = TRY(repository.snapshot(head));
    confirmed.recorded = {.hash = std::move(head), .subject = snapshot.subject};
  } else {
    disarm(session, held, guard, Ending::confirmed);
    auto recorded = record_confirmed(session, repository, options.message);
    if (!recorded)
      return std::move(recorded).error().within("confirmed, the guard is gone; but LIVE is not recorded");
    confirmed.recorded = *std::move(recorded);
  }
  confirmed.guard = std::move(guard);
  return confirmed;
}

}  // namespace rewall
