#pragma once

#include <cstdint>
#include <filesystem>

#include "core/result.h"

namespace rewall {

/// The clock that the push worker waits by.
class PushClock {
 public:
  virtual ~PushClock() = default;
  virtual std::int64_t now() = 0;  ///< seconds since 1970
  /// Waits until that time, or until another process writes or removes the queue.
  virtual void wait_until(std::int64_t time) = 0;
};

/// Pushes until the queue is empty (push_queue.h). Snapshots that are recorded meanwhile go with the next
/// push. A push that fails is noted in the queue and tried again. The errors are those of Repository::open()
/// and of writing the queue.
Status work_off_push_queue(const std::filesystem::path& repository, PushClock& clock);

}  // namespace rewall
