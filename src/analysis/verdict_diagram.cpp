#include "analysis/verdict_diagram.h"

#include <algorithm>
#include <deque>
#include <unordered_set>

#include "analysis/condition_diagram.h"
#include "analysis/conditions.h"
#include "analysis/model_parts.h"
#include "analysis/stations.h"
#include "core/format.h"

namespace rewall {
namespace {

constexpr std::size_t kFirstSweep = 4'000'000;  // edges
constexpr std::size_t kMostEdges = 80'000'000;
constexpr std::size_t kMostStates = 200'000;
constexpr unsigned kDeepestTail = 2000;
constexpr std::size_t kToldEach = 256;  // rules

// How the rules of a chain leave a packet, with the state that it then has.
enum class Way : std::uint8_t { next, fall, accept, drop, reject, end };

constexpr Leaf leaf_of(Way way, std::uint32_t state = 0) {
  return state * 8 + static_cast<Leaf>(way);
}
constexpr Way way_of(Leaf leaf) {
  return static_cast<Way>(leaf % 8);
}
constexpr std::uint32_t state_of(Leaf leaf) {
  return leaf / 8;
}

struct ChainPlace {
  std::size_t table = 0;
  std::size_t chain = 0;
  auto operator<=>(const ChainPlace&) const = default;
};

// What a chain can do, with those that it jumps to.
struct ChainTraits {
  bool changes = false;  // the state of packets that go on behind it
  bool decides = false;  // it can do other than let packets go on unchanged
};

// The chains that packets can meet, and what matters of them. A rule that sets what no rule asks for does
// nothing.
class Reach {
 public:
  Reach(const Model& model, const std::vector<Hook>& hooks, bool only_addressed) : model_(model) {
    for (const auto hook : hooks)
      for (const auto& station : model.stations(hook))
        if (station.native.empty()) visit({station.table, station.chain});
    const auto unaddressed = [&](const HostFacts::Interface& interface) {
      return model.facts().masquerade_addresses(interface, model.family()).empty();
    };
    masquerade_drops_ = !only_addressed && std::ranges::any_of(model.facts().interfaces, unaddressed);
    if (masquerade_drops_) read_.insert(Field::out_interface);
    // By the routing.
    read_.insert(Field::ttl);
    if (hooks.front() == Hook::output && reads(Field::out_interface) && model.facts().may_route_by_mark())
      read_.insert({Field::mark, Field::tos});
    read_through_marks();
    find_traits();
  }

  std::size_t rules() const { return rules_; }
  const ChainTraits& traits(ChainPlace place) const { return traits_.at(place); }
  bool reads(Field field) const { return read_.contains(field); }

  bool changes(const RuleAction& action) const {
    if (action.kind == RuleAction::Kind::no_track) return true;
    if (action.kind == RuleAction::Kind::set_member) return looked_up_.contains(action.set);
    if (action.kind == RuleAction::Kind::transparent_proxy) return false;
    const auto fields = changed_by(action);
    // The routing asks for the destination.
    return std::ranges::any_of(
        fields, [this](Field field) { return field == Field::destination || read_.contains(field); });
  }

 private:
  const std::vector<Rule>& rules_of(ChainPlace place) const {
    return model_.tables()[place.table].table->chains[place.chain].rules;
  }

  void visit(ChainPlace first) {
    std::vector<ChainPlace> waiting{first};
    while (!waiting.empty()) {
      const auto place = waiting.back();
      waiting.pop_back();
      if (!traits_.emplace(place, ChainTraits{}).second) continue;
      const auto count = rules_of(place).size();
      rules_ += count;
      for (std::size_t i = 0; i < count; ++i) {
        const auto& rule = model_.rule(place.table, place.chain, i);
        for (const auto& condition : rule.conditions) read(condition);
        note(rule.action);
        if (is_jump(rule.action)) waiting.push_back({place.table, rule.action.chain});
      }
    }
  }

  static bool is_jump(const RuleAction& action) {
    return action.kind == RuleAction::Kind::jump || action.kind == RuleAction::Kind::go_to;
  }

  void note(const RuleAction& action) {
    saves_ = saves_ || action.kind == RuleAction::Kind::save_mark;
    restores_ = restores_ || action.kind == RuleAction::Kind::restore_mark;
  }

  void read(const Condition& condition) {
    if (condition.kind == Condition::Kind::in || condition.kind == Condition::Kind::masked)
      read_.insert(condition.field);
    if (condition.kind == Condition::Kind::lookup) looked_up_.insert(condition.set);
    if (condition.kind == Condition::Kind::lookup || condition.kind == Condition::Kind::unknown)
      read_.insert(condition.fields.begin(), condition.fields.end());
    for (const auto& part : condition.parts) read(part);
  }

  void read_through_marks() {
    for (int i = 0; i < 2; ++i) {
      if (saves_ && read_.contains(Field::connection_mark)) read_.insert(Field::mark);
      if (restores_ && read_.contains(Field::mark)) read_.insert(Field::connection_mark);
    }
  }

