#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/model.h"
#include "analysis/packet.h"

namespace rewall {

/// What becomes of a packet.
enum class Verdict : std::uint8_t { accept, drop, reject, depends };
std::string_view name(Verdict verdict);  ///< "ACCEPT", "DROP", "REJECT", "DEPENDS"

/// Why a rule did not match: the condition that failed, and what the packet has instead.
struct Mismatch {
  std::size_t pos = 0;      ///< of the rule, from 1
  std::string rule{};       ///< its words
  std::string condition{};  ///< "--dport 443"
  std::string value{};      ///< "--dport is 22"
};

/// One rule that matched, or a policy, or a step of the kernel between (connection tracking, routing).
struct Step {
  Backend backend = Backend::nft;
  Hook hook = Hook::input;
  std::string table{};
  std::string chain{};
  std::size_t pos = 0;     ///< of the rule in its chain, from 1; 0 for a policy
  std::string rule{};      ///< its words; empty for a policy
  std::string action{};    ///< "ACCEPT", "jump web", "policy DROP", "DNAT to 172.17.0.2:80"
  bool perhaps = false;    ///< the rule matches only if an unknown, or what was left out, makes it match
  std::string hangs_on{};  ///< that unknown: "limit 3/min"
  std::vector<Mismatch>
      passed{};  ///< the rules of the chain before this one that did not match; with Why::yes
};

enum class Why : std::uint8_t { no, yes };

struct Trace {
  Verdict verdict = Verdict::accept;
  /// What the verdict hangs on, in words, sorted: "-m limit --limit 3/min", "-i" for what was left out. Empty
  /// unless the verdict is `depends`; also empty where every answer gives one verdict.
  std::vector<std::string> depends_on{};
  /// The way of the packet where each unknown condition fails; behind each step that hangs on one, `perhaps`.
  std::vector<Step> path{};
  Packet packet{};  ///< as it left, after NAT and marks
};

/// Walks packets through the model as the kernel does: connection tracking, the tables of each hook of
/// packet.hook in their order, NAT, the routing decision behind PREROUTING. Never fails: what the model does
/// not know is in depends_on.
Trace trace(const Model& model, const Packet& packet, Why why = Why::no);

/// The verdict alone, for many packets. The same as trace().verdict.
Verdict verdict(const Model& model, const Packet& packet);

}  // namespace rewall
