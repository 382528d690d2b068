#include "ops/guard/rollback.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/firewall.h"
#include "ops/context/event_hooks.h"
#include "ops/context/pid_lock.h"
#include "ops/context/ruleset_files.h"
#include "ops/guard/arm.h"
#include "ops/guard/wall.h"
#include "ops/restore/recovery.h"

namespace rewall {
namespace {

constexpr std::chrono::milliseconds kWarning = std::chrono::seconds{60};
constexpr std::chrono::milliseconds kBeginPoll{10};
constexpr int kBegins = 300;
constexpr std::chrono::milliseconds kAgain = std::chrono::seconds{5};

Result<Revision> read_before(Session& session, const Guard& guard) {
  auto revision = read_revision(session, guard.before);
  if (revision) return revision;
  auto copy = read_copy(guard);
  if (!copy) return revision;
  auto ruleset = TRY(ruleset_of(*std::move(copy), "copy of the old ruleset: ", guard.backends));
  return Revision{.name = guard.before, .hash = guard.before, .ruleset = std::move(ruleset)};
}

Candidate old_ruleset(Session& session, const Guard& guard) {
  return {.what = format("the old ruleset (snapshot {})", guard.before.substr(0, 10)),
          .read = [&session, guard] { return read_before(session, guard); },
          .exact = guard.exact};
}

RestoreOptions options_of(const Guard& guard) {
  return {.trigger = "rollback", .exact = guard.exact, .actor = guard.actor, .way_back = true};
}

/// A session looks at what the guard's did, and says what it ran, for as long as this lives.
class InItsName {
 public:
  InItsName(Session& session, const Guard& guard)
      : session_(session), looked_at_(session.backend()), line_(session.command_line) {
    session_.look_at(guard.looks_at);
    session_.command_line = guard.command;
  }
  InItsName(const InItsName&) = delete;
  InItsName& operator=(const InItsName&) = delete;
  ~InItsName() {
    session_.look_at(looked_at_);
    session_.command_line = line_;
  }

