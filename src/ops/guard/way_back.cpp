#include "ops/guard/way_back.h"

#include "core/format.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/state_paths.h"
#include "ops/expiry/expiry.h"

namespace rewall {
namespace {

/// False where the state of the repository is lost: a guard that is armed has a second copy there, and one
/// that somebody ended has an ending. The lock alone makes the folder above anew.
bool state_is_there(const std::filesystem::path& state) {
  std::error_code failed;
  return std::filesystem::exists(StatePaths(state).guard_endings(), failed);
}

}  // namespace

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
  return {.what = format("the old ruleset (snapshot {})", guard.before.substr(0, 10)),
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
  if (!guard || (!*guard && !state_is_there(state))) return known;
  if (!*guard || (*guard)->id != known.id) return std::nullopt;
  return **std::move(guard);
}

}  // namespace rewall
