#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/diagram.h"
#include "analysis/verdict_diagram.h"

namespace rewall {

/// Says in words which of the packets that a verdict diagram was asked about are in a set: "everyone",
/// "10.0.0.0/8 in on eth1", "everyone but the set banned, if -m limit --limit 3/min", "nobody".
class Who {
 public:
  /// `among`: the packets that the words leave unsaid, as a set; it has a test of each field at most.
  /// `towards_world`: the interfaces that the world can come in by.
  Who(VerdictDiagram& verdicts, Diagram among, NumberSet towards_world);

  /// `set` is among them.
  std::string words(Diagram set);
  /// The unknown conditions that the set asks for, sorted.
  std::vector<std::string> depends_on(Diagram set);
  /// True where packets of most public addresses are in the set, with one interface of those towards the
  /// world each, if what is unknown lets them.
  bool world(Diagram set);

 private:
  using Clause =
      std::vector<std::pair<std::size_t, NumberSet>>;  // levels and their numbers, all of which hold
  struct Clauses {
    std::vector<Clause> all{};
    bool more = false;  // there are more
  };

  Clauses clauses(Diagram set);
  bool collect(Diagram set, Clause& above, std::vector<Clause>& out);
  Clause widened(Clause clause, Diagram set);
  Diagram diagram(const Clause& clause);
  std::string words(const Clauses& clauses, std::string_view between = "; ");
  std::string words(const Clause& clause);
  std::string words(std::size_t level, const NumberSet& numbers);
  std::string sources(const NumberSet& numbers);
  std::string names(Field field, NumberSet numbers);
  NumberSet of(std::size_t level);

  VerdictDiagram& verdicts_;
  Diagrams& diagrams_;
  Diagram among_;
  NumberSet towards_world_;
};

}  // namespace rewall