  // Until nothing changes: chains that jump in a circle, which no kernel takes, end it too.
  void find_traits() {
    std::map<ChainPlace, std::vector<ChainPlace>> from;
    std::vector<ChainPlace> waiting;
    for (auto& [place, traits] : traits_) {
      for (std::size_t i = 0; i < rules_of(place).size(); ++i) {
        const auto& action = model_.rule(place.table, place.chain, i).action;
        if (is_jump(action)) {
          from[{place.table, action.chain}].push_back(place);
          continue;
        }
        const bool changing = changes(action);
        traits.changes = traits.changes || changing;
        traits.decides = traits.decides || changing || decides(action);
      }
      if (traits.changes || traits.decides) waiting.push_back(place);
    }
    while (!waiting.empty()) {
      const auto place = waiting.back();
      waiting.pop_back();
      for (const auto& caller : from[place]) {
        auto& traits = traits_.at(caller);
        const auto before = std::pair(traits.changes, traits.decides);
        traits.changes = traits.changes || traits_.at(place).changes;
        traits.decides = traits.decides || traits_.at(place).decides;
        if (before != std::pair(traits.changes, traits.decides)) waiting.push_back(caller);
      }
    }
  }

  bool decides(const RuleAction& action) const {
    using Kind = RuleAction::Kind;
    if (masquerade_drops_ && (action.kind == Kind::masquerade || action.kind == Kind::source_nat))
      return true;
    return action.kind == Kind::drop || action.kind == Kind::reject || action.kind == Kind::queue ||
           action.kind == Kind::destination_nat || action.kind == Kind::redirect ||
           action.kind == Kind::network_map || action.kind == Kind::transparent_proxy ||
           action.kind == Kind::unknown;
  }

  const Model& model_;
  std::map<ChainPlace, ChainTraits> traits_{};
  std::set<Field> read_{};
  std::set<std::string> looked_up_{};
  std::size_t rules_ = 0;
  bool masquerade_drops_ = false;  // what leaves by an interface without an address
  bool saves_ = false;
  bool restores_ = false;
};

std::vector<Hook> hooks_of(Hook hook) {
  switch (hook) {
    case Hook::input:
    case Hook::forward:
      return {Hook::prerouting, Hook::input, Hook::forward, Hook::postrouting};
    case Hook::output:
      return {Hook::output, Hook::postrouting};
    default:
      return {hook};
  }
}

}  // namespace

class VerdictDiagram::Work {
 public:
  Work(const Model& model, VerdictQuestion question)
      : model_(model),
        question_(std::move(question)),
        conditions_(model, question_.packets, question_.order),
        diagrams_(conditions_.diagrams()),
        reach_(model, hooks_of(question_.packets.hook), question_.only_addressed) {
    conditions_.assume(question_.assumed);
    diagrams_.limit(kMostEdges);
  }

  std::optional<Diagram> make() {
    const auto hook = question_.packets.hook;
    PacketState first;
    first.tracked = hook == Hook::postrouting;
    if (question_.packets[Field::state] == NumberSet::one(static_cast<Number>(ConnectionState::fresh)))
      of_new_connection(first);
    // Rules copy the bits of the one to the other.
    for (const auto field : {Field::mark, Field::connection_mark})
      if (const auto& numbers = question_.packets[field]; numbers.is_one())
        first.set(field, FieldValue::among(numbers));
    const auto result = hook == Hook::input || hook == Hook::forward || hook == Hook::prerouting
                            ? arrive(first)
                            : enter(hook, std::move(first));
    if (question_.progress) question_.progress(reach_.rules(), reach_.rules());
    return diagrams_.gave_up() ? std::nullopt : std::optional(result);
  }

  ConditionDiagrams& conditions() { return conditions_; }
  const ConditionDiagrams& conditions() const { return conditions_; }
  const VerdictQuestion& question() const { return question_; }
  const Fate& fate(Leaf leaf) const {
    static const Fate kDrop{.verdict = Verdict::drop};
    static const Fate kReject{.verdict = Verdict::reject};
    if (way_of(leaf) == Way::end) return fates_[state_of(leaf)];
    return way_of(leaf) == Way::reject ? kReject : kDrop;
  }

 private:
  using Kind = RuleAction::Kind;

  // A diagram that is kept while others are made; on a stack.
  class Held {
   public:
    Held(Work& work, Diagram diagram) : work_(work), place_(work.held_.size()) {
      work.held_.push_back(diagram);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { work_.held_.pop_back(); }
    Diagram& operator*() { return work_.held_[place_]; }

   private:
    Work& work_;
    std::size_t place_;
  };

  static void of_new_connection(PacketState& state) {
    const auto same = [&](Field field, Field as) { state.set(field, FieldValue::as_it_came(as)); };
    same(Field::original_source, Field::source);
    same(Field::original_destination, Field::destination);
    same(Field::original_source_port, Field::source_port);
    same(Field::original_destination_port, Field::destination_port);
    same(Field::reply_source, Field::destination);
    same(Field::reply_destination, Field::source);
    same(Field::reply_source_port, Field::destination_port);
    same(Field::reply_destination_port, Field::source_port);
  }

