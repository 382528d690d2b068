#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysis/model_parts.h"
#include "analysis/packet.h"

/// What is known of packets on their way. Packets that a rule tells apart go on as two states.
///
/// A *variable* is something that the packets have unknown: a field as they came, or what NAT chose. The
/// fields that rules ask for are *views* of variables: the mark is the mark as it came, its lower bits
/// replaced by a rule. So what a condition finds out holds for all that shows the same variable.
namespace rewall {

/// What a variable can be: a number of the set, with the known bits, and none of the excluded ones.
struct Possible {
  NumberSet set{};
  Number known_mask = 0;
  Number known = 0;
  struct Bits {
    Number mask = 0;
    Number value = 0;
  };
  std::vector<Bits> excluded{};

  bool impossible() const { return set.empty(); }
};

/// The exclusive or of the masked variables and of a constant.
struct View {
  struct Term {
    std::uint32_t variable = 0;
    Number mask = 0;
  };
  std::vector<Term> terms{};
  Number constant = 0;

  static View of_constant(Number number) { return View{.constant = number}; }
  static View of_variable(std::uint32_t variable) { return View{.terms = {{variable, ~Number{0}}}}; }
};

enum class Truth : std::uint8_t { no, yes, open };

/// The question that tells packets apart: whether a variable is one of some numbers, or what an unknown
/// condition answers.
struct WalkQuestion {
  enum class Kind : std::uint8_t { numbers, bits, unknown };
  Kind kind = Kind::numbers;
  std::uint32_t variable = 0;  // of numbers and bits; of unknown: its number
  std::shared_ptr<const NumberSet> numbers{};
  Number mask = 0;
  Number value = 0;
  bool usual = false;  // the answer that most packets get
};

/// An unknown condition that was answered.
struct WalkAnswer {
  std::uint32_t unknown = 0;
  bool yes = false;
  std::shared_ptr<const WalkAnswer> before{};
};

/// Where a chain returns to.
struct Caller {
  std::size_t chain = 0;
  std::size_t place = 0;
  std::size_t nested = 0;
  std::uint64_t id = 0;  // of the calls that led here
  std::shared_ptr<const Caller> before{};
};

/// A set that a rule changed while the packet was on its way.
struct ChangedSet {
  std::string_view name{};
  std::shared_ptr<const ChangedSet> before{};
};

struct WalkState {
  std::array<std::shared_ptr<const View>, kFields> views{};
  std::vector<std::shared_ptr<const Possible>> variables{};
  std::shared_ptr<const WalkAnswer> answers{};
  std::shared_ptr<const ChangedSet> changed_sets{};

  Hook hook = Hook::prerouting;
  std::size_t item = 0;  // of the hook's stations
  bool in_chain = false;
  std::size_t table = 0;
  std::size_t base = 0;  // the built-in chain
  std::size_t chain = 0;
  std::size_t place = 0;
  std::size_t nested = 0;  // the jumps and gotos that led to the chain
  std::shared_ptr<const Caller> callers{};

  bool local = false;                          // on the way to this host
  bool tracked = false;                        // conntrack has seen it
  bool untracked = false;                      // by NOTRACK
  bool settled = false;                        // what its state says of the other fields is known
  bool directed = false;                       // and what its direction says
  bool translated = false;                     // by NAT at this hook
  bool nat_begun = false;                      // at this hook
  bool as_first = false;                       // in a table nat in place of the connection's first packet
  bool redirected = false;                     // NAT changed the destination in PREROUTING
  bool to_self = false;                        // REDIRECT
  bool route_again = false;                    // a mark changed in OUTPUT
  bool new_route = false;                      // NAT changed the destination in OUTPUT
  bool hopped = false;                         // its TTL is one less
  bool main = false;                           // its steps are written down
  std::shared_ptr<const View> state_before{};  // while as_first

  std::size_t node = 0;  // of the tree of questions

