#include "ops/remote/notify.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/event_hooks.h"
#include "ops/context/settings.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"
#include "ops/history/log.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNotifiedVersion = "notified 1";
constexpr std::int64_t kForeignPause = 24 * 60 * 60;

/// What the process that tells remembers. It alone writes it.
struct Notified {
  std::string foreign{};         ///< the first snapshot of foreign parts alone that waits
  std::string foreign_newest{};  ///< the last one
  std::size_t foreign_count = 0;
  std::int64_t foreign_told = 0;  ///< when such were told last, in seconds since 1970
  std::optional<NotifyFailure> failure{};

  bool foreign_is_due() const {
    const auto since = now().seconds - foreign_told;
    return !foreign.empty() && (since >= kForeignPause || since < 0);  // the clock may have been set back
  }
};

Notified read_notified(const fs::path& state) {
  const auto text = read_plain_file(StatePaths(state).notified());
  if (!text) return {};
  Notified known;
  NotifyFailure failure;
  const StateKeys keys{{"foreign", hash_key(known.foreign)},
                       {"foreign-newest", hash_key(known.foreign_newest)},
                       {"foreign-count", number_key(known.foreign_count)},
                       {"foreign-told", number_key(known.foreign_told)},
                       {"failed", time_key(failure.time)},
                       {"failed-for", hash_key(failure.hash)},
                       {"why", text_key(failure.why)}};
  if (!parse_state(*text, kNotifiedVersion, keys)) return {};
  if (!failure.hash.empty()) known.failure = std::move(failure);
  return known;
}

Status write_notified(const fs::path& state, const Notified& known) {
  StateLines lines;
  lines.add("foreign", known.foreign);
  lines.add("foreign-newest", known.foreign_newest);
  lines.add("foreign-count", format("{}", known.foreign_count));
  lines.add("foreign-told", format("{}", known.foreign_told));
  if (known.failure) {
    lines.add("failed", known.failure->time);
    lines.add("failed-for", known.failure->hash);
    lines.add("why", known.failure->why);
  }
  const auto path = StatePaths(state).notified();
  make_way(path);
  return write_file(path, lines.text(kNotifiedVersion), 0600, Sync::no);
}

std::string read_notices(const fs::path& path) {
  auto text = read_plain_file(path);
  return text ? *std::move(text) : std::string();
}

void remove_notices(const fs::path& state) {
  std::error_code ignored;
  for (const auto& path :
       {StatePaths(state).notices(), StatePaths(state).notices_taken(), StatePaths(state).notified()})
    fs::remove(path, ignored);
}

/// Puts the notices aside, so that those who record go on: what is killed on the way begins with them again.
Result<std::vector<std::string>> take_notices(const Repository& repository) {
  const StatePaths paths(repository);
  if (!path_exists(paths.notices_taken()) && path_exists(paths.notices())) {
    const auto held = TRY(lock(repository));
    std::error_code failed;
    fs::rename(paths.notices(), paths.notices_taken(), failed);
    if (failed)
      return Error{.kind = ErrorKind::repository,
                   .message = format("{}: {}", paths.notices().string(), failed.message())};
  }
  std::vector<std::string> hashes;
  const auto text = read_notices(paths.notices_taken());
  for (const auto line : split_lines(text)) hashes.emplace_back(line);
  return hashes;
}

/// A run of the program, for one snapshot or for several of foreign parts alone.
class Teller {
 public:
  Teller(Session& session, const Repository& repository, std::vector<std::string> words,
         std::chrono::milliseconds deadline)
      : session_(session), repository_(repository), words_(std::move(words)), deadline_(deadline) {}

  Notified known{};

  Status tell(const std::string& hash) {
    auto snapshot = repository_.snapshot(hash);
    if (!snapshot) return {};  // gone, with a history that was removed
    if (!snapshot->trailers.foreign.empty()) {
      if (known.foreign.empty()) known.foreign = hash;
      known.foreign_newest = hash;
      ++known.foreign_count;
      return save();
    }
    const auto owners = TRY(read_owners(repository_));
    const auto diff = TRY(diff_of(repository_, *snapshot, owners));
    return run(*snapshot, diff, variables_of_snapshot(*snapshot));
  }

