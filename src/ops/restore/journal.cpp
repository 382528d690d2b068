#include "ops/restore/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/file_lock.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

constexpr std::string_view kJournalVersion = "rewall journal 1";
constexpr std::string_view kAllParts = "all";  // of the key "parts"

}  // namespace

std::string print_journal(const JournalEntry& entry) {
  StateLines lines;
  lines.add("before", entry.before);
  lines.add("wanted", entry.wanted);
  lines.add("backends", entry.backends);
  lines.add("looks-at", entry.looks_at);
  if (entry.exact) lines.add("parts", kAllParts);
  lines.add("place", entry.place);
  lines.add("began", entry.began);
  lines.add("process", format("{}", entry.process));
  lines.add("trigger", entry.record.trigger);
  lines.add("restores", entry.record.restores);
  lines.add("undoes", entry.record.undoes);
  lines.add("message", entry.record.message);
  for (const auto& command : entry.record.commands) lines.add("command", command);
  if (const auto& actor = entry.record.actor) lines.add(*actor);
  return lines.text(kJournalVersion);
}

Result<JournalEntry> parse_journal(std::string_view text) {
  JournalEntry entry;
  entry.record.trigger.clear();
  Actor actor;
  StateKeys keys{
      {"before", required(hash_key(entry.before))},
      {"wanted", required(hash_key(entry.wanted))},
      {"backends", required(backends_key(entry.backends))},
      {"looks-at", required(choice_key(entry.looks_at))},
      {"parts", {.read = [&](std::string_view value) { return entry.exact = value == kAllParts; }}},
      {"place", place_key(entry.place)},
      {"began", required(time_key(entry.began))},
      {"process", required(number_key(entry.process))},
      {"trigger", required(text_key(entry.record.trigger))},
      {"restores", hash_key(entry.record.restores)},
      {"undoes", hash_key(entry.record.undoes)},
      {"message", text_key(entry.record.message)},
      {"command",
       {.read = [&](std::string_view value) { return !entry.record.commands.emplace_back(value).empty(); },
        .repeats = true}}};
  add_actor_keys(keys, actor);
  TRY(parse_state(text, kJournalVersion, keys));
  entry.record.exact = entry.exact;
  if (!actor.person.name.empty()) entry.record.actor = std::move(actor);
  return entry;
}

Journal::Journal(std::filesystem::path path, Fd fd)
    : path_(std::move(path)), fd_(std::move(fd)), handed_on_(std::make_unique<HandedOn>(fd_.get())) {}

Result<Journal> Journal::begin(const Repository& repository, const JournalEntry& entry) {
  const auto path = StatePaths(repository).journal();
  const auto failed = [&](int error) {
    ::unlink(path.c_str());
    return Error{.kind = ErrorKind::repository,
                 .message = format("{}: {}", path.string(), errno_text(error))};
  };
  make_way(path);
  if (auto written = write_file(path, print_journal(entry), 0600); !written)
    return std::move(written).error().with_live(LiveState::untouched);
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return failed(errno);
  if (const int error = lock_file(fd.get(), std::chrono::milliseconds{0}); error != 0) return failed(error);
  return Journal(path, std::move(fd));
}

Result<std::optional<Journal>> Journal::left(const Repository& repository, std::chrono::milliseconds wait) {
  const auto path = StatePaths(repository).journal();
  make_way(path);
  auto fd = TRY(open_plain_file(path, O_RDONLY));
  if (!fd) return std::optional<Journal>{};
  const int error = lock_file(fd->get(), wait);
  if (error == EWOULDBLOCK) return error_of<messages::program_outlives>(path.string());
  if (error != 0)
    return Error{.kind = ErrorKind::repository,
                 .message = format("{}: {}", path.string(), errno_text(error))};
  return std::optional<Journal>(Journal(path, *std::move(fd)));
}

Result<std::optional<JournalEntry>> Journal::peek(const Repository& repository) {
  const auto path = StatePaths(repository).journal();
  auto fd = TRY(open_plain_file(path, O_RDONLY));
  if (!fd) return std::optional<JournalEntry>{};
  auto entry = TRY(Journal(path, *std::move(fd)).read());
  return std::optional(std::move(entry));
}

Result<JournalEntry> Journal::read() const {
  auto text = TRY(read_all(fd_.get(), path_.string()));
  auto entry = parse_journal(text);
  if (!entry) return std::move(entry).error().within(path_.string());
  return entry;
}

void Journal::clear() {
  const int error = ::unlink(path_.c_str()) == 0 ? 0 : errno;
  if (error != 0 && error != ENOENT)
    log_warning("{}: cannot be removed: {}", path_.string(), errno_text(error));
  const Fd folder(::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
}

}  // namespace rewall