  const View& view(Field field) const { return *views[static_cast<std::size_t>(field)]; }
  void set_view(Field field, View view) {
    views[static_cast<std::size_t>(field)] = std::make_shared<const View>(std::move(view));
  }
};

/// What the conditions of rules say of a state.
class Evaluator {
 public:
  Evaluator(Model::Parts& parts, Family family) : parts_(parts), family_(family) {}

  Truth test(const Condition& condition, WalkState& state, WalkQuestion& question);
  Truth test_numbers(const View& view, Field field, const NumberSet& numbers, const WalkState& state,
                     WalkQuestion& question);
  Truth test_bits(const View& view, Field field, Number mask, Number value, const WalkState& state,
                  WalkQuestion& question);
  /// The answer of an unknown condition, by its words and what else tells it from others.
  Truth ask(const std::string& words, std::uint64_t which, const WalkState& state, WalkQuestion& question);
  /// Makes the state know what it can of fields of connection tracking; open where that hangs on a question.
  Truth prepare(Field field, WalkState& state, WalkQuestion& question);

  /// The state with the question answered; false where no packet answers so.
  bool apply(const WalkQuestion& question, bool yes, WalkState& state) const;

  /// A new variable in the words that depends_on has for it; the same number for the same `which` and words.
  std::uint32_t make_variable(WalkState& state, const std::string& words, Field field, NumberSet set);
  NumberSet numbers_of(const View& view, Field field, const WalkState& state) const;
  /// The least and the greatest of them.
  NumberRange hull_of(const View& view, Field field, const WalkState& state) const;
  std::optional<Number> number_of_view(const View& view, const WalkState& state) const;
  const std::string& words(const WalkQuestion& question) const;
  const std::string& unknown_words(std::uint32_t unknown) const { return unknowns_[unknown]; }
  std::uint32_t variables() const { return static_cast<std::uint32_t>(names_.size()); }
  /// Whether packets on this way came in by the loopback interface.
  Truth from_loopback(WalkState& state, WalkQuestion& question);
  /// Whether connection tracking has seen them; what it says is then in the state.
  Truth tracked(WalkState& state, WalkQuestion& question);
  bool exact(const WalkState& state) const;

  void start(WalkState& state, const Packet& packet);

 private:
  Truth test_parts(const Condition& condition, WalkState& state, WalkQuestion& question);
  Truth test_lookup(const Condition& condition, WalkState& state, WalkQuestion& question);
  Truth test_members(const Condition& condition, const SetMembers& members, WalkState& state,
                     WalkQuestion& question);
  Truth test_near(const SetMembers& members, const Condition& condition, WalkState& state,
                  WalkQuestion& question, std::uint8_t protocol);
  Truth set_protocol(WalkState& state, WalkQuestion& question, std::uint8_t& protocol, bool& there);
  Truth test_variable_bits(std::uint32_t variable, Field field, Number mask, Number value,
                           const WalkState& state, WalkQuestion& question);
  Truth ask_condition(const Condition& condition, const WalkState& state, WalkQuestion& question);
  Truth settle(WalkState& state, WalkQuestion& question);
  void settle_fresh(WalkState& state);
  void settle_established(WalkState& state);
  Truth settle_direction(WalkState& state, WalkQuestion& question);
  bool is_whole(Field field, const WalkState& state) const;
  void narrow(WalkState& state, Field field, const NumberSet& set);

  Model::Parts& parts_;
  Family family_;
  std::vector<std::string> names_{};
  std::vector<Field> kinds_{};     // of the variables
  std::vector<NumberSet> made_{};  // what they could be, of those behind the fields
  std::vector<std::string> unknowns_{};
  std::unordered_map<std::string, std::uint32_t> unknown_numbers_{};
  std::unordered_map<std::string, std::uint32_t> variable_numbers_{};
};

/// Whether the set holds no more numbers than that, counted up to there.
bool is_small(const NumberSet& set, std::uint64_t most);

}  // namespace rewall
