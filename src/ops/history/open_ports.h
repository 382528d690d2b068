#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/model.h"
#include "analysis/port_changes.h"
#include "analysis/ports.h"
#include "core/result.h"
#include "ops/context/session.h"
#include "ops/history/revision.h"
#include "rules/ruleset.h"

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

/// How many rules a question that is asked beside something else may look at.
inline constexpr std::size_t kMostRulesAtOnce = 3000;
bool has_too_many_rules(const Ruleset& ruleset);

/// What a change of the rules does to the ports of both families: absent where one of the rulesets has too
/// many rules, or is too entangled to answer.
std::optional<std::vector<PortChange>> port_changes(const Ruleset& before, const Ruleset& now,
                                                    const HostFacts& facts);

}  // namespace rewall
