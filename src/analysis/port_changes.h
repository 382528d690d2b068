#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/number_set.h"
#include "analysis/ports.h"
#include "rules/ruleset.h"

namespace rewall {

/// How far a port can be reached.
enum class OpenTo : std::uint8_t {
  nobody,
  some,
  world  ///< PortRow::world
};
std::string_view name(OpenTo reach);  ///< "nobody", "some", "world"

/// Ports of one protocol whose reach two rulesets see differently. A value.
struct PortChange {
  Family family = Family::ipv4;
  std::string protocol{};  ///< as PortRow
  NumberSet numbers{};     ///< ports, types of ICMP; 0 for a protocol without either
  OpenTo from = OpenTo::nobody;
  OpenTo to = OpenTo::nobody;
  bool operator==(const PortChange&) const = default;

  bool has_ports() const;
  bool is_icmp() const;
};

/// What of the ports of one family another ruleset opens and closes: `before` and `now` are their rows, with
/// all ports of each protocol. By protocol, then by what they were and are.
std::vector<PortChange> port_changes(Family family, const std::vector<PortRow>& before,
                                     const std::vector<PortRow>& now);

/// "22,80-90"; "all" for all ports; empty for protocols without ports.
std::string ports_text(const PortChange& change);

}  // namespace rewall
