#include "ops/fleet/fleet_ports.h"

#include "ops/fleet/hosts.h"
#include "ops/history/revision.h"

namespace rewall {
namespace {

Result<std::vector<FamilyPorts>> ports_of_host(const Repository& repository, const HostBranch& host,
                                               const OpenPortsOptions& options) {
  auto recording = TRY(read_snapshot_files(repository, host.hash, Proof::checksum));
  const auto revision = TRY(to_revision(std::move(recording)));
  return open_ports(revision, HostFacts{}, options);
}

}  // namespace

Status fleet_ports(
    Session& session, std::span<const HostBranch> hosts, const OpenPortsOptions& options,
    const std::function<void(const HostBranch&, const Result<std::vector<FamilyPorts>>&)>& visit) {
  const auto* opened = TRY(session.repository());
  for (const auto& host : hosts) {
    auto found = ports_of_host(*opened, host, options);
    if (!found) found = unreadable_host(host.host, found.error().message);
    visit(host, found);
  }
  return {};
}

}  // namespace rewall
