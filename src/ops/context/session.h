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

/// An event that post-*.d hears of when the work is done and the lock released (ops/context/event_hooks.h).
struct QueuedEvent {
  std::string event{};
  std::vector<std::string> variables{};
  std::string diff{};
};

/// What a command works on: one repository, opened when it is first asked for, and one firewall.
class Session {
 public:
  Session(std::filesystem::path path, BackendChoice backend, std::unique_ptr<Firewall> firewall)
      : path_(std::move(path)), backend_(backend), firewall_(std::move(firewall)) {}

  const std::filesystem::path& path() const { return path_; }
  /// Of the repository, which need not be open: a guard outlives it.
  std::filesystem::path state_path() const { return path_ / ".git/rewall"; }
  BackendChoice backend() const { return backend_; }
  void look_at(BackendChoice backend) { backend_ = backend; }
  Firewall& firewall() { return *firewall_; }
  Result<Capture> capture() { return firewall_->capture(backend_); }

  /// Valid as long as the session. The first call settles what a restore that was killed left (settle.h);
  /// where that fails its error is the answer, unless `only_looks`: then it is said, and `unfinished()` tells
  /// it.
  Result<Repository*> repository();

  /// A restore that another process is doing now, or that could not be settled; empty where there is none.
  const std::string& unfinished() const { return unfinished_; }

  /// The command line that people will read in the history: "rewall restore HEAD~1".
  std::string command_line{};
  /// This command changes neither LIVE nor the history.
  bool only_looks = false;
  /// This command sees to a guard that is overdue itself.
  bool sees_to_guard = false;
  /// The path of rewall itself, which the guard's process runs.
  std::string program{};

  /// How hooks get a diff to read; without it, not at all.
  std::function<std::string(const Diff&)> diff_text{};
  std::vector<QueuedEvent> queued_events{};

 private:
  std::filesystem::path path_;
  BackendChoice backend_;
  std::unique_ptr<Firewall> firewall_;
  std::optional<Repository> repository_{};
  Status settled_{};
  std::string unfinished_{};
};

}  // namespace rewall
