#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
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
  std::size_t pos = 0;   ///< of the rule in its chain, from 1; 0 for a policy
  std::string rule{};    ///< its words; empty for a policy
  std::string action{};  ///< "ACCEPT", "jump web", "policy DROP", "DNAT to 172.17.0.2:80"
  bool perhaps = false;  ///< the rule matches if an unknown, or what was left out, makes it; the way goes on
                         ///< as if it did not, unless `taken`
  bool taken = false;    ///< of perhaps: the way goes on as if it did
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
  /// The way of the packet where each unknown condition fails, and where each field that was left out has the
  /// values that most packets have: what a rule asks for is not most. A rule that would match otherwise
  /// stands there with `perhaps`.
  std::vector<Step> path{};
  Packet packet{};       ///< as it left at the end of `path`, after NAT and marks
  bool bounded = false;  ///< the ways were too many to try them all: the verdict is `depends`
};

/// Walks packets through the model as the kernel does: connection tracking, the tables of each hook of
/// packet.hook in their order, NAT, the routing decision behind PREROUTING. Never fails: what the model does
/// not know is in depends_on.
///
/// What a packet does not say and the kernel does: a new connection has no mark and no NAT yet, its original
/// source is the packet's; packets of a connection are translated as the rules translate its first one,
/// unless their fields (--ctorigdst, --ctreplsrc, ...) say how; replies whose connection may be translated
/// hang on
/// --ctstatus. packet.hook decides about the routing until NAT changes the destination; then the addresses of
/// this host do (Model::facts()), and where they are not known the verdict hangs on it. A packet that is
/// routed on has a TTL of one less in FORWARD. Fragments are put together before the rules see them where
/// rules track connections.
Trace trace(const Model& model, const Packet& packet, Why why = Why::no);

/// The verdict alone, for many packets. The same as trace().verdict. Fast where each field that rules ask for
/// is one number.
Verdict verdict(const Model& model, const Packet& packet);

/// Packets that fare alike, each on the same way.
struct PacketOutcome {
  Verdict verdict = Verdict::accept;  ///< `depends` for what only an unknown target or native chain decides
  Packet packet{};                    ///< as they came
  Packet left{};                      ///< as they left; its hook is `input` where they arrived at this host
  /// The unknown conditions that were answered on the way, in words, and the answers.
  std::vector<std::pair<std::string, bool>> unknowns{};
  /// False where `packet` holds some more packets than those that fare so: what a condition asked for is no
  /// box of fields (a mark under a mask, an address that NAT chose).
  bool exact = true;
  std::size_t table = 0;  ///< the rule that decided: in Model::tables()
  std::size_t chain = 0;
  std::size_t pos = 0;  ///< from 1; 0 for a policy, and where no rule decided
};

/// Takes packets apart into those that fare alike; the outcomes are disjoint, and together they are all.
/// Absent where there are more than `most`.
std::optional<std::vector<PacketOutcome>> outcomes(const Model& model, const Packet& packet,
                                                   std::size_t most = 10'000);

}  // namespace rewall
