#include "ops/fleet/fleet_check.h"

#include <utility>

#include "analysis/model.h"
#include "ops/fleet/hosts.h"
#include "ops/history/revision.h"

namespace rewall {
namespace {

Result<HostCheck> check_host(const Repository& repository, const HostBranch& host) {
  auto recording = TRY(read_snapshot_files(repository, host.hash, Proof::checksum));
  const auto expect = recording.files.extract("expect");
  HostCheck check;
  if (!expect) return check;
  check.expectations = TRY(read_expectations(expect.mapped(), host.host + ":expect"));
  const auto revision = TRY(to_revision(std::move(recording)));
  check.checked = check_expectations(check.expectations, revision.ruleset, HostFacts{});
  return check;
}

}  // namespace

Status fleet_check(Session& session, std::span<const HostBranch> hosts,
                   const std::function<void(const HostBranch&, const Result<HostCheck>&)>& visit) {
  const auto opened = TRY(session.repository());
  for (const auto& host : hosts) {
    auto checked = check_host(*opened, host);
    if (!checked) checked = unreadable_host(host.host, checked.error().message);
    visit(host, checked);
  }
  return {};
}

}  // namespace rewall
