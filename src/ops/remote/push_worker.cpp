#include "ops/remote/push_worker.h"

#include <random>

#include "ops/remote/push.h"
#include "ops/remote/push_queue.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

double luck() {
  static std::mt19937 numbers{std::random_device{}()};
  return std::uniform_real_distribution<double>{}(numbers);
}

}  // namespace

Status work_off_push_queue(const fs::path& path, PushClock& clock) {
  while (auto queue = read_push_queue(path / ".git/rewall")) {
    // Farther than that it only is when the clock was set back meanwhile.
    const auto left = queue->next - clock.now();
    if (left > 0 && left <= kLongestPushPause.count()) {
      clock.wait_until(queue->next);
      continue;
    }
    auto repository = TRY(Repository::open(path));
    if (!pushes_automatically(repository)) {
      remove_push_queue(repository.state_path());
      return {};
    }
    auto pushed = push(repository, "", false, {});
    if (pushed) continue;
    ++queue->tries;
    queue->why = pushed.error().message;
    queue->next = clock.now() + back_off(queue->tries, luck()).count();
    TRY(write_push_queue(repository.state_path(), *queue));
  }
  return {};
}

}  // namespace rewall