 private:
  Session& session_;
  BackendChoice looked_at_;
  std::string line_;
};

bool repository_is_there(const std::filesystem::path& path) {
  std::error_code failed;
  return std::filesystem::exists(path / ".git/rewall", failed);
}

// The guard as it stands; `known` where the file cannot be read, as that is no answer of anybody's.
std::optional<Guard> still_armed(const std::filesystem::path& path, const Guard& known) {
  auto guard = read_guard(path / ".git/rewall");
  if (!guard || (!*guard && !repository_is_there(path))) return known;
  if (!*guard || (*guard)->id != known.id) return std::nullopt;
  return **std::move(guard);
}

}  // namespace

std::string to_text(const FallbackResult& landed) {
  std::string text = landed.what + " is in force";
  if (!landed.restored) text += format(", but not recorded ({})", landed.why_unrecorded);
  for (const auto& refused : landed.refused) text += "; it could not be " + refused;
  return text;
}

Result<std::optional<FallbackResult>> fire(Session& session, const Guard& known) {
  auto held = lock(session);
  const auto guard = still_armed(session.path(), known);
  if (!guard || (guard->deadline > known.deadline && guard->deadline > boot_time()))
    return std::optional<FallbackResult>{};
  const InItsName name(session, *guard);
  const auto candidates = with_fallbacks(session, old_ruleset(session, *guard), guard->login);
  auto landed = restore_or_fall_back(session, held ? &*held : nullptr, candidates, options_of(*guard));
  if (!landed) {
    notify_terminals(format("NOBODY CONFIRMED {}, AND {}", name_of(*guard), landed.error().message),
                     guard->actor, true);
    return std::move(landed).error();
  }
  if (held)
    disarm(session, *held, *guard);
  else
    remove_guard(session.state_path(), *guard, Ending::taken_back);
  const bool loud = !landed->as_wanted || !landed->restored;
  notify_terminals(
      format("nobody confirmed '{}' of {}: {}", guard->command, guard->actor.text(), to_text(*landed)),
      guard->actor, loud);
  return std::optional(*std::move(landed));
}

Status fire_overdue_guard(Session& session) {
  auto guard = TRY(read_guard(session.state_path()));
  if (!guard) return {};
  const auto here = session.firewall().generation();
  switch (match_namespace(guard->place, here)) {
    case NamespaceMatch::elsewhere:
      return {};
    case NamespaceMatch::gone:
      log_warning(
          "{} was armed before a restart of the machine: 'rewall restore --boot' or 'rewall rollback' puts "
          "the old ruleset in force, 'rewall confirm' keeps what is there",
          name_of(*guard));
      return {};
    case NamespaceMatch::here:
      break;
  }
  if (time_left(*guard, here).count() > 0) return {};
  if (PidLock::process(guard_lock(session.state_path()), guard->id) != 0) return {};
  log_warning("{} is overdue and its process is gone: the old ruleset is put back now", name_of(*guard));
  auto fired = TRY(fire(session, *guard));
  return {};
}

namespace {

// What is in force cannot be read: nft put rules among those of iptables.
Result<Restored> land_old(Session& session, const Lock& held, const Guard& guard,
                          const RestoreOptions& options) {
  const std::vector<Candidate> candidates{old_ruleset(session, guard)};
  auto landed = TRY(restore_or_fall_back(session, &held, candidates, options));
  if (landed.restored) return *std::move(landed.restored);
  return Error{.kind = ErrorKind::repository, .message = to_text(landed)}.hinted(
      "'rewall confirm' ends the guard, and records what is in force");
}

}  // namespace

Result<Restored> roll_back(Session& session) {
  auto repository = TRY(session.repository());
  auto held = TRY(lock(session));
  auto guard = TRY(read_guard(repository->state_path()));
  if (!guard) return error_of<messages::no_guard_armed>();
  if (match_namespace(guard->place, session.firewall().generation()) == NamespaceMatch::elsewhere)
    return Error{.kind = ErrorKind::refused,
                 .message = name_of(*guard) + " is armed in another network namespace",
                 .live = LiveState::untouched};
  auto revision = TRY(read_before(session, *guard));
  RestoreOptions options = options_of(*guard);
  options.actor.reset();
  auto restored = restore(session, held, revision, options);
  if (!restored && restored.error().kind == ErrorKind::capture)
    restored = land_old(session, held, *guard, options);
  if (restored) disarm(session, held, *guard);
  return restored;
}

Result<FallbackResult> boot(Session& session, RestoreOptions options) {
  auto repository = session.repository();
  std::error_code failed;
  // A host without a history boots as if there were no rewall.
  if (!repository && !std::filesystem::exists(session.path() / ".git", failed))
    return std::move(repository).error();
  options.trigger = "boot";
  options.way_back = true;
  options.nothing_is_no_loss = true;
  const auto guard = read_guard(session.state_path());
  const bool guarded = guard && *guard;
  auto candidates = with_fallbacks(
      session,
      guarded ? old_ruleset(session, **guard)
              : Candidate{.what = "HEAD", .read = [&session] { return read_revision(session, "HEAD"); }},
      guarded ? (*guard)->login : "");
  for (auto& candidate : candidates) candidate.exact = options.exact;
  auto held = lock(session);
  auto landed = restore_or_fall_back(session, held ? &*held : nullptr, candidates, options);
  if (!landed) return landed;
  const auto text = to_text(*landed);
  if (!landed->as_wanted || !landed->restored)
    notify_terminals("at boot: " + text, guarded ? (*guard)->actor : Actor{}, true);
  if (guarded && held) disarm(session, *held, **guard);
  // What is not as wanted is the caller's error.
  if (guarded && landed->as_wanted)
    log_warning("{} was armed when the machine went down: {}", name_of(**guard), escape(text));
  else if (landed->as_wanted && !landed->restored)
    log_warning("{}", escape(text));
  return landed;
}

namespace {

class Sleep {
 public:
  Sleep() : timer_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC)) {
    sigset_t look;
    ::sigemptyset(&look);
    ::sigaddset(&look, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &look, nullptr);
    signals_.reset(::signalfd(-1, &look, SFD_CLOEXEC | SFD_NONBLOCK));
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGPIPE, SIGTTOU})
      ::signal(number, SIG_IGN);
  }

  /// Until boot_time() is `end`, or somebody says that there is something new.
  void until(std::chrono::milliseconds end) {
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(end.count() / 1000);
    when.it_value.tv_nsec = static_cast<long>(end.count() % 1000) * 1000000;
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
    pollfd waits[] = {{.fd = timer_.get(), .events = POLLIN, .revents = 0},
                      {.fd = signals_.get(), .events = POLLIN, .revents = 0}};
    ::poll(waits, 2, -1);
    signalfd_siginfo told{};
    while (::read(signals_.get(), &told, sizeof told) > 0) {
    }
  }

 private:
  Fd timer_;
  Fd signals_{};
};

std::optional<PidLock> begin_watching(const std::filesystem::path& state, const std::string& id) {
  for (int i = 0; i < kBegins; ++i) {
    if (auto watching = PidLock::begin(guard_lock(state), id)) return watching;
    std::this_thread::sleep_for(kBeginPoll);
  }
  return std::nullopt;
}

std::string warning(const Guard& guard) {
  return format(
      "in {} the firewall goes back to what it was before '{}' ({}). To keep the change: rewall confirm",
      time_text(guard.deadline - boot_time()), guard.command, guard.actor.text());
}

}  // namespace

int keep_guard(const std::filesystem::path& repository, const std::string& id) {
  Sleep sleep;
  const auto state = repository / ".git/rewall";
  auto first = read_guard(state);
  if (!first) return exit_code(first.error().kind);
  if (!*first || (*first)->id != id) return 0;
  const auto watching = begin_watching(state, id);
  if (!watching) return 0;  // another process of this guard
  Guard known = **std::move(first);
  bool warned = known.length <= kWarning;
  while (const auto guard = still_armed(repository, known)) {
    if (guard->deadline > known.deadline) warned = false;
    known = *guard;
    const auto left = known.deadline - boot_time();
    if (!warned && left <= kWarning && left.count() > 0) {
      notify_terminals(warning(known), known.actor);
      warned = true;
    } else if (left.count() > 0) {
      forget_code();
      sleep.until(warned ? known.deadline : known.deadline - kWarning);
    } else {
      Session session(repository, known.looks_at, host_firewall());
      session.sees_to_guard = true;
      auto fired = fire(session, known);
      run_queued_events(session);
      if (fired && *fired) return (*fired)->as_wanted ? 0 : exit_code(ErrorKind::damaged);
      if (!fired) sleep.until(boot_time() + kAgain);
    }
  }
  return 0;
}

}  // namespace rewall