  std::uint32_t number_of(PacketState state) {
    auto key = state.key();
    const auto [place, fresh] = numbers_.emplace(std::move(key), static_cast<std::uint32_t>(states_.size()));
    if (fresh) states_.push_back(std::move(state));
    if (states_.size() > kMostStates) diagrams_.limit(0);
    return place->second;
  }

  // ---- rules

  Diagram end_of(const PacketState& state) {
    Fate fate{.verdict = Verdict::accept,
              .routed = state.routed,
              .to_this_host = state.to_this_host,
              .proxy = state.proxy};
    const auto translated = [&](Field field) -> std::optional<NumberSet> {
      const auto value = state.value(field);
      if (value == FieldValue::as_it_came(field)) return std::nullopt;
      return value.kind == FieldValue::Kind::one_of ? value.numbers : NumberSet{};
    };
    if (state.destination_translated) {
      fate.destination = translated(Field::destination);
      fate.destination_port = translated(Field::destination_port);
    }
    auto found = std::ranges::find(fates_, fate);
    if (fates_.size() > 64) found = fates_.end();  // a double does no harm, a search among thousands does
    if (found == fates_.end()) {
      fates_.push_back(std::move(fate));
      found = std::prev(fates_.end());
    }
    return Diagrams::constant(leaf_of(Way::end, static_cast<std::uint32_t>(found - fates_.begin())));
  }

  PacketState after(const RuleAction& action, std::uint32_t state) const {
    auto changed = states_[state];
    change_state(changed, action);
    return changed;
  }

  Diagram leaf(Way way, std::uint32_t state = 0) const { return Diagrams::constant(leaf_of(way, state)); }

  // What a rule does to packets that match it.
  Diagram done_by(const ModelRule& rule, ChainPlace place, std::uint32_t state) {
    const auto& action = rule.action;
    switch (action.kind) {
      case Kind::accept:
        return leaf(Way::accept, state);
      case Kind::drop:
        return leaf(Way::drop);
      case Kind::reject:
        return leaf(Way::reject);
      case Kind::leave:
        return leaf(Way::fall, state);
      case Kind::jump:
      case Kind::go_to:
        return below(action, place.table, state);
      case Kind::source_nat:
      case Kind::masquerade:
      case Kind::destination_nat:
      case Kind::redirect:
      case Kind::network_map:
        return translated(rule, states_[state]);
      case Kind::transparent_proxy:
        // xt_TPROXY.c drops what has no socket.
        return diagrams_.choose(conditions_.unknown("a program listens for " + action.words),
                                leaf(Way::accept, number_of(after(action, state))), leaf(Way::drop));
      case Kind::queue:
        return diagrams_.choose(conditions_.unknown(action.words + " accepts"), leaf(Way::accept, state),
                                leaf(Way::drop));
      case Kind::unknown:
        return unknown_target(action, state);
      case Kind::none:
        return leaf(Way::next, state);
      default:
        return leaf(Way::next, reach_.changes(action) ? number_of(after(action, state)) : state);
    }
  }

  Diagram unknown_target(const RuleAction& action, std::uint32_t state) {
    const auto accepts = conditions_.unknown(action.words + " accepts");
    const auto drops = conditions_.unknown(action.words + " drops");
    return diagrams_.choose(accepts, leaf(Way::accept, state),
                            diagrams_.choose(drops, leaf(Way::drop), leaf(Way::next, state)));
  }

  // ---- NAT, as the walk has it

  Diagram translated(const ModelRule& rule, PacketState state) {
    const auto& action = rule.action;
    state.translated = true;
    if (state.hook != Hook::prerouting && state.hook != Hook::output) {
      const auto accepted = leaf(Way::accept, number_of(state));
      if (action.kind != Kind::masquerade || question_.only_addressed) return accepted;
      return diagrams_.choose(without_address(state), leaf(Way::drop), accepted);
    }
    state.destination_translated = true;
    if (action.kind == Kind::redirect) return redirected(action, std::move(state));
    if (action.kind == Kind::network_map) {
      auto mapped = state;
      const auto network = destination_network(rule);
      if (network)
        mapped.set_bits(Field::destination, 0, *network ^ action.value);
      else
        mapped.set_bits(Field::destination, action.mask, action.value);
      return to_address(action, state, mapped.value(Field::destination));
    }
    if (action.addresses.empty()) return to_port(action, state, std::nullopt);
    return to_address(action, state, FieldValue::among(action.addresses));
  }

  // The bits that NETMAP changes, where the rule matches one network alone: then all bits of an address show,
  // and conditions behind it are ranges.
  static std::optional<Number> destination_network(const ModelRule& rule) {
    for (const auto& condition : rule.conditions) {
      if (condition.kind != Condition::Kind::in || condition.negated) continue;
      if (condition.field != Field::destination || condition.numbers.empty()) continue;
      const auto first = condition.numbers.ranges().front().first & rule.action.mask;
      if (first == (condition.numbers.ranges().back().last & rule.action.mask)) return first;
    }
    return std::nullopt;
  }

