#include "ops/expiry/expiry_process.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text.h"
#include "kernel/daemon.h"
#include "ops/context/event_hooks.h"
#include "ops/context/pid_lock.h"
#include "ops/expiry/expiry.h"

namespace rewall {
namespace {

constexpr std::int64_t kAgain = 5;  // seconds
constexpr std::chrono::seconds kOtherEnds{3};

/// Sleeps by the machine's clock, and wakes up when somebody sets that.
class ClockSleep {
 public:
  ClockSleep() : timer_(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {
    sigset_t look;
    ::sigemptyset(&look);
    ::sigaddset(&look, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &look, nullptr);
    signals_.reset(::signalfd(-1, &look, SFD_CLOEXEC | SFD_NONBLOCK));
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGPIPE, SIGTTOU}) ::signal(number, SIG_IGN);
  }

  void until(std::int64_t seconds) {
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(seconds);
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, nullptr);
    pollfd waits[] = {{.fd = timer_.get(), .events = POLLIN, .revents = 0},
                      {.fd = signals_.get(), .events = POLLIN, .revents = 0}};
    ::poll(waits, 2, -1);
    std::uint64_t times = 0;
    signalfd_siginfo told{};
    while (::read(signals_.get(), &told, sizeof told) > 0) {
    }
    // After a change of the clock it must be read once.
    (void)!::read(timer_.get(), &times, sizeof times);
  }

 private:
  Fd timer_;
  Fd signals_{};
};

/// The moment at which there is work; absent where nothing is pending.
std::optional<std::int64_t> next_work(const std::filesystem::path& state) {
  const auto pending = read_expiries(state).pending;
  if (pending.empty()) return std::nullopt;
  const auto other = std::ranges::find_if(pending, [](const Expiry& one) { return !one.done; });
  // What is done waits for the end of a guard.
  if (pending.front().done)
    return std::min(other == pending.end() ? INT64_MAX : other->due.seconds, now().seconds + kAgain);
  return pending.front().due.seconds;
}

void work(const std::filesystem::path& repository, const SessionFactory& make_session, ClockSleep& sleep) {
  const auto state = repository / ".git/rewall";
  const bool is_unit = std::getenv("INVOCATION_ID") != nullptr;
  while (const auto next = next_work(state)) {
    if (*next > now().seconds) {
      const auto pending = read_expiries(state).pending;
      // Each has a timer of its own; but none is there for the end of a guard.
      if (is_unit && std::ranges::none_of(pending, [](const Expiry& one) { return one.done.has_value(); }))
        return;
      forget_code();
      sleep.until(*next);
    }
    const auto session = make_session(repository, BackendChoice::automatic);
    const auto done = take_out_expired(*session, Waiter::is_this_process);
    run_queued_events(*session);
    if (done) continue;
    log_warning("{}", escape(full_message(done.error())));
    sleep.until(now().seconds + kAgain);
  }
}

}  // namespace

int keep_expiries(const std::filesystem::path& repository, const SessionFactory& make_session) {
  become_independent(true);
  ClockSleep sleep;
  const auto state = repository / ".git/rewall";
  // Once more, as a command may have added one while this process was about to end.
  do {
    const auto working = PidLock::begin(expiry_lock(state), std::string(kExpiryWork), kOtherEnds);
    if (!working) {
      const pid_t other = PidLock::process(expiry_lock(state), std::string(kExpiryWork));
      // Another process sees to all of them, unless it is stopped.
      if (other == 0 || !is_stopped(other)) return 0;
      PidLock::end_process(expiry_lock(state), std::string(kExpiryWork));
      continue;
    }
    work(repository, make_session, sleep);
    if (std::getenv("INVOCATION_ID") != nullptr) return 0;
  } while (next_work(state));
  return 0;
}

}  // namespace rewall
