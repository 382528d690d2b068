#include "ops/remote/push_queue.h"

#include <algorithm>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "ops/context/settings.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"
#include "ops/remote/network.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kQueueVersion = "push 1";
constexpr std::chrono::seconds kFirst{1};    // so that a burst of snapshots makes one push
constexpr std::chrono::seconds kBetween{5};  // the same for snapshots during a push
constexpr std::chrono::seconds kFirstRetryPause{30};

fs::path queue_file(const fs::path& state) {
  return StatePaths(state).push_queue();
}

Status begin_queue(const Repository& repository, std::int64_t next) {
  return write_push_queue(repository.state_path(), {.since = now(), .next = next});
}

}  // namespace

std::optional<PushQueue> read_push_queue(const fs::path& state) {
  auto text = read_plain_file(queue_file(state));
  if (!text) return std::nullopt;
  PushQueue queue;
  const StateKeys keys{{"since", required(time_key(queue.since))},
                       {"tries", number_key(queue.tries)},
                       {"next", number_key(queue.next)},
                       {"why", text_key(queue.why)}};
  if (!parse_state(*text, kQueueVersion, keys)) return PushQueue{.since = now()};
  return queue;
}

Status write_push_queue(const fs::path& state, const PushQueue& queue) {
  StateLines lines;
  lines.add("since", queue.since);
  lines.add("tries", format("{}", queue.tries));
  lines.add("next", format("{}", queue.next));
  lines.add("why", queue.why);
  make_way(queue_file(state));
  return write_file(queue_file(state), lines.text(kQueueVersion), 0600);
}

void remove_push_queue(const fs::path& state) {
  std::error_code ignored;
  fs::remove(queue_file(state), ignored);
}

bool pushes_automatically(const Repository& repository) {
  const auto set = read_setting(repository, settings::push_auto);
  return set && *set && find_remote(repository);
}

void queue_push(const Repository& repository) {
  if (read_push_queue(repository.state_path()) || !pushes_automatically(repository)) return;
  if (auto queued = begin_queue(repository, now().seconds + kFirst.count()); !queued)
    log_warning("cannot queue the snapshot for a push: {}", queued.error().message);
}

void leave_queue(const Repository& repository, const std::string& remote) {
  const auto queued_for = find_remote(repository);
  if (!read_push_queue(repository.state_path()) || !queued_for || queued_for->name != remote) return;
  remove_push_queue(repository.state_path());
  // A snapshot that was recorded during the push waits for the next one: it is recorded before it is queued.
  const auto behind = repository.behind(remote);
  if (!behind || behind->snapshots == 0) return;
  if (auto queued = begin_queue(repository, now().seconds + kBetween.count()); !queued)
    log_warning("{}", queued.error().message);
}

std::chrono::seconds back_off(int tries, double luck) {
  const auto whole = std::min(kLongestPushPause, kFirstRetryPause * (1 << std::clamp(tries - 1, 0, 10)));
  return std::chrono::round<std::chrono::seconds>(whole * (1 - luck / 2));
}

}  // namespace rewall