  // The packets that leave by an interface without an address; of a route that nobody knows none.
  Diagram without_address(const PacketState& state) {
    auto result = Diagrams::no();
    if (state.value(Field::out_interface).kind == FieldValue::Kind::unknown) return result;
    for (const auto& interface : model_.facts().interfaces)
      if (model_.facts().masquerade_addresses(interface, model_.family()).empty())
        result = diagrams_.either(result, by_interface(Field::out_interface, interface.name, state));
    return result;
  }

  Diagram by_interface(Field field, const std::string& name, const PacketState& state) {
    return conditions_.diagram(field, NumberSet::one(interface_number(name)), state,
                               format("{} {}", rewall::words_of(field), name));
  }

  Diagram redirected(const RuleAction& action, PacketState state) {
    const auto family = model_.family();
    const auto& facts = model_.facts();
    if (state.hook == Hook::output)
      return to_address(action, state,
                        FieldValue::one(family == Family::ipv4 ? Number{0x7f000001} : Number{1}));
    state.to_this_host = true;
    if (!facts.known) return to_port(action, state, FieldValue::nobody_knows());
    auto result = to_port(action, state, FieldValue::among(facts.local(family)));
    const bool asked = reach_.reads(Field::destination) || reach_.reads(Field::reply_source);
    for (const auto& interface : facts.interfaces) {
      const auto own = redirect_addresses(interface, family);
      if (own.empty() ? question_.only_addressed : !asked) continue;
      const auto by_one = own.empty() ? leaf(Way::drop) : to_port(action, state, FieldValue::among(own));
      result = diagrams_.choose(by_interface(Field::in_interface, interface.name, state), by_one, result);
    }
    return result;
  }

  // Where the address stays what it was, OUTPUT needs no new routing.
  Diagram to_address(const RuleAction& action, const PacketState& state, const FieldValue& address) {
    if (state.hook != Hook::output) return to_port(action, state, address);
    return diagrams_.choose(address_stays(action, state, address), to_port(action, state, std::nullopt),
                            to_port(action, state, address));
  }

  Diagram address_stays(const RuleAction& action, const PacketState& state, const FieldValue& address) {
    if (action.kind == Kind::network_map)
      return conditions_.diagram(field_masked(Field::destination, action.mask, action.value), state, nullptr);
    if (address.kind != FieldValue::Kind::one_of || !address.numbers.is_one()) return Diagrams::no();
    return conditions_.diagram(Field::destination, address.numbers, state, {});
  }

  // get_unique_tuple() of nf_nat_core.c: a port in the range stays, and ICMP has none.
  Diagram to_port(const RuleAction& action, const PacketState& state,
                  const std::optional<FieldValue>& address) {
    const auto same_port = sent_to(action, state, address, false);
    if (action.ports.empty()) return same_port;
    auto result = sent_to(action, state, address, true);
    if (!action.ports.is_one() && !action.port_base && !action.shuffles)
      result = diagrams_.choose(conditions_.diagram(Field::destination_port, action.ports, state, {}),
                                same_port, result);
    const auto icmp = conditions_.diagram(Field::protocol, NumberSet({{1, 1}, {58, 58}}), state, {});
    return diagrams_.choose(icmp, same_port, result);
  }

  // The connection has the status DNAT where something became another.
  Diagram sent_to(const RuleAction& action, const PacketState& before,
                  const std::optional<FieldValue>& address, bool moves_port) {
    auto after = before;
    auto stays = Diagrams::yes();
    if (address) {
      stays = address_stays(action, before, *address);
      after.set(Field::destination, *address);
      after.set(Field::reply_source, *address);
    }
    if (moves_port) {
      const auto port = FieldValue::among(action.ports);
      if (action.ports.is_one())
        stays = diagrams_.both(stays, conditions_.diagram(Field::destination_port, action.ports, before, {}));
      else
        stays = Diagrams::no();
      after.set(Field::destination_port, port);
      after.set(Field::reply_source_port, port);
    }
    const auto unchanged = number_of(after);
    if (!reach_.reads(Field::status)) return leaf(Way::accept, unchanged);
    after.set_bits(Field::status, dnat, dnat);
    return diagrams_.choose(stays, leaf(Way::accept, unchanged), leaf(Way::accept, number_of(after)));
  }

  Diagram below(const RuleAction& action, std::size_t table, std::uint32_t state) {
    const ChainPlace to{table, action.chain};
    const auto result = tail(to, 0, state);
    if (action.kind == Kind::go_to) return result;
    if (!reach_.traits(to).changes)
      return diagrams_.replace(result, leaf_of(Way::fall, state), leaf(Way::next, state));
    return diagrams_.translate(
        result, [](Leaf at) { return way_of(at) == Way::fall ? leaf_of(Way::next, state_of(at)) : at; });
  }

