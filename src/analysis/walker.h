#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/walk.h"
#include "analysis/walk_state.h"

namespace rewall {

/// Walks sets of packets: where a rule tells them apart, they go on as two. The questions make a tree, whose
/// leaves are verdicts.
class Walker {
 public:
  struct Options {
    std::size_t most_ways = 4096;
    std::size_t most_looks = 10'000'000;  // at rules, by all ways
    bool path = false;                    // write down the steps of the usual way
    Why why = Why::no;
    bool groups = false;  // remember what each way was
  };

  Walker(const Model& model, const Packet& packet, Options options);
  void run();

  Verdict verdict() const;
  std::vector<std::string> depends_on() const;
  bool bounded() const { return bounded_; }
  std::vector<Step> take_path() { return std::move(path_); }
  std::vector<PacketOutcome> take_outcomes() { return std::move(outcomes_); }
  Packet main_packet() const { return main_packet_; }

 private:
  // The tree of questions.
  struct Node {
    std::uint64_t question = 0;  // what it asks; 0 for a leaf
    std::string words{};         // of the question, and of what a leaf hangs on
    std::size_t no = 0;
    std::size_t yes = 0;
    bool leaf = false;
    bool impossible = false;
    Verdict verdict = Verdict::depends;
  };
  enum class Next : std::uint8_t { go, done };  // done: the state came to its end, or became others

  Next advance(WalkState& state);
  Next next_hook(WalkState& state);
  Next enter(WalkState& state);
  Next enter_chain(WalkState& state, const Station& station);
  Next enter_native(WalkState& state, const Station& station);
  Next enter_nat(WalkState& state, const Station& station);
  Next step(WalkState& state);
  Next end_of_chain(WalkState& state);
  Next policy(WalkState& state);
  void leave_table(WalkState& state);
  void next_item(WalkState& state);
  Next return_from(WalkState& state);
  Next meet_rule(WalkState& state, bool certain);
  Next act(WalkState& state, const RuleAction& action);
  Next act_quickly(WalkState& state, RuleAction::Kind kind, std::size_t chain);
  Next call(WalkState& state, std::size_t chain, bool go_to);
  Next begin_hook(WalkState& state, Hook hook);
  Next route(WalkState& state);
  Next route_to(WalkState& state, bool local);
  Next fork_route(WalkState& state, const WalkQuestion& question);
  std::optional<Number> interface_towards(Number destination) const;
  Next hop(WalkState& state);

  // NAT
  Next translate_connection(WalkState& state, const Station& station);
  Next translate_reply(WalkState& state, bool destination);
  Next translate(WalkState& state, const RuleAction& action);
  Next redirect(WalkState& state, const RuleAction& action);
  void choose_address(WalkState& state, const RuleAction& action, Field field, NumberSet addresses);
  void choose_port(WalkState& state, const RuleAction& action, Field field);
  void rewrite(WalkState& state, Field field, View view);
  /// `bit`: what the status of the connection says of it. What is taken back of a reply's destination is
  /// SNAT.
  void rewrite(WalkState& state, Field field, View view, Number bit);
  bool same(const WalkState& state, const View& a, const View& b) const;

  // other actions
  void set_bits(WalkState& state, Field field, Number mask, Number value);
  Next copy_mark(WalkState& state, const RuleAction& action);
  void increase(WalkState& state, Field field, Number by);
  void spoil(WalkState& state, const RuleAction& action);
  Next proxy(WalkState& state, const RuleAction& action);
  Next no_track(WalkState& state);
  Next queue(WalkState& state, const RuleAction& action);

  /// Splits the state in two, which both go on where it stands.
  Next fork(WalkState& state, const WalkQuestion& question);
  Next end(WalkState& state, Verdict verdict, const std::string& words = {});

  // quick rules
  template <class AddressNumber>
  Truth quick_test(const WalkState& state, const QuickRule<AddressNumber>& rule);
  template <class AddressNumber>
  Next step_quickly(WalkState& state);
  void look(const WalkState& state);

  // the path
  void write(WalkState& state, Step step);
  void write_rule(WalkState& state, const ModelRule& rule, bool matched);
  void write_kernel(WalkState& state, std::string action);
  void write_mismatch(WalkState& state, std::size_t place);
  Packet packet_of(const WalkState& state) const;
  Packet packet_as_it_came(const WalkState& state) const;

  const Model& model_;
  Model::Parts& parts_;
  Packet asked_;
  Options options_;
  Evaluator evaluator_;
  std::vector<WalkState> waiting_{};
  std::vector<Node> nodes_{};
  std::vector<Step> path_{};
  std::vector<Mismatch> passed_{};
  std::vector<std::string> hangs_on_{};  // of the rule that the usual way is at
  std::string asked_last_{};
  std::vector<PacketOutcome> outcomes_{};
  Packet main_packet_{};
  std::size_t ways_ = 0;
  std::size_t looks_ = 0;
  bool bounded_ = false;

  // What quick rules are held against, of the state that is on its way.
  struct Glimpse {
    bool fresh = false;
    NumberRange source{};
    NumberRange destination{};
    NumberRange source_port{};
    NumberRange destination_port{};
    NumberRange protocol{};
    NumberRange fragment{};
    std::uint8_t states = 0x1f;
    std::optional<Number> in{};
    std::optional<Number> out{};
    const std::vector<std::uint8_t>* in_answers = nullptr;
    const std::vector<std::uint8_t>* out_answers = nullptr;
  };
  Glimpse glimpse_{};
};

/// Why the condition does not hold for the state: the condition that fails, and what the packet has.
Mismatch explain(const ModelRule& rule, std::size_t place, WalkState& state, Evaluator& evaluator,
                 Family family);

}  // namespace rewall
