#include "ops/guard/guard_ending.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/text.h"
#include "ops/context/over_note.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"
#include "ops/expiry/expiry_state.h"
#include "ops/guard/guard_place.h"
#include "ops/guard/tried_command.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kEndingsKept = 20;
constexpr std::array<std::pair<EndedBy, std::string_view>, 5> kEndings{{{EndedBy::confirm, "confirmed"},
                                                                        {EndedBy::rollback, "rolled-back"},
                                                                        {EndedBy::deadline, "fired"},
                                                                        {EndedBy::boot, "booted"},
                                                                        {EndedBy::no_change, "dropped"}}};

fs::path ending_path(const fs::path& state, const std::string& id, EndedBy how) {
  return StatePaths(state).guard_endings() / (id + "." + name_of(how));
}

void sync_folder(const fs::path& path) {
  const Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
}

struct EndingFile {
  fs::path path{};
  EndedBy how = EndedBy::no_change;
  timespec written{};
};

/// The newest first.
std::vector<EndingFile> ending_files(const fs::path& state) {
  std::vector<EndingFile> files;
  for (const auto& entry : entries_in(StatePaths(state).guard_endings())) {
    const auto how = std::ranges::find(kEndings, entry.path().extension().string(),
                                       [](const auto& known) { return "." + std::string(known.second); });
    struct stat facts {};
    if (how == kEndings.end() || ::lstat(entry.path().c_str(), &facts) != 0 || !S_ISREG(facts.st_mode))
      continue;
    files.push_back({.path = entry.path(), .how = how->first, .written = facts.st_mtim});
  }
  std::ranges::sort(files, [](const EndingFile& a, const EndingFile& b) {
    return std::pair(a.written.tv_sec, a.written.tv_nsec) > std::pair(b.written.tv_sec, b.written.tv_nsec);
  });
  return files;
}

std::optional<GuardEnding> parse_ending(const std::string& text, GuardEnding ending) {
  std::string how;
  auto guard = parse_guard(text, {{"ended", time_key(ending.ended)},
                                  {"by", text_key(ending.by)},
                                  {"tried", hash_key(ending.tried)},
                                  {"result", hash_key(ending.result)},
                                  {"in-force", text_key(ending.in_force)},
                                  {"of-command", text_key(ending.of_command)},
                                  {"how", text_key(how)}});
  if (!guard) return std::nullopt;
  ending.guard = *std::move(guard);
  const auto known = std::ranges::find(kEndings, how, [](const auto& one) { return one.second; });
  if (known != kEndings.end()) ending.how = known->first;
  return ending;
}

std::optional<GuardEnding> read_ending_file(const EndingFile& file) {
  const auto text = read_plain_file(file.path);
  if (!text) return std::nullopt;
  return parse_ending(*text, {.how = file.how, .ended = local(file.written.tv_sec)});
}

/// What the note says of a guard that is over.
std::optional<GuardEnding> noted_ending(const fs::path& state) {
  const auto guard = read_guard_that_is_over(state);
  const auto note = guard ? read_over(guard->id) : std::nullopt;
  return note ? parse_ending(*note, {}) : std::nullopt;
}

StateLines lines_of(const GuardEnding& ending) {
  StateLines lines;
  lines.add("ended", ending.ended);
  lines.add("by", ending.by);
  lines.add("tried", ending.tried);
  lines.add("result", ending.result);
  lines.add("in-force", ending.in_force);
  lines.add("of-command", ending.of_command);
  return lines;
}

/// As move_what_is_over().
bool move_to_endings(const fs::path& state, const std::string& id, EndedBy how) {
  const StatePaths paths(state);
  ::mkdir(paths.guard_endings().c_str(), 0700);
  return move_what_is_over(paths.guard(), ending_path(state, id, how), state);
}

void write_ending(const fs::path& state, const Guard& guard, const GuardEnding& ending) {
  const auto end = ending_path(state, guard.id, ending.how);
  sync_folder(end.parent_path());
  sync_folder(state);
  if (auto written = write_file(end, print_guard(guard, lines_of(ending)), 0600); !written) {
    log_info("{}", written.error().message);
    ::utimensat(AT_FDCWD, end.c_str(), nullptr, 0);
  }
  std::error_code ignored;
  auto files = ending_files(state);
  for (std::size_t i = kEndingsKept; i < files.size(); ++i) fs::remove(files[i].path, ignored);
}

}  // namespace

bool end_guard(const fs::path& state, const Guard& guard, GuardEnding ending) {
  ending.ended = now();
  if (move_to_endings(state, guard.id, ending.how)) {
    remove_second_copies(state);
    write_ending(state, guard, ending);
  } else {
    auto lines = lines_of(ending);
    lines.add("how", std::string(name_of(ending.how)));
    if (!note_over(guard.id, print_guard(guard, lines))) return false;
  }
  remove_copy(guard);
  forget_command(state, guard.id);
  clear_place(guard);
  if (ending.how != EndedBy::confirm) drop_expiries_of(state, guard.id);
  // Some wait for the end of the guard.
  wake_expiries(state);
  return true;
}

void settle_ending(const fs::path& state) {
  const auto ending = noted_ending(state);
  if (!ending || !move_to_endings(state, ending->guard.id, ending->how)) return;
  remove_second_copies(state);
  write_ending(state, ending->guard, *ending);
  if (ending->how != EndedBy::confirm) drop_expiries_of(state, ending->guard.id);
  forget_over(ending->guard.id);
}

std::optional<GuardEnding> read_ending(const fs::path& state, const std::string& id) {
  if (auto noted = noted_ending(state); noted && noted->guard.id == id) return noted;
  for (const auto& file : ending_files(state)) {
    if (file.path.stem() == id)
      if (auto ending = read_ending_file(file)) return ending;
  }
  return std::nullopt;
}

std::vector<GuardEnding> endings(const fs::path& state) {
  std::vector<GuardEnding> all;
  if (auto noted = noted_ending(state)) all.push_back(*std::move(noted));
  for (const auto& file : ending_files(state))
    if (auto ending = read_ending_file(file)) all.push_back(*std::move(ending));
  return all;
}

std::optional<GuardEnding> last_ending(const fs::path& state) {
  if (auto noted = noted_ending(state); noted && noted->how != EndedBy::no_change) return noted;
  for (const auto& file : ending_files(state)) {
    if (file.how == EndedBy::no_change) continue;
    if (auto ending = read_ending_file(file)) return ending;
  }
  return std::nullopt;
}

std::string name_of(EndedBy how) {
  return std::string(std::ranges::find(kEndings, how, [](const auto& known) { return known.first; })->second);
}

std::string to_text(const GuardEnding& ending) {
  const auto by = ending.by.empty() ? "" : " by " + escape(ending.by);
  const auto at = " at " + rfc3339(ending.ended);
  const auto then = ending.in_force.empty() ? "" : format(": {} was put in force", escape(ending.in_force));
  const auto command = ending.of_command.empty() ? "" : "; " + escape(ending.of_command);
  switch (ending.how) {
    case EndedBy::confirm:
      return "was confirmed" + by + at;
    case EndedBy::rollback:
      return "was rolled back" + by + at + then;
    case EndedBy::deadline:
      return "fired" + at + ", because nobody confirmed" + then + command;
    case EndedBy::boot:
      return "ended with a restart of the machine" + at + then;
    case EndedBy::no_change:
      break;
  }
  return "was dropped" + at + ": its change was never in force";
}

}  // namespace rewall
