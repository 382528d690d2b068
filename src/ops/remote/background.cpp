#include "ops/remote/background.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "kernel/process.h"
#include "ops/context/git_command.h"
#include "ops/context/pid_lock.h"
#include "ops/context/state_paths.h"
#include "ops/context/systemd.h"
#include "ops/remote/gc.h"
#include "ops/remote/notify.h"
#include "ops/remote/push_queue.h"
#include "ops/remote/push_worker.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kId = "background";

fs::path lock_file(const fs::path& state) {
  return StatePaths(state).background_lock();
}

// The environment for the process, in a file: a proxy may have a password.
fs::path environment_path(const fs::path& state) {
  return StatePaths(state).background_environment();
}

bool has_work(const fs::path& state) {
  return path_exists(StatePaths(state).push_queue()) || has_changes_to_tell(state);
}

// A session each time: what it reads of the settings is as they are now.
Status tell(const fs::path& repository, const SessionFactory& make_session) {
  if (!has_changes_to_tell(repository / ".git/rewall")) return {};
  return tell_changes(*make_session(repository, BackendChoice::automatic));
}

void pack_if_due(const fs::path& path) {
  const auto repository = Repository::open(path);
  if (!repository || !gc_is_due(*repository)) return;
  if (auto packed = gc(*repository); !packed) log_warning("{}", escape(packed.error().message));
}

// Wakes up when the folder of the queue changes: somebody pushed by hand, or removed the repository.
class SystemPushClock : public PushClock {
 public:
  SystemPushClock(fs::path repository, const fs::path& state, const SessionFactory& make_session)
      : repository_(std::move(repository)),
        make_session_(make_session),
        changes_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    if (changes_)
      ::inotify_add_watch(changes_.get(), state.c_str(),
                          IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF);
  }
  std::int64_t now() override { return rewall::now().seconds; }
  void wait_until(std::int64_t time) override {
    constexpr std::int64_t kMinute = 60;  // the clock may be set meanwhile
    pack_if_due(repository_);
    if (auto told = tell(repository_, make_session_); !told) log_warning("{}", escape(told.error().message));
    pollfd change{.fd = changes_.get(), .events = POLLIN, .revents = 0};
    ::poll(&change, 1, static_cast<int>(std::clamp<std::int64_t>(time - now(), 1, kMinute) * 1000));
    std::array<char, 4096> events;
    while (::read(changes_.get(), events.data(), events.size()) > 0) {
    }
  }

 private:
  fs::path repository_;
  const SessionFactory& make_session_;
  Fd changes_;
};

}  // namespace

void start_background_work(const Session& session, bool time_for_gc) {
  const auto state = session.state_path();
  if (session.program.empty() || (!time_for_gc && !has_work(state)) ||
      PidLock::process(lock_file(state), std::string(kId)) != 0)
    return;
  Command command{.words = {session.program, "-C", absolute_path(session.path()).string(), std::string(kId)}};
  const auto environment = git_environment();
  const auto file = absolute_path(environment_path(state));
  if (at_systemd() && write_file(file, environment_file(environment), 0600, Sync::no) &&
      start_unit({"--no-block", "--service-type=exec",
                  "--description=pushes, tells of and packs what rewall recorded",
                  "--property=EnvironmentFile=-" + file.string()},
                 command))
    return;
  command.environment = environment;
  if (auto started = start_detached(command, ErrorKind::repository); !started)
    log_warning("nothing is pushed, told of or packed now: {}", started.error().message);
}

void push_and_pack(Session& session, const RecordEvent& event) {
  if (!event.changed) return;
  queue_push(event.repository);
  start_background_work(session, gc_is_due(event.repository));
}

int work_in_background(const fs::path& repository, const SessionFactory& make_session) {
  const auto state = repository / ".git/rewall";
  SystemPushClock clock(repository, state, make_session);
  std::error_code ignored;
  fs::remove(environment_path(state), ignored);  // it is read
  // Once more, as a command may have queued a push while this process was about to end.
  do {
    const auto working = PidLock::begin(lock_file(state), std::string(kId));
    if (!working) return 0;
    pack_if_due(repository);
    auto told = tell(repository, make_session);
    if (!told) log_warning("{}", escape(told.error().message));
    if (auto done = work_off_push_queue(repository, clock); !done) {
      log_warning("{}", escape(done.error().message));
      return exit_code(done.error().kind);
    }
    if (!told) return exit_code(told.error().kind);
  } while (has_work(state));
  return 0;
}

}  // namespace rewall
