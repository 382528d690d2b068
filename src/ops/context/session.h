#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "diff/diff.h"
#include "kernel/firewall.h"
#include "store/repository.h"

namespace rewall {

class Session;

/// An event for the programs in post-*.d. It waits in the session until the command has released the lock and
/// run_queued_events() runs the programs (ops/context/event_hooks.h).
struct QueuedEvent {
  std::string event{};
  std::vector<std::string> variables{};  ///< "NAME=value"
  std::string diff{};                    ///< the standard input of the programs
};

/// The result of record(), for the observers of a session. The references are valid during the call.
struct RecordEvent {
  Repository& repository;
  const Files& files;      ///< of the snapshot that holds LIVE
  const Diff& diff;        ///< from the snapshot before to this one; empty where no snapshot was made
  std::string from{};      ///< the snapshot before, full hash; empty for the first
  std::string hash{};      ///< the snapshot that holds LIVE, full hash
  std::string subject{};   ///< of that snapshot
  std::string trigger{};   ///< as Rewall-Trigger
  std::string restores{};  ///< as Rewall-Restores
  bool changed = false;    ///< true where a snapshot was made
};
/// A function that acts on the result of record(). It runs with the repository's lock held and logs its own
/// failures.
using RecordObserver = std::function<void(Session&, const RecordEvent&)>;

/// The context of one command: one repository, opened at the first use, and one firewall. A Session lives as
/// long as its command, in cli/program.cpp or the guard's process.
class Session {
 public:
  Session(std::filesystem::path path, BackendChoice backend, std::unique_ptr<Firewall> firewall)
      : path_(std::move(path)), backend_(backend), firewall_(std::move(firewall)) {}

  /// The folder of the repository.
  const std::filesystem::path& path() const { return path_; }
  /// The folder `.git/rewall`. The repository need not be open: a guard works without one that is damaged.
  std::filesystem::path state_path() const { return path_ / ".git/rewall"; }
  /// The backends that captures read (--backend).
  BackendChoice backend() const { return backend_; }
  void look_at(BackendChoice backend) { backend_ = backend; }
  Firewall& firewall() { return *firewall_; }
  /// Reads LIVE; of a family that this kernel does not have (Capture::without_ipv6) it is what HEAD says,
  /// with a note: what cannot be in force is not gone. The errors of Firewall::capture().
  Result<Capture> capture();

  /// The repository, opened at the first call and valid as long as the session. The errors of
  /// Repository::open(), or the error that withhold_repository() got.
  Result<Repository*> repository();

  /// Makes repository() return this error from now on: an interrupted restore could not be recovered, and the
  /// command must not change such a state.
  void withhold_repository(Error why) { withheld_ = std::move(why); }

  /// Calls every observer in order.
  void notify(const RecordEvent& event) {
    for (const auto& observer : record_observers) observer(*this, event);
  }

  /// The command line for Rewall-Command: "rewall restore HEAD~1".
  std::string command_line{};
  /// The path of rewall itself, to start the guard's process and the background work. With an empty path
  /// neither is started.
  std::string program{};
  /// Signs the commits of record(); without a signer they are not signed.
  Repository::Signer signer{};
  /// The functions that act on the result of record(): the export, the push queue, the programs in
  /// post-snapshot.d.
  std::vector<RecordObserver> record_observers{};
  /// Renders a diff for the programs of an event; without this function they get none.
  std::function<std::string(const Diff&)> diff_text{};
  /// The events that run_queued_events() takes.
  std::vector<QueuedEvent> queued_events{};
  /// Names a restore that another process is doing now, or says why a restore could not be recovered; else
  /// empty.
  std::string interrupted{};
  /// True for a boot: repository() is Repository::open_readable(). Set before its first call.
  bool uses_what_it_can = false;
  /// True for what has to work where a file of settings cannot be used: the repository does without
  /// (Repository::do_without_settings()). Set before the first repository().
  bool does_without_settings = false;
  /// True where `interrupted` names a restore that runs.
  bool restoring = false;

 private:
  std::filesystem::path path_;
  BackendChoice backend_;
  std::unique_ptr<Firewall> firewall_;
  std::optional<Repository> repository_{};
  std::optional<Error> withheld_{};
};

/// Makes a session on a repository, complete with the signer, the observers and the path of rewall.
using SessionFactory =
    std::function<std::unique_ptr<Session>(const std::filesystem::path& repository, BackendChoice backend)>;

/// Makes a session look at another backend, which a state file names, as long as the object lives.
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

/// Gives a session the backend and the command line of an earlier command, as long as the object lives: what
/// is recorded meanwhile names that command.
class CommandScope {
 public:
  CommandScope(Session& session, BackendChoice backend, std::string command)
      : backend_(session, backend), session_(session), before_(session.command_line) {
    session_.command_line = std::move(command);
  }
  CommandScope(const CommandScope&) = delete;
  CommandScope& operator=(const CommandScope&) = delete;
  ~CommandScope() { session_.command_line = before_; }

 private:
  BackendScope backend_;
  Session& session_;
  std::string before_;
};

}  // namespace rewall
