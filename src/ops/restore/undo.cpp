#include "ops/restore/undo.h"

#include <utility>
#include <vector>

#include "core/messages.h"
#include "ops/context/settings.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"
#include "rules/foreign.h"

namespace rewall {
namespace {

// True when what makes `to` of `from` are foreign parts alone.
bool only_foreign(const Ruleset& from, const Ruleset& to, const std::vector<Owner>& owners) {
  return compare(keep_foreign(from, to, owners).ruleset, to).equal();
}

Result<Ruleset> ruleset_at(Session& session, const std::string& hash) {
  auto revision = TRY(read_revision(session, hash));
  return std::move(revision.ruleset);
}

// The snapshot that an undo takes back: imports did nothing to the firewall, and are stepped over; so are
// those whose changes a restore would keep.
Result<Snapshot> newest_change(Session& session, const Repository& repository, const std::string& head,
                               const std::vector<Owner>& owners) {
  auto newest = repository.snapshot(head);
  while (newest && !newest->parent.empty()) {
    if (newest->trailers.trigger == "import" && !newest->trailers.restores.empty()) {
      newest = repository.snapshot(newest->trailers.restores);
      continue;
    }
    if (owners.empty()) break;
    auto from = TRY(ruleset_at(session, newest->parent));
    auto to = TRY(ruleset_at(session, newest->hash));
    if (compare(from, to).equal() || !only_foreign(from, to, owners)) break;
    newest = repository.snapshot(newest->parent);
  }
  return newest;
}

}  // namespace

Result<Restored> undo(Session& session, const RestoreOptions& options) {
  auto repository = TRY(session.repository());
  auto held = TRY(lock(session));
  auto known = TRY(know_live_and_head(session, *repository));
  std::string target = known.head.hash;
  std::vector<Owner> owners;
  if (!options.exact) owners = TRY(read_owners(*repository));
  if (only_foreign(known.head.ruleset, known.live.ruleset, owners)) {
    auto newest = TRY(newest_change(session, *repository, target, owners));
    if (newest.parent.empty()) {
      return error_of<messages::nothing_to_undo>();
    }
    target = newest.parent;
  }
  auto revision = TRY(read_revision(session, target));
  return restore(session, held, std::move(revision), std::move(known), options);
}

}  // namespace rewall
