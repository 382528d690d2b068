#include "ops/remote/push_queue.h"

#include <algorithm>
#include <random>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "ops/context/settings.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"
#include "ops/remote/share.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kQueueVersion = "push 1";
constexpr std::chrono::seconds kFirst{1};    // a burst of snapshots makes one push
constexpr std::chrono::seconds kBetween{5};  // and so does what follows
constexpr std::chrono::seconds kShortest{30};
constexpr std::chrono::seconds kLongestPause{std::chrono::hours{1}};

fs::path queue_file(const fs::path& state) {
  return StatePaths(state).push_queue();
}

Status write_queue(const fs::path& state, const PushQueue& queue) {
  StateLines lines;
  lines.add("since", queue.since);
  lines.add("tries", format("{}", queue.tries));
  lines.add("next", format("{}", queue.next));
  lines.add("why", queue.why);
  return write_file(queue_file(state), lines.text(kQueueVersion), 0600);
}

bool pushes_itself(const Repository& repository) {
  const auto set = read_setting(repository, settings::push_auto);
  return set && *set && find_remote(repository);
}

Status begin_queue(const Repository& repository, std::int64_t next) {
  return write_queue(repository.state_path(), {.since = now(), .next = next});
}

double luck() {
  static std::mt19937 numbers{std::random_device{}()};
  return std::uniform_real_distribution<double>{}(numbers);
}

}  // namespace

std::optional<PushQueue> read_push_queue(const fs::path& state) {
  auto text = read_file(queue_file(state));
  if (!text) return std::nullopt;
  PushQueue queue;
  const StateKeys keys{{"since", required(time_key(queue.since))},
                       {"tries", number_key(queue.tries)},
                       {"next", number_key(queue.next)},
                       {"why", text_key(queue.why)}};
  if (!parse_state(*text, kQueueVersion, keys)) return PushQueue{.since = now()};
  return queue;
}

void queue_push(const Repository& repository) {
  if (read_push_queue(repository.state_path()) || !pushes_itself(repository)) return;
  if (auto queued = begin_queue(repository, now().seconds + kFirst.count()); !queued)
    log_warning("the snapshot is not queued for a push: {}", queued.error().message);
}

void leave_queue(const Repository& repository, const std::string& remote) {
  const auto queued_for = find_remote(repository);
  if (!read_push_queue(repository.state_path()) || !queued_for || queued_for->name != remote) return;
  std::error_code ignored;
  fs::remove(queue_file(repository.state_path()), ignored);
  // What was recorded meanwhile waits for the next one: a snapshot is first there, then queued.
  const auto behind = repository.behind(remote);
  if (!behind || behind->snapshots == 0) return;
  if (auto queued = begin_queue(repository, now().seconds + kBetween.count()); !queued)
    log_warning("{}", queued.error().message);
}

std::chrono::seconds back_off(int tries, double luck) {
  const auto whole = std::min(kLongestPause, kShortest * (1 << std::clamp(tries - 1, 0, 10)));
  return std::chrono::round<std::chrono::seconds>(whole * (1 - luck / 2));
}

Status work_off_pushes(const fs::path& path, QueueClock& clock) {
  while (auto queue = read_push_queue(path / ".git/rewall")) {
    // Farther than that it only is when the clock was set back meanwhile.
    const auto left = queue->next - clock.now();
    if (left > 0 && left <= kLongestPause.count()) {
      clock.wait_until(queue->next);
      continue;
    }
    auto repository = TRY(Repository::open(path));
    if (!pushes_itself(repository)) {
      std::error_code ignored;
      fs::remove(queue_file(repository.state_path()), ignored);
      return {};
    }
    auto pushed = push(repository, "", false, {});
    if (pushed) continue;
    ++queue->tries;
    queue->why = pushed.error().message;
    queue->next = clock.now() + back_off(queue->tries, luck()).count();
    TRY(write_queue(repository.state_path(), *queue));
  }
  return {};
}

}  // namespace rewall
