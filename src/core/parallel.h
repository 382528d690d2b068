#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/exceptions.h"
#include "core/result.h"

/// Work on several threads. This is the only place in src/ that starts threads.
///
/// - Every thread has an owner that waits for it: a Task, or the function that started it.
/// - Every thread has a name, which `ps -L` and a debugger show (cut to 15 bytes).
/// - The process has at most kMostThreads of them at a time. Where another one cannot be had, for this limit
///   or because the system refuses (RLIMIT_NPROC, pids.max of the control group, memory), the calling thread
///   does the work itself.
/// - An exception of the work becomes an Error; none crosses a thread.
namespace rewall {

constexpr std::size_t kMostThreads = 16;

/// Starts `work` on a new thread. Returns an absent thread, without an exception, where none can be had;
/// `work` has not run then. `work` must throw nothing. For namespace changes (unshare(2), setns(2)), which
/// belong to a thread; other callers use the functions below.
std::optional<std::thread> start_thread(std::string_view name, std::function<void()> work);

/// A value that is being computed on another thread. Its destructor waits for that thread, so the work may
/// refer to whatever outlives the Task.
template <class T>
class [[nodiscard]] Task {
 public:
  /// No work: valid() is false.
  Task() = default;
  Task(Task&&) noexcept = default;
  Task& operator=(Task&& other) noexcept {
    wait();
    state_ = std::move(other.state_);
    return *this;
  }
  ~Task() { wait(); }

  bool valid() const { return state_ != nullptr; }

  /// Waits for the value. Call it once, on a valid Task, which is invalid afterwards.
  Result<T> get() {
    wait();
    const auto state = std::move(state_);
    return *std::move(state->result);
  }

 private:
  struct State {
    std::optional<Result<T>> result{};
    std::optional<std::thread> thread{};
  };

  template <class Work>
  friend Task<ValueOf<Work>> beside(std::string_view name, ErrorKind kind, Work work);

  void wait() {
    if (state_ && state_->thread && state_->thread->joinable()) state_->thread->join();
  }

  std::unique_ptr<State> state_{};
};

/// Runs `work` on another thread beside the caller. `work` returns a value, a Result or nothing. An exception
/// of it becomes an Error of `kind` that begins with `name`. Where no thread can be had, `work` has already
/// run when beside() returns: it must not wait for anything that the caller does later.
template <class Work>
Task<ValueOf<Work>> beside(std::string_view name, ErrorKind kind, Work work) {
  using Made = Task<ValueOf<Work>>;
  Made task;
  task.state_ = std::make_unique<typename Made::State>();
  auto shared = std::make_shared<Work>(std::move(work));  // std::function wants a copy
  const auto run = [state = task.state_.get(), shared, owned = std::string(name), kind] {
    state->result = without_exceptions(owned, kind, *shared);
  };
  task.state_->thread = start_thread(name, run);
  if (!task.state_->thread) run();
  return task;
}

/// Items 0 to count - 1, which the lanes of one share_out() take from, each item once.
class Items {
 public:
  explicit Items(std::size_t count) : count_(count) {}

  /// The next item; absent when all are taken, and once a lane has failed.
  std::optional<std::size_t> next() {
    const std::size_t item = next_++;
    return item < count_ && !stopped_ ? std::optional(item) : std::nullopt;
  }
  void stop() { stopped_ = true; }
  bool any_left() const { return next_ < count_ && !stopped_; }

 private:
  std::size_t count_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
};

/// How many lanes share_out() begins at most for this many items: one for each processor, at least one, and
/// never more than there are items.
std::size_t lanes_for(std::size_t count);

/// Shares out items 0 to count - 1 over lanes: one on the calling thread, each other one on a thread of its
/// own. `work(items, lane)` is called once for each lane, lane < lanes_for(count), and loops while
/// `items.next()` gives an item; what a lane needs for itself (an open repository) it makes before the loop.
/// Fewer lanes run where no more threads can be had. Waits for all of them. The error of the lowest lane that
/// failed; then items may be left undone.
template <class Work>
Status share_out(std::string_view name, ErrorKind kind, std::size_t count, const Work& work) {
  Items items(count);
  const auto run_lane = [&](std::size_t lane) -> Status {
    Status done = without_exceptions(name, kind, [&]() -> Status { return work(items, lane); });
    if (!done) items.stop();
    return done;
  };
  std::vector<Task<void>> others;
  others.reserve(lanes_for(count));
  for (std::size_t lane = 1; lane < lanes_for(count) && items.any_left(); ++lane)
    others.push_back(beside(name, kind, [&run_lane, lane] { return run_lane(lane); }));
  Status first = run_lane(0);
  for (auto& other : others) {
    Status done = other.get();
    if (first && !done) first = std::move(done);
  }
  return first;
}

/// Calls `work(item)`, which returns a Status, for items 0 to count - 1 over the lanes of share_out().
template <class Work>
Status for_each_item(std::string_view name, ErrorKind kind, std::size_t count, const Work& work) {
  return share_out(name, kind, count, [&](Items& items, std::size_t /*lane*/) -> Status {
    while (const auto item = items.next()) TRY(work(*item));
    return {};
  });
}

}  // namespace rewall