  Diagram of_rule(ChainPlace place, std::size_t number, std::uint32_t state) {
    const auto& rule = model_.rule(place.table, place.chain, number);
    const auto next = leaf(Way::next, state);
    if (rule.action.kind == Kind::none) return next;
    auto asked = conditions_.asked(rule.conditions, states_[state], &rule);
    if (asked.never) return next;
    if (asked.others.empty() && rule.action.kind != Kind::jump && rule.action.kind != Kind::go_to) {
      const auto does = done_by(rule, place, state);
      if (Diagrams::is_constant(does)) {
        Diagram result = does;
        for (auto test = asked.tests.rbegin(); test != asked.tests.rend(); ++test)
          result = diagrams_.test(test->first, test->second, result, next);
        return result;
      }
    }
    Held matches(*this, conditions_.diagram(asked));
    const auto does = done_by(rule, place, state);
    return diagrams_.choose(*matches, does, next);
  }

  // The rules of a chain from one on, as a balanced tree of neighbours. Behind a rule that leaves packets in
  // several states, the rest is made for each of them.
  Diagram tail(ChainPlace place, std::size_t from, std::uint32_t state) {
    const auto key = format("{}.{}.{}.{}", place.table, place.chain, from, state);
    if (const auto known = tails_.find(key); known != tails_.end()) return known->second;
    tails_.emplace(key, leaf(Way::fall, state));  // for a chain that leads to itself
    if (++depth_ > kDeepestTail) diagrams_.limit(0);
    const auto result = depth_ > kDeepestTail ? Diagrams::no() : new_tail(place, from, state);
    --depth_;
    tails_[key] = result;
    return result;
  }

  Diagram new_tail(ChainPlace place, std::size_t from, std::uint32_t state) {
    const auto next = leaf_of(Way::next, state);
    const auto count = model_.tables()[place.table].table->chains[place.chain].rules.size();
    const auto base = held_.size();
    std::vector<std::size_t> sizes;
    Diagram last = leaf(Way::fall, state);
    for (auto number = from; number < count && !diagrams_.gave_up(); ++number) {
      tell();
      auto one = of_rule(place, number, state);
      if (one == Diagrams::constant(next)) continue;
      if (parts_ways(place, number) && has_other_state(one, state)) {
        last = with_each_tail(one, place, number + 1);
        break;
      }
      held_.push_back(one);
      sizes.push_back(1);
      while (sizes.size() > 1 && sizes[sizes.size() - 2] <= sizes.back()) merge(sizes, next);
      if (Diagrams::is_constant(held_.back()) && held_.back() != Diagrams::constant(next)) {
        last = held_.back();
        break;
      }
      sweep();
    }
    for (; held_.size() > base; held_.pop_back()) last = diagrams_.replace(held_.back(), next, last);
    return last;
  }

  void merge(std::vector<std::size_t>& sizes, Leaf next) {
    const auto behind = held_.back();
    held_.pop_back();
    held_.back() = diagrams_.replace(held_.back(), next, behind);
    sizes[sizes.size() - 2] += sizes.back();
    sizes.pop_back();
  }

  bool parts_ways(ChainPlace place, std::size_t number) const {
    const auto& action = model_.rule(place.table, place.chain, number).action;
    if (action.kind == Kind::jump) return reach_.traits({place.table, action.chain}).changes;
    return reach_.changes(action);
  }

  bool has_other_state(Diagram f, std::uint32_t state) const {
    const auto leaves = diagrams_.leaves(f);
    return std::ranges::any_of(leaves,
                               [state](Leaf at) { return way_of(at) == Way::next && state_of(at) != state; });
  }

  template <class Of>
  Diagram for_each_state(Diagram f, Way way, const Of& of) {
    Held all(*this, f);
    const auto base = held_.size();
    std::vector<Leaf> leaves;
    for (const auto at : diagrams_.leaves(f))
      if (way_of(at) == way) leaves.push_back(at);
    for (const auto at : leaves) {
      const auto made = of(state_of(at));
      held_.push_back(made);
    }
    std::map<Leaf, Diagram> by;
    for (std::size_t i = 0; i < leaves.size(); ++i) by.emplace(leaves[i], held_[base + i]);
    held_.resize(base);
    return by.empty() ? *all : diagrams_.replace(*all, by);
  }

  Diagram with_each_tail(Diagram f, ChainPlace place, std::size_t from) {
    return for_each_state(f, Way::next, [&](std::uint32_t state) { return tail(place, from, state); });
  }

  void tell() {
    if (++done_ % kToldEach == 0 && question_.progress)
      question_.progress(std::min(done_, reach_.rules()), reach_.rules());
  }

  void sweep() {
    if (diagrams_.total_edges() < next_sweep_) return;
    auto roots = conditions_.kept();
    for (auto& one : held_) roots.push_back(&one);
    for (auto* all : {&tails_, &stops_})
      for (auto& [key, diagram] : *all) roots.push_back(&diagram);
    diagrams_.keep(roots);
    next_sweep_ = std::max(kFirstSweep, diagrams_.total_edges() * 2);
  }

  // ---- the way from hook to hook

