#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/model.h"
#include "analysis/ports.h"
#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/revision.h"

namespace rewall {

/// What `rewall ports` asks.
struct OpenPortsOptions {
  bool forward = false;
  bool listening = false;            ///< compare with the programs that listen in this network namespace
  std::optional<Family> family{};    ///< this one alone
  std::vector<std::string> local{};  ///< as --local: addresses of the host, or LIVE
  std::function<void(std::size_t, std::size_t)> progress{};  ///< rules done, of all
};

struct FamilyPorts {
  Family family = Family::ipv4;
  std::vector<PortRow> rows{};
};

/// The ports of a ruleset, for the families that the revision covers. Kind usage: the rules are too entangled
/// to answer.
Result<std::vector<FamilyPorts>> open_ports(const Revision& revision, const HostFacts& facts,
                                            const OpenPortsOptions& options);

/// The facts for a revision: those of the addresses in `local`, or of this host where that is LIVE; of none,
/// those of this host for LIVE, else unknown.
Result<HostFacts> facts_of(const std::string& revision, const std::vector<std::string>& local);

/// Ports that the world can reach, of one ruleset, as words that can be compared with those of another: "ip
/// tcp 22".
struct WorldPorts {
  Family family = Family::ipv4;
  std::string protocol{};
  NumberSet ports{};  ///< types of ICMP; 0 for protocols without ports
  bool operator==(const WorldPorts&) const = default;
};
/// Those that the world can reach by `now` and could not by `before`.
std::vector<WorldPorts> newly_open(const std::vector<FamilyPorts>& before,
                                   const std::vector<FamilyPorts>& now);

}  // namespace rewall
