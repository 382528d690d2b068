#include "ops/fleet/hosts.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "ops/fleet/fleet_reader.h"
#include "rules/foreign.h"

namespace rewall {
namespace {

// Lower is better.
int preference(const HostBranch& branch, const std::string& own_host) {
  if (branch.remote.empty()) return branch.host == own_host ? 0 : 3;
  return branch.remote == "origin" ? 1 : 2;
}

// The name that the older ruleset has for a change's chain.
std::string older_name(const Diff& diff, const Change& change) {
  const auto renamed = std::ranges::find_if(diff.changes, [&](const Change& other) {
    return other.kind == ChangeKind::chain_renamed && other.family == change.family &&
           other.backend == change.backend && other.table == change.table && other.chain == change.chain;
  });
  return renamed == diff.changes.end() ? change.chain : *renamed->from;
}

void number_as_whole(Diff& diff, const OwnParts& from, const OwnParts& to) {
  for (auto& change : diff.changes) {
    if (change.from_pos)
      change.from_pos = from.position(*change.family, *change.backend, change.table, older_name(diff, change),
                                      *change.from_pos);
    if (change.to_pos)
      change.to_pos =
          to.position(*change.family, *change.backend, change.table, change.chain, *change.to_pos);
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

// Where the walk along one host's history is.
struct Walker {
  std::int64_t seconds = 0;
  std::size_t host = 0;
  std::string hash{};
  /// Of two the newer one comes first, of one time that of the first host.
  bool operator<(const Walker& other) const {
    return std::pair(seconds, other.host) < std::pair(other.seconds, host);
  }
};

}  // namespace

Result<std::vector<HostBranch>> fleet_hosts(const Repository& repository) {
  auto branches = TRY(repository.host_branches());
  const auto own = repository.host();
  std::ranges::stable_sort(branches, {}, [&own](const HostBranch& branch) {
    return std::pair(std::string_view(branch.host), preference(branch, own));
  });
  const auto same_host = [](const HostBranch& a, const HostBranch& b) { return a.host == b.host; };
  branches.erase(std::unique(branches.begin(), branches.end(), same_host), branches.end());
  return branches;
}

Result<HostBranch> find_host(std::span<const HostBranch> hosts, const std::string& name) {
  const auto found = std::ranges::lower_bound(hosts, name, {}, &HostBranch::host);
  if (found != hosts.end() && found->host == name) return *found;
  std::vector<std::string> names;
  for (const auto& host : hosts) names.push_back(host.host);
  const auto near = nearest(name, names);
  return Error{.kind = ErrorKind::usage,
               .message = format("host '{}': no branch of it here", name),
               .hint = near.empty() ? "'rewall fleet list' shows the hosts, 'rewall fetch' brings new ones"
                                    : format("did you mean '{}'?", near)};
}

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

Status fleet_log(Session& session, std::span<const HostBranch> hosts, const LogFilter& filter, bool with_diff,
                 const std::function<bool(const HostBranch&, const Result<LogEntry>&)>& visit) {
  auto matcher = TRY(LogMatcher::make(filter));
  auto opened = TRY(session.repository());
  const Repository& repository = *opened;
  std::priority_queue<Walker> walkers;
  bool more = true;
  const auto stop_at = [&](std::size_t host, const Error& why) {
    more = more && visit(hosts[host], unreadable_host(hosts[host].host, why.message));
  };
  const auto go_to = [&](std::size_t host, const std::string& hash) {
    if (hash.empty()) return;
    const auto snapshot = repository.snapshot(hash);
    if (!snapshot) return stop_at(host, snapshot.error());
    walkers.push({.seconds = snapshot->time.seconds, .host = host, .hash = hash});
  };
  for (std::size_t host = 0; host < hosts.size(); ++host) go_to(host, hosts[host].hash);
  while (more && !walkers.empty()) {
    const auto [seconds, host, hash] = walkers.top();
    walkers.pop();
    const auto snapshot = repository.snapshot(hash);
    if (!snapshot) {
      stop_at(host, snapshot.error());
      continue;
    }
    auto entry = matcher.entry(repository, *snapshot, with_diff);
    if (!entry) {
      stop_at(host, entry.error());
      continue;
    }
    if (*entry) more = visit(hosts[host], **std::move(entry));
    if (more) go_to(host, snapshot->parent);
  }
  return {};
}

}  // namespace rewall