  // What comes in over lo passed OUTPUT before: it has its connection and its translation.
  Diagram arrive(const PacketState& state) {
    auto over_lo = state;
    over_lo.tracked = true;
    over_lo.over_loopback = true;
    Held is(*this,
            conditions_.diagram(Field::in_interface, NumberSet::one(interface_number("lo")), state, "-i lo"));
    if (*is == Diagrams::no()) return enter(Hook::prerouting, state);
    Held result(*this, enter(Hook::prerouting, std::move(over_lo)));
    if (*is == Diagrams::yes()) return *result;
    const auto otherwise = enter(Hook::prerouting, state);
    return diagrams_.choose(*is, *result, otherwise);
  }

  Diagram enter(Hook hook, PacketState state) {
    state.hook = hook;
    state.translated = false;
    const auto has_none = [&](std::initializer_list<Field> fields) {
      for (const auto field : fields) state.set(field, FieldValue::one(0));
    };
    if (hook == Hook::prerouting || hook == Hook::input) has_none({Field::out_interface, Field::bridge_out});
    if (hook == Hook::output) has_none({Field::in_interface, Field::bridge_in});
    // ip_local_deliver() puts fragments together before the hook.
    if (hook == Hook::input && model_.family() == Family::ipv4) has_none({Field::fragment});
    // Before connection tracking a packet has no connection (raw).
    if ((hook == Hook::prerouting || hook == Hook::output) && !state.tracked)
      state.set(Field::state, FieldValue::one(static_cast<Number>(ConnectionState::invalid)));
    if (hook == Hook::forward) {
      state.routed = true;
      state.set(Field::bridge_out, FieldValue::as_it_came(Field::bridge_out));
      // Where no link has the destination, it leaves by the interface that the packet says.
      return by_new_route(state, {}, FieldValue::as_it_came(Field::out_interface));
    }
    return from_station(hook, 0, number_of(std::move(state)));
  }

  // ip_forward() of ip_forward.c: what has no hop left ends, and what everybody on the link hears
  Diagram forward(PacketState state) {
    Held ended(*this, conditions_.diagram(Field::ttl, NumberSet::range(0, 1), state, "--ttl-lt 2"));
    Held unicast(*this,
                 conditions_.diagram(Field::packet_type, NumberSet::one(0), state, "--pkt-type unicast"));
    state.add(Field::ttl, -1);
    Held goes_on(*this, from_station(Hook::forward, 0, number_of(std::move(state))));
    *goes_on = diagrams_.choose(*unicast, *goes_on, leaf(Way::drop));
    return diagrams_.choose(*ended, leaf(Way::drop), *goes_on);
  }

  // Out by the interface on whose link the destination is that NAT made; to `local` by lo.
  Diagram by_new_route(const PacketState& state, const NumberSet& local, const FieldValue& otherwise) {
    const auto go = [&](const FieldValue& out) {
      auto one = state;
      one.set(Field::out_interface, out);
      return state.hook == Hook::forward ? forward(std::move(one)) : enter(Hook::postrouting, std::move(one));
    };
    const auto to = state.value(Field::destination);
    const bool is_new = to != FieldValue::as_it_came(Field::destination);
    if (!is_new || to.kind != FieldValue::Kind::masked) return go(interface_towards(to, local, otherwise));
    std::vector<std::pair<Number, NumberSet>> ways{{interface_number("lo"), local}};
    for (const auto& interface : model_.facts().interfaces)
      ways.emplace_back(
          interface_number(interface.name),
          NumberSet(model_.family() == Family::ipv4 ? interface.v4_networks : interface.v6_networks));
    Held result(*this, go(otherwise));
    for (auto way = ways.rbegin(); way != ways.rend(); ++way) {
      Held is(*this, conditions_.diagram(Field::destination, way->second, state, {}));
      if (*is == Diagrams::no()) continue;
      const auto by_it = go(FieldValue::one(way->first));
      *result = diagrams_.choose(*is, by_it, *result);
    }
    return *result;
  }

  FieldValue interface_towards(const FieldValue& to, const NumberSet& local,
                               const FieldValue& otherwise) const {
    if (to.kind != FieldValue::Kind::one_of) return otherwise;
    if (!both(to.numbers, local).empty())
      return without(to.numbers, local).empty() ? FieldValue::one(interface_number("lo")) : otherwise;
    auto found = model_.facts().interfaces_towards(to.numbers, model_.family());
    return found.empty() ? otherwise : FieldValue::among(std::move(found));
  }

  Diagram from_station(Hook hook, std::size_t number, std::uint32_t state) {
    const auto key = format("{}.{}.{}", static_cast<int>(hook), number, state);
    if (const auto known = stops_.find(key); known != stops_.end()) return known->second;
    const auto result = new_from_station(hook, number, state);
    stops_[key] = result;
    return result;
  }

  Diagram new_from_station(Hook hook, std::size_t number, std::uint32_t state) {
    const auto& stations = model_.stations(hook);
    const bool at_end = number == stations.size();
    if (!states_[state].tracked && (at_end || stations[number].priority > kTrackingPriority))
      return from_station(hook, number, number_of(tracked(states_[state])));
    if (at_end) return behind(hook, state);
    const auto& station = stations[number];
    if (!station.native.empty()) return native(station, number, state);
    if (passes(station, state)) return from_station(hook, number + 1, state);
    const auto all = of_station(station, state);
    return for_each_state(all, Way::accept,
                          [&](std::uint32_t after) { return from_station(hook, number + 1, after); });
  }

