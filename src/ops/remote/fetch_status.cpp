#include "ops/remote/fetch_status.h"

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

fs::path reached_file(const fs::path& state) {
  return StatePaths(state).fetch_status();
}

/// What stands before the first blank; both are taken off `line`.
std::string_view take_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

Status write_reached(const fs::path& state, const std::map<std::string, FetchStatus>& remotes) {
  std::string text;
  for (const auto& [name, of] : remotes)
    text += format("{} {} {} {}\n", name, of.success, of.failure, of.why);
  return write_file(reached_file(state), text, 0600, Sync::no);
}

}  // namespace

std::map<std::string, FetchStatus> read_fetch_status(const fs::path& state) {
  std::map<std::string, FetchStatus> remotes;
  const auto text = read_file(reached_file(state));
  if (!text) return remotes;
  for (auto line : split_lines(*text)) {
    const std::string remote(take_word(line));
    FetchStatus reached;
    if (!read_number(take_word(line), reached.success) || !read_number(take_word(line), reached.failure))
      continue;
    reached.why = line;
    remotes[remote] = std::move(reached);
  }
  return remotes;
}

Status note_fetch_status(const fs::path& state, const std::string& remote, const std::string& why) {
  auto remotes = read_fetch_status(state);
  auto& reached = remotes[remote];
  (why.empty() ? reached.success : reached.failure) = now().seconds;
  reached.why = escape(why);
  return write_reached(state, remotes);
}

Status forget_fetch_status(const fs::path& state, const std::string& remote) {
  auto remotes = read_fetch_status(state);
  return remotes.erase(remote) > 0 ? write_reached(state, remotes) : Status{};
}

}  // namespace rewall
