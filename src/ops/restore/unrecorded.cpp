#include "ops/restore/unrecorded.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/context/namespace_match.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUnrecordedVersion = "rewall unrecorded 1";
constexpr std::string_view kFolders = "unrecorded-";
constexpr const char* kNote = "note";
constexpr const char* kNow = "now";  // the folder with what LIVE was changed to
constexpr std::string_view kExactParts = "all";

/// One change, as its folder tells.
struct Noted {
  fs::path folder{};
  std::string repository{};
  std::optional<Generation> place{};
  Time when{};
  std::string why{};
  std::string before_backends{};  ///< empty where nothing was kept
  std::string backends{};
  std::string tools{};
  RecordOptions record{};
};

std::string real_path(const fs::path& path) {
  std::error_code failed;
  const auto found = fs::canonical(path, failed);
  return failed ? absolute_path(path).string() : found.string();
}

std::string print_noted(const Noted& noted) {
  StateLines lines;
  lines.add("repository", noted.repository);
  lines.add("place", noted.place);
  lines.add("when", noted.when);
  lines.add("why", noted.why);
  lines.add("backends-before", noted.before_backends);
  lines.add("backends", noted.backends);
  lines.add("tools", noted.tools);
  lines.add("trigger", noted.record.trigger);
  lines.add("restores", noted.record.restores);
  lines.add("undoes", noted.record.undoes);
  if (noted.record.exact) lines.add("parts", kExactParts);
  lines.add("message", noted.record.message);
  for (const auto& command : noted.record.commands) lines.add("command", command);
  if (noted.record.actor) lines.add(*noted.record.actor);
  return lines.text(kUnrecordedVersion);
}

Result<Noted> parse_noted(const std::string& text) {
  Noted noted;
  Actor actor;
  StateKeys keys{
      {"repository", required(text_key(noted.repository))},
      {"place", place_key(noted.place)},
      {"when", required(time_key(noted.when))},
      {"why", text_key(noted.why)},
      {"backends-before", backends_key(noted.before_backends)},
      {"backends", required(backends_key(noted.backends))},
      {"tools", text_key(noted.tools)},
      {"trigger", required(text_key(noted.record.trigger))},
      {"restores", hash_key(noted.record.restores)},
      {"undoes", hash_key(noted.record.undoes)},
      {"parts", {.read = [&](std::string_view value) { return noted.record.exact = value == kExactParts; }}},
      {"message", text_key(noted.record.message)},
      {"command",
       {.read = [&](std::string_view value) { return !noted.record.commands.emplace_back(value).empty(); },
        .repeats = true}}};
  add_actor_keys(keys, actor);
  TRY(parse_state(text, kUnrecordedVersion, keys));
  if (!actor.person.name.empty()) noted.record.actor = std::move(actor);
  return noted;
}

/// The folders of all changes that were not recorded, of whatever repository, the oldest first.
std::vector<fs::path> folders(const Session& session) {
  std::vector<fs::path> found;
  for (const fs::path& top : {fs::path(kRunFolder), session.state_path()}) {
    for (const auto& entry : entries_in(top)) {
      std::error_code unknown;
      if (entry.path().filename().string().starts_with(kFolders) && fs::exists(entry.path() / kNote, unknown))
        found.push_back(entry.path());
    }
  }
  std::ranges::sort(found, {}, [](const fs::path& path) { return path.filename(); });
  return found;
}

std::vector<Noted> noted_changes(const Session& session) {
  const auto here = real_path(session.path());
  std::vector<Noted> found;
  for (const auto& folder : folders(session)) {
    const auto text = read_plain_file(folder / kNote);
    auto noted = text ? parse_noted(*text) : Result<Noted>(text.error());
    if (!noted) {
      log_info("{}: {}", (folder / kNote).string(), noted.error().message);
      continue;
    }
    noted->folder = folder;
    if (noted->repository == here) found.push_back(*std::move(noted));
  }
  return found;
}

Result<Files> read_folder(const fs::path& folder) {
  Files files;
  for (const auto name : kRulesetFiles) {
    std::error_code failed;
    if (!fs::exists(folder / name, failed)) continue;
    auto text = TRY(read_plain_file(folder / name));
    files.emplace(std::string(name), std::move(text));
  }
  return files;
}

