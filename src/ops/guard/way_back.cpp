#include "ops/guard/way_back.h"

#include <algorithm>

#include "core/file.h"
#include "core/format.h"
#include "ops/context/over_note.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/state_paths.h"
#include "ops/expiry/expiry.h"

namespace rewall {

bool knows_of_its_end(const std::filesystem::path& state, const std::string& id) {
  if (read_over(id)) return true;
  const auto files = entries_in(StatePaths(state).guard_endings());
  return std::ranges::any_of(files, [&](const auto& file) { return file.path().stem() == id; });
}

Result<Revision> read_before(Session& session, const Guard& guard) {
  auto revision = read_revision(session, guard.before);
  if (revision) {
    revision->ruleset =
        without_expired(session, std::move(revision->ruleset), guard.before, revision->left_out);
    return revision;
  }
  auto copy = read_copy(guard);
  if (!copy) return revision;
  auto ruleset = TRY(ruleset_of(*std::move(copy), "copy of the old ruleset: ", guard.backends));
  Revision old{.name = guard.before, .hash = guard.before};
  old.ruleset = without_expired(session, std::move(ruleset), "", old.left_out);
  return old;
}

Candidate old_ruleset(Session& session, const Guard& guard) {
  const auto part = only_backend(guard);
  return {.what = format("the old ruleset (snapshot {}{})", guard.before.substr(0, 10),
                         part.empty() ? "" : format(", of the {} backend alone", part)),
          .read = [&session, guard] { return read_before(session, guard); },
          .exact = guard.exact};
}

RestoreOptions options_of(const Guard& guard) {
  return {.trigger = "rollback",
          .exact = guard.exact,
          .actor = guard.actor,
          .way_back = true,
          .lost_foreign = LostForeign::comes_back};
}

std::optional<Guard> still_armed(const std::filesystem::path& path, const Guard& known) {
  const auto state = path / ".git/rewall";
  auto guard = read_guard(state);
  if (guard && *guard && (*guard)->id == known.id) return **std::move(guard);
  return guard && knows_of_its_end(state, known.id) ? std::nullopt : std::optional(known);
}

}  // namespace rewall
