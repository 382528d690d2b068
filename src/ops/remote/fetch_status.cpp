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

fs::path status_file(const fs::path& state) {
  return StatePaths(state).fetch_status();
}

/// Takes the first word off `line`, and the blank after it.
std::string_view take_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

Status write_fetch_status(const fs::path& state, const std::map<std::string, FetchStatus>& remotes) {
  std::string text;
  for (const auto& [name, status] : remotes)
    text += format("{} {} {} {}\n", name, status.success, status.failure, status.why);
  make_way(status_file(state));
  return write_file(status_file(state), text, 0600, Sync::no);
}

}  // namespace

std::map<std::string, FetchStatus> read_fetch_status(const fs::path& state) {
  std::map<std::string, FetchStatus> remotes;
  const auto text = read_plain_file(status_file(state));
  if (!text) return remotes;
  for (auto line : split_lines(*text)) {
    const std::string remote(take_word(line));
    FetchStatus status;
    if (!read_number(take_word(line), status.success) || !read_number(take_word(line), status.failure))
      continue;
    status.why = line;
    remotes[remote] = std::move(status);
  }
  return remotes;
}

Status note_fetch_status(const fs::path& state, const std::string& remote, const std::string& why) {
  auto remotes = read_fetch_status(state);
  auto& status = remotes[remote];
  (why.empty() ? status.success : status.failure) = now().seconds;
  status.why = escape(why);
  return write_fetch_status(state, remotes);
}

Status forget_fetch_status(const fs::path& state, const std::string& remote) {
  auto remotes = read_fetch_status(state);
  return remotes.erase(remote) > 0 ? write_fetch_status(state, remotes) : Status{};
}

}  // namespace rewall
