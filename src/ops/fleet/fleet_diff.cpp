#include "ops/fleet/fleet_diff.h"

#include <algorithm>
#include <string>

#include "ops/fleet/hosts.h"
#include "rules/foreign.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

// The name that the older ruleset has for a change's chain.
std::string older_name(const Diff& diff, const Change& change) {
  const auto renamed = std::ranges::find_if(diff.changes, [&](const Change& other) {
    return other.kind == ChangeKind::chain_renamed && other.family == change.family &&
           other.backend == change.backend && other.table == change.table && other.chain == change.chain;
  });
  return renamed == diff.changes.end() ? change.chain : *renamed->from;
}

void number_as_whole(Diff& diff, const OwnRuleset& from, const OwnRuleset& to) {
  for (auto& change : diff.changes) {
    // Another native table is foreign as a whole or not at all: no rule was left out.
    const auto family = change.native ? iptables_family(*change.native, change.table) : change.family;
    if (!family) continue;
    const auto backend = change.backend.value_or(Backend::nft);
    if (change.from_pos)
      change.from_pos =
          from.position(*family, backend, change.table, older_name(diff, change), *change.from_pos);
    if (change.to_pos)
      change.to_pos = to.position(*family, backend, change.table, change.chain, *change.to_pos);
  }
}

Diff compare_sides(const FleetSide& from, const FleetSide& to, std::span<const Owner> owners) {
  Diff diff = compare(from.ruleset, to.ruleset);
  if (from.own && to.own) {
    number_as_whole(diff, *from.own, *to.own);
  } else {
    mark_foreign(diff, from.ruleset, to.ruleset, owners);
  }
  return diff;
}

}  // namespace

Status fleet_diff(Session& session, const FleetScope& scope, const HostBranch& from,
                  std::span<const HostBranch> others,
                  const std::function<void(const HostBranch&, const Result<Diff>&)>& visit) {
  auto reader = TRY(FleetReader::make(session, scope));
  const Repository& repository = **session.repository();
  const auto read = [&](const HostBranch& host) -> Result<FleetSide> {
    const auto snapshot = TRY(repository.snapshot(host.hash));
    return reader.read(repository, host, snapshot);
  };
  const auto base = read(from);
  if (!base) return unreadable_host(from.host, base.error().message);
  for (const auto& other : others) {
    const auto side = read(other);
    if (side) {
      visit(other, compare_sides(*base, *side, reader.owners()));
    } else {
      visit(other, unreadable_host(other.host, side.error().message));
    }
  }
  return reader.check_chain();
}

}  // namespace rewall
