#include "ops/history/asked_revision.h"

#include <utility>

#include "core/parallel.h"
#include "ops/history/generation_cache.h"
#include "ops/history/live_sets.h"

namespace rewall {
namespace {

// Absent where LIVE has to be captured.
Result<std::optional<Revision>> live_by_head(Session& session) {
  if (!session.interrupted.empty()) return std::optional<Revision>{};
  const auto repository = TRY(session.repository());
  const auto cached = unchanged_since_cached(session, *repository);
  if (!cached || TRY(repository->head()) != cached->head) return std::optional<Revision>{};
  auto asking = beside("sets", ErrorKind::capture, [&]() -> Result<std::optional<SetsDigest>> {
    return session.firewall().sets_digest();
  });
  auto files = TRY(read_snapshot_files(*repository, cached->head, Proof::checksum));
  const auto sets = files.files["ipset"];
  auto head = TRY(to_revision(std::move(files)));
  if (!TRY(sets_are(session, sets, TRY(asking.get())))) return std::optional<Revision>{};
  // A snapshot of an older version says nothing of native tables.
  if (!head.ruleset.native) head.ruleset.native = TRY(session.firewall().native());
  return std::optional(Revision{.name = "LIVE", .ruleset = std::move(head.ruleset)});
}

}  // namespace

Result<Revision> read_asked_revision(Session& session, const std::string& name,
                                     std::optional<Family> family) {
  if (name == "LIVE") {
    // Without a repository, or with a damaged one, LIVE is there all the same.
    auto known = live_by_head(session);
    if (known && *known) return **std::move(known);
  }
  return read_revision(session, name, family, Proof::checksum);
}

}  // namespace rewall
