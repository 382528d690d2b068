#include "ops/remote/refused_parts.h"

#include <algorithm>

#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDay = 24L * 60 * 60;

// REMOTE NAME HASH TIME LIMITS WHY; git lets no name have a blank.
std::vector<RefusedNote> read_all(const fs::path& state) {
  std::vector<RefusedNote> notes;
  const auto text = read_plain_file(StatePaths(state).refused_parts());
  if (!text) return notes;
  for (const auto line : split_lines(*text)) {
    const auto words = split(line, ' ');
    RefusedNote note;
    if (words.size() < 6 || !read_number(words[3], note.time)) continue;
    note.remote = words[0];
    note.name = words[1];
    note.hash = words[2];
    note.limits = words[4];
    note.why = line.substr(static_cast<std::size_t>(words[5].data() - line.data()));
    notes.push_back(std::move(note));
  }
  return notes;
}

}  // namespace

std::vector<RefusedNote> read_refused_notes(const fs::path& state, const std::string& remote,
                                            const std::string& limits) {
  auto notes = read_all(state);
  const auto today = now().seconds;
  std::erase_if(notes, [&](const RefusedNote& note) {
    return note.remote != remote || note.limits != limits || note.time > today || today - note.time > kDay;
  });
  return notes;
}

Status write_refused_notes(const fs::path& state, const std::string& remote,
                           const std::vector<RefusedNote>& notes) {
  auto all = read_all(state);
  const bool had = std::erase_if(all, [&](const RefusedNote& note) { return note.remote == remote; }) > 0;
  if (!had && notes.empty()) return {};
  all.insert(all.end(), notes.begin(), notes.end());
  std::string text;
  for (const auto& note : all)
    text += format("{} {} {} {} {} {}\n", note.remote, note.name, note.hash, note.time, note.limits,
                   escape(note.why));
  const auto path = StatePaths(state).refused_parts();
  make_way(path);
  return write_file(path, text, 0600, Sync::no);
}

}  // namespace rewall
