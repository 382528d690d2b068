#include "ops/guard/guard_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/namespace_match.h"
#include "ops/context/over_note.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGuardVersion = "rewall guard 1";
constexpr std::string_view kAllParts = "all";
constexpr std::string_view kWhole = "whole";  // the last file of a copy

fs::path guard_path(const fs::path& state) {
  return StatePaths(state).guard();
}

fs::path copy_path(const Guard& guard) {
  return fs::path(kRunFolder) / ("guard-" + guard.id);
}

std::vector<fs::path> second_copies(const fs::path& state) {
  std::vector<fs::path> copies;
  for (const auto& entry : entries_in(StatePaths(state).guard_endings()))
    if (entry.path().extension() == ".armed") copies.push_back(entry.path());
  return copies;
}

/// The files of a guard that say nothing of its end.
bool is_of_armed(const fs::path& file) {
  return file.extension() == ".armed" || file.extension() == ".command";
}

/// A kill may come between the end of a guard and the removal of its copy.
bool has_ended(const fs::path& state, const fs::path& id) {
  const auto files = entries_in(StatePaths(state).guard_endings());
  return std::ranges::any_of(
      files, [&](const auto& file) { return file.path().stem() == id && !is_of_armed(file.path()); });
}

StateKey milliseconds_key(std::chrono::milliseconds& into) {
  return {.read = [&into](std::string_view text) {
    std::int64_t count = 0;
    if (!read_number(text, count) || count < 0) return false;
    into = std::chrono::milliseconds(count);
    return true;
  }};
}

}  // namespace

std::string print_guard(const Guard& guard, StateLines lines) {
  lines.add("id", guard.id);
  lines.add("before", guard.before);
  lines.add("backends", guard.backends);
  if (guard.exact) lines.add("parts", kAllParts);
  lines.add("looks-at", guard.looks_at);
  lines.add("place", guard.place);
  lines.add("armed", guard.armed);
  lines.add("length", format("{}", guard.length.count()));
  lines.add("deadline", format("{}", guard.deadline.count()));
  lines.add("login", guard.login);
  lines.add("command", guard.command);
  lines.add(guard.actor);
  return lines.text(kGuardVersion);
}

Result<Guard> parse_guard(std::string_view text, StateKeys more) {
  Guard guard{.exact = false};
  StateKeys keys{
      {"id", required(text_key(guard.id))},
      {"before", required(hash_key(guard.before))},
      {"backends", required(backends_key(guard.backends))},
      {"parts", {.read = [&](std::string_view value) { return guard.exact = value == kAllParts; }}},
      {"looks-at", required(choice_key(guard.looks_at))},
      {"place", place_key(guard.place)},
      {"armed", required(time_key(guard.armed))},
      {"length", required(milliseconds_key(guard.length))},
      {"deadline", required(milliseconds_key(guard.deadline))},
      {"login", text_key(guard.login)},
      {"command", text_key(guard.command)}};
  add_actor_keys(keys, guard.actor);
  keys.merge(more);
  TRY(parse_state(text, kGuardVersion, keys));
  return guard;
}

namespace {

Result<std::optional<Guard>> read_guard_file(const fs::path& state) {
  const auto path = guard_path(state);
  const auto fd = TRY(open_plain_file(path, O_RDONLY));
  if (!fd) return std::optional<Guard>{};
  auto text = TRY(read_all(fd->get(), path.string()));
  auto guard = parse_guard(text);
  if (!guard)
    return std::move(guard)
        .error()
        .within(path.string())
        .hinted("no guard can be told from it; when LIVE is what it should be: rm -r " +
                shell_quote(path.string()));
  return std::optional(*std::move(guard));
}

}  // namespace

Result<std::optional<Guard>> read_guard(const fs::path& state) {
  auto guard = TRY(read_guard_file(state));
  if (guard && read_over(guard->id)) guard.reset();
  return guard;
}

std::optional<Guard> read_guard_that_is_over(const fs::path& state) {
  auto guard = read_guard_file(state);
  return guard && *guard && read_over((*guard)->id) ? *std::move(guard) : std::nullopt;
}

std::string armed_guard_id(const Session& session) {
  const auto guard = read_guard(session.state_path());
  return guard && *guard ? (*guard)->id : "";
}

Status write_guard(const fs::path& state, const Guard& guard) {
  const StatePaths paths(state);
  const auto text = print_guard(guard);
  ::mkdir(paths.guard_endings().c_str(), 0700);
  remove_second_copies(state, guard.id);
  if (auto written = write_file(paths.guard_copy(guard.id), text, 0600); !written)
    log_info("{}", written.error().message);
  make_way(paths.guard());
  return write_file(paths.guard(), text, 0600);
}

std::optional<std::string> read_second_copy(const fs::path& state) {
  const auto copies = second_copies(state);
  const bool ended = copies.size() == 1 && has_ended(state, copies[0].stem());
  const auto text = copies.size() != 1 || ended ? std::nullopt : std::optional(read_plain_file(copies[0]));
  return text && *text ? std::optional(**text) : std::nullopt;
}

void remove_second_copies(const fs::path& state, const std::string& id) {
  std::error_code ignored;
  for (const auto& copy : second_copies(state))
    if (copy.stem() != id) fs::remove(copy, ignored);
}

std::chrono::milliseconds time_left(const Guard& guard, const std::optional<Generation>& here) {
  if (match_namespace(guard.place, here) == NamespaceMatch::gone) return {};
  return std::max(guard.deadline - boot_time(), std::chrono::milliseconds{});
}

fs::path guard_lock(const fs::path& state) {
  return StatePaths(state).guard_lock();
}

void keep_copy(const Guard& guard, const Files& files) {
  const auto folder = copy_path(guard);
  // A copy without its last file is not whole.
  if (!keep_in_run(folder.filename(), files) || !write_file(folder / kWhole, "", 0600, Sync::no))
    log_info("{}: no copy of the old ruleset", folder.string());
}

Result<Files> read_copy(const Guard& guard) {
  const auto folder = copy_path(guard);
  if (!path_exists(folder / kWhole))
    return Error{.kind = ErrorKind::repository, .message = format("{}: no whole copy", folder.string())};
  Files files;
  std::error_code failed;
  for (const auto& entry : entries_in(folder, failed)) {
    const auto name = entry.path().filename().string();
    if (name == kWhole) continue;
    auto text = read_plain_file(entry.path());
    if (!text) return Error{.kind = ErrorKind::repository, .message = std::move(text).error().message};
    files.emplace(name, *std::move(text));
  }
  if (failed)
    return Error{.kind = ErrorKind::repository,
                 .message = format("{}: {}", folder.string(), failed.message())};
  return files;
}

void remove_copy(const Guard& guard) {
  std::error_code ignored;
  fs::remove_all(copy_path(guard), ignored);
}

std::string_view only_backend(const Guard& guard) {
  if (guard.looks_at == BackendChoice::automatic) return {};
  return name(guard.looks_at == BackendChoice::nft ? Backend::nft : Backend::legacy);
}

std::string name_of(const Guard& guard) {
  return format("the guard of {} ({})", escape(guard.actor.text()), escape(guard.command));
}

}  // namespace rewall
