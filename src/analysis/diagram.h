#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "analysis/number_set.h"

namespace rewall {

/// A function of several numbers (levels) to an outcome, as a decision diagram: a node asks for the number of
/// one level, its edges are ranges of that number. Diagrams of one Diagrams are the same function exactly
/// when they are equal. A small value; valid until Diagrams::keep() leaves it out.
using Diagram = std::uint32_t;
/// What a diagram answers: 0 and 1 are no and yes in a diagram that is a set.
using Leaf = std::uint32_t;

/// Makes diagrams: shared nodes, each but once, without a node whose answer does not depend on its level (R.
/// Bryant, "Graph-Based Algorithms for Boolean Function Manipulation", 1986, with ranges for edges). Every
/// operation takes time with the product of its operands at worst, and remembers what it did. Not for several
/// threads at once.
class Diagrams {
 public:
  /// `bits` of the numbers of level 0, 1, ...: the first is asked first. The order decides how large diagrams
  /// become.
  explicit Diagrams(const std::vector<unsigned>& bits);
  /// A level behind all others.
  std::size_t add_level(unsigned bits);
  std::size_t levels() const { return greatest_.size(); }

  static constexpr Diagram constant(Leaf outcome) { return outcome | kConstant; }
  static constexpr Diagram no() { return constant(0); }
  static constexpr Diagram yes() { return constant(1); }
  static constexpr bool is_constant(Diagram f) { return (f & kConstant) != 0; }
  static constexpr Leaf leaf(Diagram f) { return f & ~kConstant; }  ///< of a constant

  /// `in` where the number of the level is in the set, else `out`. Both must ask for later levels only.
  Diagram test(std::size_t level, const NumberSet& numbers, Diagram in = yes(), Diagram out = no());

  // Of diagrams that are sets.
  Diagram both(Diagram a, Diagram b);
  Diagram either(Diagram a, Diagram b);
  Diagram complement(Diagram a) { return choose(a, no(), yes()); }
  Diagram without(Diagram a, Diagram b) { return both(a, complement(b)); }
  bool implies(Diagram a, Diagram b) { return without(a, b) == no(); }

  /// `a` where the set `condition` says yes, else `b`.
  Diagram choose(Diagram condition, Diagram a, Diagram b);
  /// `f`, with `by` in place of one outcome: what comes after f where f does not decide.
  Diagram replace(Diagram f, Leaf outcome, Diagram by);
  /// The same for several outcomes at once; an outcome that `by` brings in stays.
  Diagram replace(Diagram f, const std::map<Leaf, Diagram>& by);
  /// `f` with other outcomes.
  Diagram translate(Diagram f, const std::function<Leaf(Leaf)>& outcome);
  /// The set where f has one of the outcomes.
  Diagram where(Diagram f, const std::function<bool(Leaf)>& is);
  /// What `f` answers when it may choose the number of each level from `first` on: the set where it can be
  /// yes.
  Diagram possible(Diagram f, std::size_t first);

  std::size_t level(Diagram f) const { return nodes_[f].level; }  ///< of no constant
  struct Edge {
    NumberRange range{};
    Diagram to = 0;
  };
  std::vector<Edge> edges(Diagram f) const;  ///< all numbers of the level, in order
  /// The edges that lead to the same diagram together, in the order of their first numbers.
  std::vector<std::pair<NumberSet, Diagram>> ways(Diagram f) const;
  std::vector<Leaf> leaves(Diagram f) const;  ///< that f has somewhere, sorted
  Leaf value(Diagram f, std::span<const Number> numbers) const;
  std::size_t size(Diagram f) const;  ///< its nodes
  /// The part of all combinations of numbers for which f is yes: 0 to 1.
  double share(Diagram f) const;

  /// Stops work where all nodes have more edges than that, or where one asks for more than some thousand
  /// levels, one behind the other: what is made then is no().
  void limit(std::size_t edges) { most_edges_ = edges; }
  bool gave_up() const { return gave_up_; }
  /// Edges of all nodes: what the memory grows with, 24 bytes each.
  std::size_t total_edges() const { return last_.size(); }
  /// Forgets all nodes that these do not need, and writes their new names into them.
  void keep(const std::vector<Diagram*>& roots);

 private:
  static constexpr Diagram kConstant = 0x80000000U;
  struct Node {
    std::uint32_t level = 0;
    std::uint32_t first = 0;  ///< of its edges, in last_ and to_
    std::uint32_t count = 0;
    std::uint32_t hash = 0;
  };
  struct Part {
    Number last = 0;
    Diagram to = 0;
  };
  struct Remembered {
    Diagram f = 0;
    Diagram g = 0;
    Diagram h = 0;  ///< or the outcome that is replaced, with the operation in the upper bits
    Diagram result = 0;
  };
  enum class Operation : std::uint8_t { replace, both, either };

  std::size_t level_or_end(Diagram f) const { return is_constant(f) ? greatest_.size() : nodes_[f].level; }
  void push(std::size_t begin, Number last, Diagram to);
  Diagram finish(std::size_t level, std::size_t begin);
  Diagram apply(Operation operation, Leaf outcome, Diagram f, Diagram g);
  Diagram apply_new(Operation operation, Leaf outcome, Diagram f, Diagram g);
  Diagram choose_new(Diagram condition, Diagram a, Diagram b);
  /// The diagram that asks for a level first, and for each range goes to a diagram that may ask for any
  /// level.
  Diagram split(std::size_t level, std::vector<Part> parts);
  template <class Of>
  Diagram map_nodes(Diagram f, const Of& of_constant, std::unordered_map<Diagram, Diagram>& done);
  template <class Visit>
  void each(Diagram f, const Visit& visit) const;
  void grow_table();
  void remember(std::vector<Remembered>& memory, const Remembered& what);
  const Remembered& recall(const std::vector<Remembered>& memory, Diagram f, Diagram g, Diagram h) const;

  std::vector<Number> greatest_{};  ///< number of each level
  std::vector<Node> nodes_{};
  std::vector<Number> last_{};  ///< the last number of each edge; the first is that behind the edge before
  std::vector<Diagram> to_{};
  std::vector<std::uint32_t> table_{};  ///< nodes by hash; its size is a power of two
  std::vector<Remembered> applied_{};   ///< a result takes the place of an older one
  std::vector<Remembered> chosen_{};
  std::size_t most_edges_ = SIZE_MAX;
  unsigned depth_ = 0;
  bool gave_up_ = false;
  std::vector<Part> parts_{};  ///< of the nodes that are being made, each from its `begin` on
};

}  // namespace rewall