Result<Capture> read_kept(const Noted& noted, const fs::path& folder, const std::string& backends) {
  auto files = TRY(read_folder(folder));
  auto ruleset = TRY(ruleset_of(std::move(files), folder.string() + "/", backends));
  return Capture{.ruleset = std::move(ruleset), .backends = backends, .tools = noted.tools};
}

Result<Recorded> record_kept(Session& session, Repository& repository, const Capture& capture,
                             const RecordOptions& options) {
  auto head = TRY(read_head(repository));
  return record(session, repository, head, capture, options);
}

/// What was replaced stays for who was told of the folder.
void forget(const Noted& noted) {
  std::error_code ignored;
  fs::remove(noted.folder / kNote, ignored);
  fs::remove_all(noted.folder / kNow, ignored);
  if (noted.before_backends.empty()) fs::remove(noted.folder, ignored);
}

Result<RecordedLate> record_noted(Session& session, Repository& repository, const Noted& noted) {
  RecordedLate late;
  auto now = TRY(read_kept(noted, noted.folder / kNow, noted.backends));
  if (!noted.before_backends.empty()) {
    auto before = TRY(read_kept(noted, noted.folder, noted.before_backends));
    auto recorded = TRY(record_kept(session, repository, before, found_change()));
    if (recorded.changed) late.before = std::move(recorded);
  }
  RecordOptions options = noted.record;
  options.notes.push_back(format("In force since {}, recorded later: {}", rfc3339(noted.when), noted.why));
  late.after = TRY(record_kept(session, repository, now, options));
  log_warning("what was put in force at {} ({}) is recorded now as snapshot {}", rfc3339(noted.when),
              escape(noted.record.trigger), late.after.hash.substr(0, 10));
  return late;
}

}  // namespace

Status UnrecordedChange::make_folder() {
  constexpr int kInOneSecond = 10;
  if (!folder_.empty()) return {};
  const auto seconds = now().seconds;
  for (int i = 0; i < kInOneSecond; ++i) {
    const auto name = format("{}{}{}", kFolders, seconds, i == 0 ? "" : format("-{}", i));
    if (!keep_in_run(name, {})) continue;
    folder_ = fs::path(kRunFolder) / name;
    return {};
  }
  const auto folder = session_.state_path() / format("{}{}", kFolders, seconds);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return Error{.kind = ErrorKind::repository,
                 .message = format("{}: {}", folder.string(), errno_text(errno))};
  folder_ = folder;
  return {};
}

Status UnrecordedChange::keep(const Ruleset& live) {
  if (!backends_before_.empty()) return {};
  TRY(make_folder());
  for (const auto& [name, text] : files_of(live)) {
    TRY(write_file(folder_ / name, text, 0600, Sync::no));
  }
  backends_before_ = backends_of(live);
  return {};
}

void UnrecordedChange::note(const Capture& capture, RecordOptions options, const std::string& why) {
  const auto done = [&]() -> Status {
    TRY(make_folder());
    const auto folder = folder_ / kNow;
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
      return Error{.kind = ErrorKind::repository,
                   .message = format("{}: {}", folder.string(), errno_text(errno))};
    for (const auto& [name, text] : files_of(capture.ruleset)) {
      TRY(write_file(folder / name, text, 0600, Sync::no));
    }
    if (!options.actor) options.actor = current_actor();
    const Noted noted{.repository = real_path(session_.path()),
                      .place = session_.firewall().generation(),
                      .when = now(),
                      .why = why,
                      .before_backends = backends_before_,
                      .backends = capture.backends,
                      .tools = capture.tools,
                      .record = std::move(options)};
    return write_file(folder_ / kNote, print_noted(noted), 0600, Sync::no);
  }();
  if (!done) log_info("{}: the history will not know what it was", done.error().message);
}

Result<std::optional<RecordedLate>> record_unrecorded(Session& session, Repository& repository) {
  std::optional<RecordedLate> last;
  for (const auto& noted : noted_changes(session)) {
    if (match_namespace(noted.place, session.firewall().generation()) == NamespaceMatch::elsewhere) continue;
    auto late = record_noted(session, repository, noted);
    if (!late) return std::move(late).error();
    forget(noted);
    last = *std::move(late);
  }
  return last;
}

bool has_unrecorded(const Session& session) {
  return !noted_changes(session).empty();
}

}  // namespace rewall
