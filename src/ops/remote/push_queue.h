#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/result.h"
#include "core/time.h"
#include "ops/context/session.h"

namespace rewall {

/// That there are snapshots to be pushed (`push.auto`): kept in `.git/rewall/push` until all are.
struct PushQueue {
  Time since{};           ///< the oldest of them was queued
  int tries = 0;          ///< that failed, one after the other
  std::int64_t next = 0;  ///< when to try again, in seconds since 1970
  std::string why{};      ///< the last try failed
};

/// Absent where nothing waits. One that cannot be read waits for nothing.
std::optional<PushQueue> read_push_queue(const std::filesystem::path& state);

/// After a snapshot: with `push.auto` and a remote, it waits to be pushed. A failure is only said.
void queue_push(const Repository& repository);

/// After a push that went well: nothing waits for that remote any more, but what was recorded meanwhile.
void leave_queue(const Repository& repository, const std::string& remote);

/// How long to wait when so many tries failed: 30 s, twice as long each time, at most an hour. `luck`, from 0
/// to 1, takes up to half of it off, so that hosts that lost one server do not all come back at once.
std::chrono::seconds back_off(int tries, double luck);

/// The time by which a queue is worked off.
class QueueClock {
 public:
  virtual ~QueueClock() = default;
  virtual std::int64_t now() = 0;  ///< seconds since 1970
  /// Until then, or until the queue was written or removed by somebody else.
  virtual void wait_until(std::int64_t time) = 0;
};

/// Pushes until the queue is empty: what was recorded meanwhile goes with the next push. The kind of error is
/// that of open(): the repository is gone, say.
Status work_off_pushes(const std::filesystem::path& repository, QueueClock& clock);

}  // namespace rewall