  bool passes(const Station& station, std::uint32_t number) const {
    const auto& state = states_[number];
    const auto& chain = model_.tables()[station.table].table->chains[station.chain];
    if (chain.policy != "DROP" && !reach_.traits({station.table, station.chain}).decides) return true;
    if (model_.tables()[station.table].name() != "nat") return false;
    // What comes in over lo was translated on its way out.
    return question_.without_translation || state.not_tracked || state.translated ||
           (state.over_loopback && (station.hook == Hook::prerouting || station.hook == Hook::input));
  }

  Diagram of_station(const Station& station, std::uint32_t state) {
    const auto& chain = model_.tables()[station.table].table->chains[station.chain];
    const ChainPlace place{station.table, station.chain};
    const auto all = tail(place, 0, state);
    const bool drops = chain.policy == "DROP";
    if (!reach_.traits(place).changes)
      return diagrams_.replace(all, leaf_of(Way::fall, state),
                               drops ? leaf(Way::drop) : leaf(Way::accept, state));
    return diagrams_.translate(all, [drops](Leaf at) {
      if (way_of(at) != Way::fall) return at;
      return drops ? leaf_of(Way::drop) : leaf_of(Way::accept, state_of(at));
    });
  }

  // What raw said of it holds.
  static PacketState tracked(PacketState state) {
    state.tracked = true;
    if (!state.not_tracked) state.set(Field::state, FieldValue::as_it_came(Field::state));
    return state;
  }

  Diagram native(const Station& station, std::size_t number, std::uint32_t state) {
    Held rest(*this, from_station(station.hook, number + 1, state));
    if (station.changes) {
      const auto takes = conditions_.unknown(station.native + " changes it or takes it");
      const auto accepts = conditions_.unknown(station.native + " accepts it then");
      *rest =
          diagrams_.choose(takes, diagrams_.choose(accepts, end_of(states_[state]), leaf(Way::drop)), *rest);
    }
    if (station.rejects)
      *rest = diagrams_.choose(conditions_.unknown(station.native + " rejects"), leaf(Way::reject), *rest);
    if (station.drops)
      *rest = diagrams_.choose(conditions_.unknown(station.native + " drops"), leaf(Way::drop), *rest);
    return *rest;
  }

  Diagram behind(Hook hook, std::uint32_t state) {
    switch (hook) {
      case Hook::prerouting:
        return question_.packets.hook == Hook::prerouting ? end_of(states_[state]) : route(state);
      case Hook::forward:
        return enter(Hook::postrouting, states_[state]);
      case Hook::output:
        return leave(states_[state]);
      default:
        return end_of(states_[state]);
    }
  }

  // Behind OUTPUT a packet is routed again where its mark, type of service or destination changed.
  Diagram leave(PacketState state) {
    if (!reach_.reads(Field::out_interface)) return enter(Hook::postrouting, std::move(state));
    if (state.value(Field::destination) != FieldValue::as_it_came(Field::destination))
      return by_new_route(state, model_.parts().local, FieldValue::nobody_knows());
    if (!model_.facts().may_route_by_mark()) return enter(Hook::postrouting, std::move(state));
    Held stays(*this, diagrams_.both(as_it_came(Field::mark, state), as_it_came(Field::tos, state)));
    if (*stays == Diagrams::yes()) return enter(Hook::postrouting, std::move(state));
    Held same_way(*this, enter(Hook::postrouting, state));
    state.set(Field::out_interface, FieldValue::nobody_knows());
    const auto other_way = enter(Hook::postrouting, std::move(state));
    return diagrams_.choose(*stays, *same_way, other_way);
  }

  // The packets whose field no rule made another.
  Diagram as_it_came(Field field, const PacketState& state) {
    const auto value = state.value(field);
    const auto all = greatest_number(number_of_bits(field, model_.family()));
    const auto is = [&](Number mask, Number number) {
      return conditions_.diagram(field_masked(field, mask, number), PacketState{}, nullptr);
    };
    if (value.kind == FieldValue::Kind::one_of && value.numbers.is_one())
      return is(all, value.numbers.ranges().front().first);
    if (value.kind != FieldValue::Kind::masked || value.of != field || value.shift != 0 ||
        (value.flip & value.keep & all) != 0)
      return Diagrams::no();
    return is(all & ~value.keep, all & value.flip);
  }

