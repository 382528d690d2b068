#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "analysis/model.h"
#include "analysis/packet.h"
#include "ops/context/caller_session.h"
#include "rules/ruleset.h"

namespace rewall {

/// Whether packets get through.
enum class Passage : std::uint8_t {
  open,
  doubtful,  ///< it hangs on something that neither the packets nor the rules say
  closed     ///< a rule or a policy stops one of them
};

/// What a ruleset does to one thing that a session needs. A value.
struct SessionNeed {
  std::string what{};  ///< "a new ssh connection from 198.51.100.7 to 203.0.113.5 port 22"
  Passage passage = Passage::open;
  /// "DROP by ip filter INPUT policy DROP"; "depends on limit 3/min".
  std::string why{};
};

/// What a ruleset does to a session: to its packets in both directions as far as it is open, to those of
/// a new one like it, and to those by which its link finds the neighbour. One element for each, in the same
/// order for every ruleset.
std::vector<SessionNeed> session_needs(const CallerSession& session, const Ruleset& ruleset,
                                       const HostFacts& facts);
/// The same of a new connection alone.
SessionNeed new_connection(const SessionWay& way, const Model& model);

/// The first packet of a new connection like that of `way`.
Packet first_packet(const SessionWay& way);

/// The outcome of holding a session against a change.
struct Lockout {
  Passage passage = Passage::open;   ///< of the worst thing that the change makes worse
  std::string text{};                ///< of that: what, and why; empty where it makes nothing worse
  std::vector<std::string> notes{};  ///< what is as bad already
};

/// Holds the session against `wanted`, and where that does not let everything through, against `live`, which
/// is called once.
Lockout find_lockout(const CallerSession& session, const Ruleset& wanted, const HostFacts& facts,
                     const std::function<const Ruleset*()>& live);

}  // namespace rewall
