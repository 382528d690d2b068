#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "diff/diff.h"
#include "kernel/firewall.h"
#include "store/repository.h"

namespace rewall {

class Session;

/// An event for the programs in post-*.d, which run when the work is done and the lock is released
/// (ops/context/event_hooks.h).
struct QueuedEvent {
  std::string event{};
  std::vector<std::string> variables{};
  std::string diff{};
};

/// What record() did, for those who act on it. The references are valid during the call.
struct RecordEvent {
  Repository& repository;
  const Files& files;  ///< of the snapshot that holds LIVE
  const Diff& diff;    ///< against the snapshot before; empty where no snapshot was made
  std::string from{};  ///< the snapshot before, full hash; empty for the first
  std::string hash{};  ///< the snapshot that holds LIVE
  std::string subject{};
  std::string trigger{};
  std::string restores{};
  bool changed = false;  ///< a snapshot was made
};
using RecordObserver = std::function<void(Session&, const RecordEvent&)>;

/// What a command works with: one repository, opened when a caller first asks for it, and one firewall. Lives
/// as long as the command.
class Session {
 public:
  Session(std::filesystem::path path, BackendChoice backend, std::unique_ptr<Firewall> firewall)
      : path_(std::move(path)), backend_(backend), firewall_(std::move(firewall)) {}

  const std::filesystem::path& path() const { return path_; }
  /// `.git/rewall`. The repository need not be open: a guard outlives it.
  std::filesystem::path state_path() const { return path_ / ".git/rewall"; }
  BackendChoice backend() const { return backend_; }
  void look_at(BackendChoice backend) { backend_ = backend; }
  Firewall& firewall() { return *firewall_; }
  Result<Capture> capture() { return firewall_->capture(backend_); }

  /// The repository, valid as long as the session; opens it at the first call. The errors of
  /// Repository::open(), or that of withhold_repository().
  Result<Repository*> repository();

  /// repository() returns this error from now on: an interrupted restore could not be recovered, and the
  /// command must not build on that state.
  void withhold_repository(Error why) { withheld_ = std::move(why); }

  /// Calls every observer, in their order.
  void notify(const RecordEvent& event) {
    for (const auto& observer : record_observers) observer(*this, event);
  }

  /// The command line that people read in the history: "rewall restore HEAD~1".
  std::string command_line{};
  /// The path of rewall itself, which the guard's process and the background work run.
  std::string program{};
  /// Signs what record() commits; without it nothing is signed.
  Repository::Signer signer{};
  /// Those who act on what record() did: the export, the queue of pushes, the programs in post-snapshot.d.
  std::vector<RecordObserver> record_observers{};
  /// How the programs of an event get a diff to read; without it they get none.
  std::function<std::string(const Diff&)> diff_text{};
  std::vector<QueuedEvent> queued_events{};
  /// A restore that another process is doing now, or that could not be recovered; empty where there is none.
  std::string interrupted{};

 private:
  std::filesystem::path path_;
  BackendChoice backend_;
  std::unique_ptr<Firewall> firewall_;
  std::optional<Repository> repository_{};
  std::optional<Error> withheld_{};
};

/// While it lives, the session looks at another backend: at the one that a state file names.
class BackendScope {
 public:
  BackendScope(Session& session, BackendChoice backend) : session_(session), before_(session.backend()) {
    session_.look_at(backend);
  }
  BackendScope(const BackendScope&) = delete;
  BackendScope& operator=(const BackendScope&) = delete;
  ~BackendScope() { session_.look_at(before_); }

 private:
  Session& session_;
  BackendChoice before_;
};

}  // namespace rewall