  // The routing decision behind PREROUTING.
  Diagram route(std::uint32_t number) {
    const auto to = states_[number].value(Field::destination);
    const bool as_asked = to == FieldValue::as_it_came(Field::destination);
    const bool arrives_anyway = as_asked && question_.packets.hook == Hook::input;
    if (!states_[number].proxy.empty() && !arrives_anyway) return route_to_proxy(states_[number]);
    if (states_[number].to_this_host) return enter(Hook::input, states_[number]);
    if (as_asked) return enter(question_.packets.hook, states_[number]);
    if (model_.family() != Family::ipv4) return route_new(states_[number]);
    // ip_route_input_slow() of route.c takes loopback addresses from no link.
    const auto loopbacks = loopback_addresses(Family::ipv4);
    Held loopback(*this, conditions_.diagram(Field::destination, loopbacks, states_[number],
                                             "a new destination of 127.0.0.0/8"));
    Held otherwise(*this, *loopback == Diagrams::yes() ? Diagrams::no()
                                                       : route_new(to_none_of(loopbacks, states_[number])));
    if (*loopback == Diagrams::no()) return *otherwise;
    Held arrives(*this, enter(Hook::input, to_one_of(loopbacks, states_[number])));
    *arrives = diagrams_.choose(conditions_.unknown("sysctl route_localnet"), *arrives, leaf(Way::drop));
    return diagrams_.choose(*loopback, *arrives, *otherwise);
  }

  // Rules of routing that ask for its mark take it to this host.
  Diagram route_to_proxy(const PacketState& state) {
    auto otherwise = state;
    otherwise.proxy.clear();
    Held routed(*this, route(number_of(std::move(otherwise))));
    if (!model_.facts().may_route_by_mark()) return *routed;
    const auto proxied = enter(Hook::input, state);
    return diagrams_.choose(conditions_.unknown("routing takes it to this host after " + state.proxy),
                            proxied, *routed);
  }

  Diagram route_new(const PacketState& state) {
    Held local(*this, is_local(state, state.value(Field::destination)));
    if (*local == Diagrams::yes()) return enter(Hook::input, state);
    const bool known = model_.facts().known;
    const auto& arriving = model_.parts().arriving;
    Held routed(*this, enter(Hook::forward, known ? to_none_of(arriving, state) : state));
    if (*local == Diagrams::no()) return *routed;
    const auto arrives = enter(Hook::input, known ? to_one_of(arriving, state) : state);
    return diagrams_.choose(*local, arrives, *routed);
  }

  // What the routing found out of a destination that NAT chose among several.
  static PacketState to_one_of(const NumberSet& addresses, PacketState state) {
    const auto to = state.value(Field::destination);
    if (to.kind != FieldValue::Kind::one_of || both(to.numbers, addresses).empty()) return state;
    const auto narrowed = FieldValue::among(both(to.numbers, addresses));
    if (state.value(Field::reply_source) == to) state.set(Field::reply_source, narrowed);
    state.set(Field::destination, narrowed);
    return state;
  }
  static PacketState to_none_of(const NumberSet& addresses, const PacketState& state) {
    return to_one_of(without(NumberSet::all(128), addresses), state);
  }

  Diagram is_local(const PacketState& state, const FieldValue& to) {
    const auto family = model_.family();
    const auto words = to.kind == FieldValue::Kind::one_of
                           ? addresses_text(to.numbers, family) + " is an address of this host"
                           : std::string("the new destination is an address of this host");
    if (model_.facts().known)
      return conditions_.diagram(Field::destination, model_.parts().arriving, state, words);
    if (to.kind == FieldValue::Kind::one_of && without(to.numbers, loopback_addresses(family)).empty())
      return Diagrams::yes();
    return conditions_.unknown(words);
  }

  const Model& model_;
  VerdictQuestion question_;
  ConditionDiagrams conditions_;
  Diagrams& diagrams_;
  Reach reach_;
  std::deque<PacketState> states_{};
  std::unordered_map<std::string, std::uint32_t> numbers_{};
  std::vector<Fate> fates_{};
  std::deque<Diagram> held_{};
  std::unordered_map<std::string, Diagram> tails_{};
  std::unordered_map<std::string, Diagram> stops_{};
  unsigned depth_ = 0;
  std::size_t done_ = 0;
  std::size_t next_sweep_ = kFirstSweep;
};

VerdictDiagram::VerdictDiagram(const Model& model, VerdictQuestion question)
    : work_(std::make_unique<Work>(model, std::move(question))) {}
VerdictDiagram::VerdictDiagram(VerdictDiagram&&) noexcept = default;
VerdictDiagram& VerdictDiagram::operator=(VerdictDiagram&&) noexcept = default;
VerdictDiagram::~VerdictDiagram() = default;

std::optional<Diagram> VerdictDiagram::make() {
  return work_->make();
}

Diagrams& VerdictDiagram::diagrams() {
  return work_->conditions().diagrams();
}

const Fate& VerdictDiagram::fate(Leaf leaf) const {
  return work_->fate(leaf);
}

Family VerdictDiagram::family() const {
  return work_->question().packets.family;
}

std::size_t VerdictDiagram::level_of(Field field) const {
  return work_->conditions().level_of(field);
}

std::optional<Field> VerdictDiagram::field_of(std::size_t level) const {
  return work_->conditions().field_of(level);
}

const std::string& VerdictDiagram::words_of(std::size_t level) const {
  return work_->conditions().words_of(level);
}

std::vector<std::pair<std::string, const NumberSet*>> VerdictDiagram::source_sets() const {
  return work_->conditions().source_sets();
}

const NumberSet& VerdictDiagram::asked(Field field) const {
  return work_->question().packets[field];
}

}  // namespace rewall
