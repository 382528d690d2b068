#include "ops/guard/guard_process.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "core/file.h"
#include "core/format.h"
#include "core/memory.h"
#include "core/time.h"
#include "kernel/daemon.h"
#include "ops/context/event_hooks.h"
#include "ops/context/pid_lock.h"
#include "ops/context/rewall_command.h"
#include "ops/guard/guard_place.h"
#include "ops/guard/rollback.h"
#include "ops/guard/wall.h"
#include "ops/guard/way_back.h"

namespace rewall {
namespace {

constexpr std::chrono::milliseconds kWarning = std::chrono::seconds{60};
constexpr std::chrono::milliseconds kBeginPoll{10};
constexpr int kBegins = 300;
constexpr std::chrono::seconds kBeginning{30};  // as long as whoever arms waits for the process
constexpr std::chrono::milliseconds kAgain = std::chrono::seconds{5};

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

  /// Until boot_time() is `end`, or somebody says that there is something new, or asks at `place`.
  void until(std::chrono::milliseconds end, const std::optional<GuardPlace>& place) {
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(end.count() / 1000);
    when.it_value.tv_nsec = static_cast<long>(end.count() % 1000) * 1000000;
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
    pollfd waits[] = {{.fd = timer_.get(), .events = POLLIN, .revents = 0},
                      {.fd = signals_.get(), .events = POLLIN, .revents = 0},
                      {.fd = place ? place->descriptor() : -1, .events = POLLIN, .revents = 0}};
    ::poll(waits, 3, -1);
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

std::string warning(const std::filesystem::path& repository, const Guard& guard) {
  return format(
      "in {} the firewall goes back to what it was before '{}' ({}). To keep the change: {} confirm",
      time_text(guard.deadline - boot_time()), guard.command, guard.actor.text(), rewall_command(repository));
}

}  // namespace

int keep_guard(const std::filesystem::path& repository, const std::string& id,
               const SessionFactory& make_session) {
  become_independent(true);
  Sleep sleep;
  const auto state = repository / ".git/rewall";
  auto first = read_guard(state);
  if (!first) return exit_code(first.error().kind);
  if (!*first || (*first)->id != id) return 0;
  bool taken = false;
  auto place = GuardPlace::take({.repository = repository, .id = id, .name = name_of(**first)}, taken);
  // Two were armed at once, and whoever armed this one hears of it. One that was armed before fires.
  if (taken && boot_time() - ((*first)->deadline - (*first)->length) < kBeginning)
    return exit_code(ErrorKind::refused);
  auto watching = begin_watching(state, id);
  if (!watching) {
    // Another process of this guard has the lock. It may be stopped.
    const auto session = make_session(repository, (*first)->looks_at);
    const auto fired = fire_overdue_guard(*session);
    return fired ? 0 : exit_code(fired.error().kind);
  }
  Guard known = **std::move(first);
  bool warned = known.length <= kWarning;
  while (const auto guard = still_armed(repository, known)) {
    if (place) place->answer();
    if (guard->deadline > known.deadline) warned = false;
    known = *guard;
    const auto left = known.deadline - boot_time();
    if (!warned && left <= kWarning && left.count() > 0) {
      notify_terminals(warning(repository, known), known.actor);
      warned = true;
    } else if (left.count() > 0) {
      forget_code();
      sleep.until(warned ? known.deadline : known.deadline - kWarning, place);
    } else {
      use_large_pages();
      const auto session = make_session(repository, known.looks_at);
      auto fired = fire(*session, known);
      if (fired && *fired) {
        // The guard has ended: while a program in post-restore.d runs, nobody is to take it for armed.
        place.reset();
        watching.reset();
      }
      run_queued_events(*session);
      if (fired && *fired) return (*fired)->as_wanted ? 0 : exit_code(ErrorKind::damaged);
      if (!fired) sleep.until(boot_time() + kAgain, place);
    }
  }
  return 0;
}

}  // namespace rewall
