#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/result.h"
#include "core/time.h"
#include "store/repository.h"

namespace rewall {

/// The snapshots that wait to be pushed (`push.auto`), as `.git/rewall/push` has them until all are pushed.
struct PushQueue {
  Time since{};           ///< when the oldest of them was queued
  int tries = 0;          ///< how many pushes failed, one after the other
  std::int64_t next = 0;  ///< when to push again, in seconds since 1970
  std::string why{};      ///< why the last push failed
};

/// Absent where no snapshot waits. A file that cannot be read is a queue that may be pushed now.
std::optional<PushQueue> read_push_queue(const std::filesystem::path& state);
Status write_push_queue(const std::filesystem::path& state, const PushQueue& queue);
void remove_push_queue(const std::filesystem::path& state);

/// Whether snapshots of the repository are pushed without a command: `push.auto` is true and there is a
/// remote.
bool pushes_automatically(const Repository& repository);

/// Queues a snapshot that was recorded, where the repository pushes automatically. A failure is logged.
void queue_push(const Repository& repository);

/// After a push to `remote` that went well: removes the queue, and begins a new one for the snapshots that
/// were recorded during the push.
void leave_queue(const Repository& repository, const std::string& remote);

/// The longest pause between two pushes that fail.
inline constexpr std::chrono::seconds kLongestPushPause{std::chrono::hours{1}};

/// The pause after so many failed pushes: 30 s, doubled each time, at most an hour. `luck`, from 0 to 1,
/// shortens the pause by up to a half, so that the hosts that lost one server do not return all at once.
std::chrono::seconds back_off(int tries, double luck);

}  // namespace rewall