  Status tell_foreign() {
    const auto first = repository_.snapshot(known.foreign);
    auto newest = repository_.snapshot(known.foreign_newest);
    const auto count = std::exchange(known.foreign_count, 0);
    known.foreign.clear();
    known.foreign_newest.clear();
    known.foreign_told = now().seconds;
    if (!first || !newest) return save();
    newest->parent = first->parent;
    const auto owners = TRY(read_owners(repository_));
    auto diff = TRY(diff_of(repository_, *newest, owners));
    std::erase_if(diff.changes, [](const Change& change) { return change.foreign.empty(); });
    if (diff.equal()) return save();  // what they changed they changed back
    newest->trailers.trigger = "foreign";
    newest->trailers.actor.clear();
    newest->author.name = join(owners_in(diff), ", ");
    newest->subject = format("{}: {} in {}", newest->author.name, counted(diff.changes.size(), "change"),
                             counted(count, "snapshot"));
    return run(*newest, diff, variables_of_snapshot(*newest));
  }

 private:
  static std::vector<std::string> owners_in(const Diff& diff) {
    std::vector<std::string> owners;
    for (const auto& change : diff.changes)
      if (std::ranges::find(owners, change.foreign) == owners.end()) owners.push_back(change.foreign);
    return owners;
  }

  std::vector<std::string> variables_of_snapshot(const Snapshot& snapshot) const {
    return {"REWALL_EVENT=notify",
            "REWALL_REPO=" + absolute_path(session_.path()).string(),
            "REWALL_HOST=" + escape(repository_.host()),
            "REWALL_TRIGGER=" + escape(snapshot.trailers.trigger),
            "REWALL_AUTHOR=" + escape(snapshot.author.name),
            "REWALL_ACTOR=" + escape(snapshot.trailers.actor),
            "REWALL_FROM=" + snapshot.parent,
            "REWALL_HASH=" + snapshot.hash,
            "REWALL_SUBJECT=" + escape(snapshot.subject)};
  }

  Status run(const Snapshot& snapshot, const Diff& diff, std::vector<std::string> variables) {
    auto done = run_hook({.name = std::string(settings::notify_command.name), .words = words_},
                         {.event = "notify",
                          .variables = std::move(variables),
                          .diff = session_.diff_text ? session_.diff_text(diff) : ""},
                         deadline_);
    known.failure.reset();
    if (!done) {
      known.failure =
          NotifyFailure{.time = now(), .hash = snapshot.hash, .why = escape(done.error().message)};
      log_warning("{}", known.failure->why);
    }
    return save();
  }

  Status save() const { return write_notified(repository_.state_path(), known); }

  Session& session_;
  const Repository& repository_;
  std::vector<std::string> words_;
  std::chrono::milliseconds deadline_;
};

}  // namespace

std::optional<NotifyFailure> read_notify_failure(const fs::path& state) {
  return read_notified(state).failure;
}

void note_for_notify(Session&, const RecordEvent& event) {
  if (!event.changed || event.diff.equal()) return;
  const auto command = read_setting(event.repository, settings::notify_command);
  if (!command || command->empty()) return;
  const auto path = StatePaths(event.repository).notices();
  make_way(path);
  if (auto noted = write_file(path, read_notices(path) + event.hash + "\n", 0600, Sync::no); !noted)
    log_warning("{} does not hear of this change: {}", settings::notify_command.name, noted.error().message);
}

bool has_changes_to_tell(const fs::path& state) {
  const StatePaths paths(state);
  return path_exists(paths.notices()) || path_exists(paths.notices_taken()) ||
         (path_exists(paths.notified()) && read_notified(state).foreign_is_due());
}

Status tell_changes(Session& session) {
  const auto state = session.state_path();
  if (!has_changes_to_tell(state)) return {};
  const Repository& repository = *TRY(session.repository());
  const auto words = TRY(split_command(TRY(read_setting(repository, settings::notify_command))));
  if (words.empty()) {
    remove_notices(state);
    return {};
  }
  Teller teller(session, repository, words, TRY(read_setting(repository, settings::hooks_deadline)));
  teller.known = read_notified(state);
  for (auto hashes = TRY(take_notices(repository)); !hashes.empty(); hashes = TRY(take_notices(repository))) {
    for (const auto& hash : hashes) TRY(teller.tell(hash));
    std::error_code failed;
    fs::remove(StatePaths(repository).notices_taken(), failed);
    if (failed) return Error{.kind = ErrorKind::repository, .message = failed.message()};
  }
  // A file without a line.
  std::error_code ignored;
  fs::remove(StatePaths(repository).notices_taken(), ignored);
  return teller.known.foreign_is_due() ? teller.tell_foreign() : Status{};
}

}  // namespace rewall
