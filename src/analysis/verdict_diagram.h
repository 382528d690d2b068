#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysis/diagram.h"
#include "analysis/model.h"
#include "analysis/packet.h"
#include "analysis/set_members.h"
#include "analysis/walk.h"

namespace rewall {

/// How packets end that take one way: an outcome of a verdict diagram.
struct Fate {
  Verdict verdict = Verdict::accept;  ///< never `depends`: what is unknown is a level of the diagram
  bool routed = false;                ///< it went by FORWARD: this host is not where it ended
  bool to_this_host = false;          ///< by REDIRECT: the destination is whatever address it came by
  /// What DNAT made of the destination and its port, where a rule changed them; one of these numbers, which
  /// the kernel chooses.
  std::optional<NumberSet> destination{};
  std::optional<NumberSet> destination_port{};
  std::string proxy{};  ///< "TPROXY --on-port 3128 ...": where the routing takes it to this host
  bool operator==(const Fate&) const = default;
};

/// What is asked of a verdict diagram.
struct VerdictQuestion {
  /// The packets that are asked about, and their way. Of others the diagram says anything. Where their state
  /// is NEW alone, what --ctorigsrc and its like ask for is the packet's own. NAT does to all of them what it
  /// does to new connections.
  Packet packets{};
  /// The fields in the order of the levels; others follow in the order of Field.
  std::vector<Field> order{};
  /// The answers of unknown conditions, by their words, before NAT changes the packet.
  std::map<std::string, bool> assumed{};
  /// Is told now and then how many rules were done, and of how many.
  std::function<void(std::size_t, std::size_t)> progress{};
  bool without_translation = false;  ///< leave the tables nat out
  /// Packets of interfaces that have no address are not asked about where NAT needs one.
  bool only_addressed = false;
};

/// What becomes of all packets at once: the tables that they meet, as the kernel walks them (walk.h says it
/// of one packet), as one diagram. A level is a field of the packet as it came; behind the fields stands a
/// level for each unknown condition, 1 where it holds. Chains are made once for each state in which packets
/// enter them: their marks, and what NAT made of them. The model must outlive it.
class VerdictDiagram {
 public:
  VerdictDiagram(const Model& model, VerdictQuestion question);
  VerdictDiagram(VerdictDiagram&&) noexcept;
  VerdictDiagram& operator=(VerdictDiagram&&) noexcept;
  ~VerdictDiagram();

  /// The diagram; its outcomes are places in fates(). Absent where it needs more memory than it may have (two
  /// thousand million bytes).
  std::optional<Diagram> make();
  Diagrams& diagrams();
  const Fate& fate(Leaf leaf) const;

  std::size_t level_of(Field field) const;
  /// The field of a level; absent for that of an unknown condition.
  std::optional<Field> field_of(std::size_t level) const;
  /// "-m limit --limit 3/min", of the level of an unknown condition.
  const std::string& words_of(std::size_t level) const;
  Family family() const;
  const NumberSet& asked(Field field) const;  ///< the values of the packets that were asked about
  /// The sets of addresses that rules looked for a source in, by name.
  std::vector<std::pair<std::string, const NumberSet*>> source_sets() const;

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace rewall
