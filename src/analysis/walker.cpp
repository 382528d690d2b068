#include "analysis/walker.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "analysis/packet_state.h"
#include "analysis/stations.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

// Deeper than any kernel goes: NFT_JUMP_STACK_SIZE of net/netfilter/nf_tables_api.c is 16.
constexpr std::size_t kMostNested = 10000;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t number) {
  hash = (hash ^ number) * 0xff51afd7ed558ccdU;
  return hash ^ (hash >> 32U);
}

std::uint64_t key_of(const WalkQuestion& question) {
  auto hash = mixed(static_cast<std::uint64_t>(question.kind) + 7, question.variable);
  const auto add = [&hash](Number number) {
    hash = mixed(mixed(hash, static_cast<std::uint64_t>(number)), static_cast<std::uint64_t>(number >> 64U));
  };
  add(question.mask);
  add(question.value);
  if (question.numbers) {
    for (const auto& range : question.numbers->ranges()) {
      add(range.first);
      add(range.last);
    }
  }
  return hash == 0 ? 1 : hash;
}

// Where the translation was made that is taken back of a reply at the hook.
Hook other_end(Hook hook) {
  switch (hook) {
    case Hook::prerouting:
      return Hook::postrouting;
    case Hook::output:
      return Hook::input;
    case Hook::postrouting:
      return Hook::prerouting;
    default:
      return Hook::output;
  }
}

const NumberSet& numbers_of_state(ConnectionState state) {
  static const std::array<NumberSet, 5> sets = {NumberSet::one(0), NumberSet::one(1), NumberSet::one(2),
                                                NumberSet::one(3), NumberSet::one(4)};
  return sets[static_cast<std::size_t>(state)];
}

}  // namespace

Walker::Walker(const Model& model, const Packet& packet, Options options)
    : model_(model),
      parts_(model.parts()),
      asked_(packet),
      options_(options),
      evaluator_(parts_, packet.family) {}

void Walker::run() {
  WalkState first;
  // Whoever has a header of ports, flags or types is no fragment behind the first; and conntrack puts
  // fragments together (nf_defrag_ipv4).
  const auto narrowed = [this](Field field) { return asked_[field] != whole(field, asked_.family); };
  if (!narrowed(Field::fragment) &&
      (narrowed(Field::source_port) || narrowed(Field::destination_port) || narrowed(Field::tcp_flags) ||
       narrowed(Field::icmp_type) || narrowed(Field::icmp_code) || parts_.tracks()))
    asked_[Field::fragment] = NumberSet::one(0);
  // What this host sends has the type of a new packet (alloc_skb).
  if (asked_.hook == Hook::output && !narrowed(Field::packet_type))
    asked_[Field::packet_type] = NumberSet::one(0);
  evaluator_.start(first, asked_);
  for (const auto& field : asked_.fields) {
    if (!field.empty()) continue;
    nodes_.push_back({});
    end(first, Verdict::accept);
    return;
  }
  first.main = options_.path;
  first.local = asked_.hook == Hook::input;
  first.hook = asked_.hook == Hook::input || asked_.hook == Hook::forward ? Hook::prerouting : asked_.hook;
  // Before conntrack has seen it a packet is INVALID to rules; hooks behind it meet packets it has seen.
  first.tracked = asked_.hook == Hook::postrouting;
  nodes_.push_back({});
  begin_hook(first, first.hook);
  waiting_.push_back(std::move(first));
  while (!waiting_.empty()) {
    auto state = std::move(waiting_.back());
    waiting_.pop_back();
    if (ways_ >= options_.most_ways || looks_ >= options_.most_looks) {
      bounded_ = true;
      end(state, Verdict::depends);
      continue;
    }
    glimpse_.fresh = false;
    while (advance(state) == Next::go) {
    }
  }
}

Walker::Next Walker::advance(WalkState& state) {
  return state.in_chain ? step(state) : enter(state);
}

// ---- hooks and stations

Walker::Next Walker::begin_hook(WalkState& state, Hook hook) {
  state.hook = hook;
  state.item = 0;
  state.in_chain = false;
  state.translated = false;
  state.nat_begun = false;
  glimpse_.fresh = false;
  const auto show = [&](Field field, bool there) {
    const auto variable = static_cast<std::uint32_t>(field);
    state.set_view(field, there ? View::of_variable(variable) : View::of_constant(0));
  };
  const bool comes_in = hook != Hook::output && (hook != Hook::postrouting || asked_.hook != Hook::output);
  const bool goes_out = hook != Hook::prerouting && hook != Hook::input;
  show(Field::in_interface, comes_in);
  show(Field::bridge_in, comes_in);
  if (!goes_out || !state.new_route) show(Field::out_interface, goes_out);
  show(Field::bridge_out, goes_out);
  // ip_local_deliver() puts fragments together before the hook; IPv6 does so behind it.
  if (hook == Hook::input && asked_.family == Family::ipv4)
    state.set_view(Field::fragment, View::of_constant(0));
  if ((hook == Hook::prerouting || hook == Hook::output) && !state.tracked && !state.untracked)
    state.set_view(Field::state, View::of_constant(static_cast<Number>(ConnectionState::invalid)));
  return Next::go;
}

Walker::Next Walker::enter(WalkState& state) {
  const auto& stations = parts_.stations[static_cast<std::size_t>(state.hook)];
  const bool ended = state.item >= stations.size();
  if (!state.tracked && (ended || stations[state.item].priority > kTrackingPriority)) {
    state.tracked = true;
    if (!state.untracked)
      state.set_view(Field::state, View::of_variable(static_cast<std::uint32_t>(Field::state)));
    glimpse_.fresh = false;
  }
  if (ended) return next_hook(state);
  const auto& station = stations[state.item];
  if (!station.native.empty()) return enter_native(state, station);
  if (parts_.tables[station.table].name() == "nat") return enter_nat(state, station);
  return enter_chain(state, station);
}

Walker::Next Walker::enter_chain(WalkState& state, const Station& station) {
  state.in_chain = true;
  state.table = station.table;
  state.base = station.chain;
  state.chain = station.chain;
  state.place = 0;
  state.nested = 0;
  state.callers = nullptr;
  if (state.main) passed_.clear();
  return Next::go;
}

void Walker::next_item(WalkState& state) {
  state.in_chain = false;
  state.callers = nullptr;
  ++state.item;
}

void Walker::leave_table(WalkState& state) {
  if (state.as_first) {
    state.as_first = false;
    state.views[static_cast<std::size_t>(Field::state)] = state.state_before;
    state.state_before = nullptr;
    glimpse_.fresh = false;
  }
  next_item(state);
}

Walker::Next Walker::enter_native(WalkState& state, const Station& station) {
  WalkQuestion question;
  const auto acts = evaluator_.ask(station.native, 0, state, question);
  if (acts == Truth::open) {
    if (state.main) hangs_on_ = {station.native};
    return fork(state, question);
  }
  if (state.main)
    write(state, Step{.backend = Backend::nft,
                      .hook = state.hook,
                      .table = station.native,
                      .action = station.changes ? "unknown" : (station.drops ? "DROP" : "REJECT"),
                      .perhaps = true,
                      .taken = acts == Truth::yes,
                      .hangs_on = station.native});
  if (acts == Truth::no) {
    next_item(state);
    return Next::go;
  }
  if (station.changes) return end(state, Verdict::depends, station.native);
  if (!station.drops || !station.rejects) return end(state, station.drops ? Verdict::drop : Verdict::reject);
  const auto rejects = evaluator_.ask(station.native + ": reject", 0, state, question);
  if (rejects == Truth::open) return fork(state, question);
  return end(state, rejects == Truth::yes ? Verdict::reject : Verdict::drop);
}

Walker::Next Walker::next_hook(WalkState& state) {
  switch (state.hook) {
    case Hook::prerouting:
      return asked_.hook == Hook::prerouting ? end(state, Verdict::accept) : route(state);
    case Hook::input:
    case Hook::postrouting:
      return end(state, Verdict::accept);
    case Hook::forward:
      return begin_hook(state, Hook::postrouting);
    case Hook::output:
      break;
  }
  // The packet is routed again where a rule changed its mark or destination; -o in OUTPUT stays what it was.
  if (state.new_route || (state.route_again && parts_.facts.may_route_by_mark())) {
    NumberSet any = whole(Field::out_interface, asked_.family);
    std::optional<Number> found;
    const auto destination = evaluator_.number_of_view(state.view(Field::destination), state);
    if (state.new_route && destination) {
      if (parts_.local.contains(*destination))
        found = interface_number("lo");
      else
        found = interface_towards(*destination);
    }
    state.new_route = true;
    state.set_view(Field::out_interface,
                   found ? View::of_constant(*found)
                         : View::of_variable(evaluator_.make_variable(state, "-o behind the new routing",
                                                                      Field::out_interface, std::move(any))));
  }
  return begin_hook(state, Hook::postrouting);
}

// ---- routing

Walker::Next Walker::route(WalkState& state) {
  if (!state.redirected) return route_to(state, state.local);
  if (state.to_self) return route_to(state, true);
  WalkQuestion question;
  const auto& destination = state.view(Field::destination);
  if (asked_.family == Family::ipv4) {
    const auto loopback = evaluator_.test_numbers(destination, Field::destination,
                                                  loopback_addresses(asked_.family), state, question);
    if (loopback == Truth::open) return fork_route(state, question);
    if (loopback == Truth::yes) {
      const auto routed = evaluator_.ask("sysctl route_localnet", 0, state, question);
      if (routed == Truth::open) return fork(state, question);
      if (routed == Truth::yes) return route_to(state, true);
      write_kernel(state, "routing DROP");
      return end(state, Verdict::drop);
    }
  }
  if (!parts_.facts.known) {
    const auto here = evaluator_.ask("the routing behind DNAT", 0, state, question);
    if (here == Truth::open) return fork_route(state, question);
    return route_to(state, here == Truth::yes);
  }
  const auto local =
      evaluator_.test_numbers(destination, Field::destination, parts_.arriving, state, question);
  if (local == Truth::open) return fork_route(state, question);
  return route_to(state, local == Truth::yes);
}

// The kernel chose one of several addresses: the hook that follows hangs on which.
Walker::Next Walker::fork_route(WalkState& state, const WalkQuestion& question) {
  if (!state.main) return fork(state, question);
  const auto questions = nodes_.size();
  const auto next = fork(state, question);
  const bool both =
      nodes_.size() > questions && !nodes_[questions].impossible && !nodes_[questions + 1].impossible;
  if (both)
    write(state, Step{.hook = state.hook,
                      .action = "routing to this host or to another",
                      .perhaps = true,
                      .hangs_on = evaluator_.words(question)});
  return next;
}

Walker::Next Walker::route_to(WalkState& state, bool local) {
  if (!local && !state.hopped) return hop(state);
  if (state.redirected && local != (asked_.hook == Hook::input))
    write_kernel(state, local ? "routing to this host" : "routing to another host");
  if (local) {
    state.local = true;
    return begin_hook(state, Hook::input);
  }
  state.local = false;
  // ip_forward() and ip6_forward() leave what everybody on the link hears.
  const auto types = evaluator_.numbers_of(state.view(Field::packet_type), Field::packet_type, state);
  if (types != whole(Field::packet_type, asked_.family)) {
    WalkQuestion question;
    const auto unicast = evaluator_.test_numbers(state.view(Field::packet_type), Field::packet_type,
                                                 NumberSet::one(0), state, question);
    if (unicast == Truth::open) return fork(state, question);
    if (unicast == Truth::no) {
      write_kernel(state, "routing DROP: no unicast");
      return end(state, Verdict::drop);
    }
  }
  if (asked_.hook == Hook::input || state.redirected) {
    const auto destination = evaluator_.number_of_view(state.view(Field::destination), state);
    const auto found = destination ? interface_towards(*destination) : std::nullopt;
    // Otherwise it leaves by the interface that the packet says, if it says one.
    if (found || asked_.hook == Hook::input) {
      state.new_route = true;
      state.set_view(Field::out_interface,
                     found ? View::of_constant(*found)
                           : View::of_variable(static_cast<std::uint32_t>(Field::out_interface)));
    }
  }
  return begin_hook(state, Hook::forward);
}

std::optional<Number> Walker::interface_towards(Number destination) const {
  const auto found = parts_.facts.interfaces_towards(NumberSet::one(destination), asked_.family);
  return found.empty() ? std::nullopt : std::optional(found.ranges()[0].first);
}

// ip_forward() and ip6_forward() count down before the hook.
Walker::Next Walker::hop(WalkState& state) {
  const auto numbers = evaluator_.numbers_of(state.view(Field::ttl), Field::ttl, state);
  if (numbers == whole(Field::ttl, asked_.family)) {
    // Who says nothing of it means a packet that gets there.
    state.set_view(Field::ttl,
                   View::of_variable(evaluator_.make_variable(state, std::string(words_of(Field::ttl)),
                                                              Field::ttl, NumberSet::range(1, 254))));
    state.hopped = true;
    return Next::go;
  }
  WalkQuestion question;
  const auto dead =
      evaluator_.test_numbers(state.view(Field::ttl), Field::ttl, NumberSet::range(0, 1), state, question);
  if (dead == Truth::open) return fork(state, question);
  if (dead == Truth::yes) {
    write_kernel(state, "routing DROP: time to live exceeded");
    return end(state, Verdict::drop);
  }
  increase(state, Field::ttl, Number{0} - 1);
  state.hopped = true;
  return Next::go;
}

// ---- chains

Walker::Next Walker::step(WalkState& state) {
  return asked_.family == Family::ipv4 ? step_quickly<std::uint32_t>(state) : step_quickly<Number>(state);
}

void Walker::look(const WalkState& state) {
  const auto seen = [&](Field field) { return evaluator_.hull_of(state.view(field), field, state); };
  glimpse_.fresh = true;
  glimpse_.source = seen(Field::source);
  glimpse_.destination = seen(Field::destination);
  glimpse_.source_port = seen(Field::source_port);
  glimpse_.destination_port = seen(Field::destination_port);
  glimpse_.protocol = seen(Field::protocol);
  glimpse_.fragment = seen(Field::fragment);
  glimpse_.states = 0x1f;
  if (state.tracked || state.untracked || state.hook != Hook::prerouting) {
    glimpse_.states = 0;
    const auto states = evaluator_.numbers_of(state.view(Field::state), Field::state, state);
    for (unsigned i = 0; i < 5; ++i)
      if (states.contains(i)) glimpse_.states = static_cast<std::uint8_t>(glimpse_.states | (1U << i));
  }
  glimpse_.in = evaluator_.number_of_view(state.view(Field::in_interface), state);
  glimpse_.out = evaluator_.number_of_view(state.view(Field::out_interface), state);
  glimpse_.in_answers = nullptr;
  glimpse_.out_answers = nullptr;
}

namespace {

Truth meets(NumberRange packet, Number first, Number last, bool negated) {
  if (packet.first >= first && packet.last <= last) return negated ? Truth::no : Truth::yes;
  if (packet.first > last || packet.last < first) return negated ? Truth::yes : Truth::no;
  return Truth::open;
}

Truth worse(Truth a, Truth b) {
  if (a == Truth::no || b == Truth::no) return Truth::no;
  return a == Truth::open || b == Truth::open ? Truth::open : Truth::yes;
}

}  // namespace

template <class AddressNumber>
Truth Walker::quick_test(const WalkState& state, const QuickRule<AddressNumber>& rule) {
  if (!glimpse_.fresh) look(state);
  const auto not_ = [&rule](QuickField bit) { return (rule.negated & bit) != 0; };
  auto truth = meets(glimpse_.source, rule.source_first, rule.source_last, not_(quick_source));
  if (truth == Truth::no) return truth;
  truth = worse(truth, meets(glimpse_.destination, rule.destination_first, rule.destination_last,
                             not_(quick_destination)));
  if (truth == Truth::no) return truth;
  if (rule.protocol != 0) {
    truth = worse(truth, meets(glimpse_.protocol, rule.protocol, rule.protocol, not_(quick_protocol)));
    if (truth == Truth::no) return truth;
  }
  if (rule.header) {
    truth = worse(truth, meets(glimpse_.fragment, 0, 0, false));
    truth = worse(truth, meets(glimpse_.source_port, rule.source_port_first, rule.source_port_last,
                               not_(quick_source_port)));
    truth = worse(truth, meets(glimpse_.destination_port, rule.destination_port_first,
                               rule.destination_port_last, not_(quick_destination_port)));
    if (truth == Truth::no) return truth;
  }
  if ((rule.states & glimpse_.states) == 0) return Truth::no;
  if ((glimpse_.states & ~rule.states) != 0) truth = Truth::open;
  const auto interface = [&](const std::optional<Number>& number, const std::vector<std::uint8_t>*& answers,
                             std::uint32_t pattern, bool negated) {
    if (pattern == 0) return Truth::yes;
    if (!number) return Truth::open;
    if (answers == nullptr || answers->size() < pattern) answers = &parts_.patterns.answers(*number);
    return ((*answers)[pattern - 1] != 0) != negated ? Truth::yes : Truth::no;
  };
  truth = worse(truth, interface(glimpse_.in, glimpse_.in_answers, rule.in_pattern, not_(quick_in)));
  return worse(truth, interface(glimpse_.out, glimpse_.out_answers, rule.out_pattern, not_(quick_out)));
}

template <class AddressNumber>
Walker::Next Walker::step_quickly(WalkState& state) {
  const auto count = parts_.chain(state.table, state.chain).rules.size();
  while (state.place < count) {
    ++looks_;
    const auto& rules = parts_.quick<AddressNumber>(state.table, state.chain, state.place);
    const auto& rule = rules[state.place];
    const auto truth = quick_test(state, rule);
    if (truth == Truth::no) {
      if (state.main && options_.why == Why::yes) write_mismatch(state, state.place);
      ++state.place;
      continue;
    }
    const bool certain = truth == Truth::yes && !rule.more;
    if (certain && !state.main && !rule.ask_action) return act_quickly(state, rule.action, rule.chain);
    return meet_rule(state, certain);
  }
  return end_of_chain(state);
}

Walker::Next Walker::act_quickly(WalkState& state, RuleAction::Kind kind, std::size_t chain) {
  if (kind == RuleAction::Kind::none) {
    ++state.place;
    return Next::go;
  }
  if (kind == RuleAction::Kind::jump || kind == RuleAction::Kind::go_to) {
    if (kind == RuleAction::Kind::jump && !parts_.matters(state.table, chain))
      ++state.place;
    else
      return call(state, chain, kind == RuleAction::Kind::go_to);
    return Next::go;
  }
  return act(state, RuleAction{.kind = kind});
}

Walker::Next Walker::meet_rule(WalkState& state, bool certain) {
  const auto& rule = parts_.rule(state.table, state.chain, state.place);
  auto truth = Truth::yes;
  WalkQuestion question;
  const std::tuple learned(state.tracked, state.settled, state.directed);
  if (!certain) {
    // An unknown is asked last: a rule that cannot match for another reason hangs on nothing.
    for (const auto& condition : rule.conditions) {
      WalkQuestion of_one;
      const auto one = evaluator_.test(condition, state, of_one);
      if (one == Truth::no) {
        truth = one;
        break;
      }
      if (one != Truth::open) continue;
      const bool better = truth == Truth::yes || (question.kind == WalkQuestion::Kind::unknown &&
                                                  of_one.kind != WalkQuestion::Kind::unknown);
      if (better) question = std::move(of_one);
      truth = one;
    }
    // The test can have made the state know of its connection.
    if (learned != std::tuple(state.tracked, state.settled, state.directed)) glimpse_.fresh = false;
  }
  const bool quiet =
      rule.action.kind == RuleAction::Kind::none ||
      (rule.action.kind == RuleAction::Kind::jump && !parts_.matters(state.table, rule.action.chain));
  if (truth == Truth::open && !quiet) {
    if (state.main) hangs_on_.push_back(evaluator_.words(question));
    return fork(state, question);
  }
  if (truth == Truth::open) {
    if (state.main) {
      hangs_on_.push_back(evaluator_.words(question));
      write_rule(state, rule, false);
    }
    ++state.place;
    return Next::go;
  }
  if (truth == Truth::no) {
    if (state.main && !hangs_on_.empty())
      write_rule(state, rule, false);
    else if (state.main && options_.why == Why::yes)
      write_mismatch(state, state.place);
    ++state.place;
    return Next::go;
  }
  if (!state.main) return act(state, rule.action);
  auto passed = passed_;
  const auto hangs = hangs_on_;
  const auto steps = path_.size();
  const auto questions = nodes_.size();
  write_rule(state, rule, true);
  const auto next = act(state, rule.action);
  if (nodes_.size() == questions) return next;
  // The action has a question first: the rule is met again.
  path_.resize(steps);
  passed_ = std::move(passed);
  hangs_on_ = hangs;
  hangs_on_.push_back(asked_last_);
  return next;
}

Walker::Next Walker::call(WalkState& state, std::size_t chain, bool go_to) {
  // The kernel refuses a loop; in a file there can be one.
  if (++state.nested > std::min(parts_.tables[state.table].table->chains.size(), kMostNested))
    return end(state, Verdict::depends, "a loop of chains through " + parts_.chain(state.table, chain).name);
  if (!go_to) {
    const auto before = state.callers ? state.callers->id : 0;
    const auto id = mixed(mixed(before + 1, state.chain), state.place);
    state.callers = std::make_shared<const Caller>(
        Caller{state.chain, state.place + 1, state.nested - 1, id, state.callers});
  }
  state.chain = chain;
  state.place = 0;
  return Next::go;
}

Walker::Next Walker::end_of_chain(WalkState& state) {
  if (state.main && !(state.callers == nullptr)) {
    write(state, Step{.backend = parts_.tables[state.table].backend,
                      .hook = state.hook,
                      .table = std::string(parts_.tables[state.table].name()),
                      .chain = parts_.chain(state.table, state.chain).name,
                      .action = "end of chain"});
  }
  return return_from(state);
}

Walker::Next Walker::return_from(WalkState& state) {
  if (state.callers == nullptr) return policy(state);
  state.chain = state.callers->chain;
  state.place = state.callers->place;
  state.nested = state.callers->nested;
  state.callers = state.callers->before;
  return Next::go;
}

Walker::Next Walker::policy(WalkState& state) {
  const auto& chain = parts_.chain(state.table, state.base);
  if (state.main) {
    write(state, Step{.backend = parts_.tables[state.table].backend,
                      .hook = state.hook,
                      .table = std::string(parts_.tables[state.table].name()),
                      .chain = chain.name,
                      .action = "policy " + chain.policy});
  }
  if (chain.policy == "DROP" && !state.as_first) return end(state, Verdict::drop);
  leave_table(state);
  return Next::go;
}

// ---- actions

Walker::Next Walker::act(WalkState& state, const RuleAction& action) {
  using Kind = RuleAction::Kind;
  switch (action.kind) {
    case Kind::accept:
      leave_table(state);
      return Next::go;
    case Kind::drop:
    case Kind::reject:
      // The table nat meets the first packet of a connection alone.
      if (!state.as_first) return end(state, action.kind == Kind::drop ? Verdict::drop : Verdict::reject);
      leave_table(state);
      return Next::go;
    case Kind::jump:
    case Kind::go_to:
      return call(state, action.chain, action.kind == Kind::go_to);
    case Kind::leave:
      return return_from(state);
    case Kind::queue:
      return queue(state, action);
    case Kind::transparent_proxy:
      return proxy(state, action);
    case Kind::no_track:
      return no_track(state);
    case Kind::save_mark:
    case Kind::restore_mark:
      return copy_mark(state, action);
    case Kind::destination_nat:
    case Kind::source_nat:
    case Kind::masquerade:
    case Kind::redirect:
    case Kind::network_map:
      return translate(state, action);
    case Kind::unknown:
      return end(state, Verdict::depends, action.words);
    case Kind::set_field:
      // In the table raw there is no connection yet, but for what comes over the loopback interface.
      if (action.field == Field::connection_mark) {
        WalkQuestion question;
        const auto tracked = evaluator_.tracked(state, question);
        if (tracked == Truth::open) return fork(state, question);
        if (tracked == Truth::no) break;
      }
      set_bits(state, action.field, action.mask, action.value);
      break;
    case Kind::increase_field:
      increase(state, action.field, action.value);
      break;
    case Kind::spoil_field:
      spoil(state, action);
      break;
    case Kind::set_member:
      state.changed_sets = std::make_shared<const ChangedSet>(ChangedSet{action.set, state.changed_sets});
      break;
    case Kind::none:
      break;
  }
  glimpse_.fresh = false;
  ++state.place;
  return Next::go;
}

Walker::Next Walker::queue(WalkState& state, const RuleAction& action) {
  WalkQuestion question;
  const auto id = state.callers ? state.callers->id : 0;
  const auto passes =
      evaluator_.ask(action.words, mixed(id + 1, reinterpret_cast<std::uintptr_t>(&action)), state, question);
  if (passes == Truth::open) {
    question.usual = true;
    return fork(state, question);
  }
  if (passes == Truth::no) return end(state, Verdict::drop);
  leave_table(state);
  return Next::go;
}

// xt_TPROXY.c drops what has no socket.
Walker::Next Walker::proxy(WalkState& state, const RuleAction& action) {
  WalkQuestion question;
  const auto socket = evaluator_.ask(action.words, 0, state, question);
  if (socket == Truth::open) {
    question.usual = true;
    return fork(state, question);
  }
  if (socket == Truth::no) return end(state, Verdict::drop);
  set_bits(state, Field::mark, action.mask, action.value);
  glimpse_.fresh = false;
  leave_table(state);
  return Next::go;
}

// A packet that has a connection already keeps it (xt_CT.c).
Walker::Next Walker::no_track(WalkState& state) {
  WalkQuestion question;
  const auto tracked = evaluator_.tracked(state, question);
  if (tracked == Truth::open) return fork(state, question);
  if (tracked == Truth::no && !state.untracked) {
    state.untracked = true;
    state.set_view(Field::state, View::of_constant(static_cast<Number>(ConnectionState::untracked)));
  }
  glimpse_.fresh = false;
  ++state.place;
  return Next::go;
}

void Walker::set_bits(WalkState& state, Field field, Number mask, Number value) {
  auto view = state.view(field);
  for (auto& term : view.terms) term.mask &= ~mask;
  std::erase_if(view.terms, [&](const View::Term& term) {
    return (term.mask & greatest_number(number_of_bits(field, asked_.family))) == 0;
  });
  view.constant = (view.constant & ~mask) ^ value;
  const bool marks = field == Field::mark || field == Field::tos;
  if (state.hook == Hook::output && marks && !same(state, view, state.view(field))) state.route_again = true;
  state.set_view(field, std::move(view));
}

Walker::Next Walker::copy_mark(WalkState& state, const RuleAction& action) {
  WalkQuestion question;
  if (evaluator_.prepare(Field::connection_mark, state, question) == Truth::open)
    return fork(state, question);
  const auto none = evaluator_.test_numbers(state.view(Field::state), Field::state,
                                            NumberSet({{0, 0}, {4, 4}}), state, question);
  if (none == Truth::open) return fork(state, question);
  if (none == Truth::no) {
    const bool saves = action.kind == RuleAction::Kind::save_mark;
    const auto to = saves ? Field::connection_mark : Field::mark;
    const auto keep = ~(saves ? action.mask : action.second_mask);
    const auto take = saves ? action.second_mask : action.mask;
    auto view = state.view(to);
    const auto from = state.view(saves ? Field::mark : Field::connection_mark);
    view.constant = (view.constant & keep) ^ (from.constant & take);
    for (auto& term : view.terms) term.mask &= keep;
    for (auto term : from.terms) {
      term.mask &= take;
      view.terms.push_back(term);
    }
    std::erase_if(view.terms, [](const View::Term& term) { return (term.mask & 0xffffffff) == 0; });
    if (to == Field::mark && state.hook == Hook::output && !same(state, view, state.view(to)))
      state.route_again = true;
    state.set_view(to, std::move(view));
  }
  glimpse_.fresh = false;
  ++state.place;
  return Next::go;
}

void Walker::increase(WalkState& state, Field field, Number by) {
  const auto bits = number_of_bits(field, asked_.family);
  const auto most = greatest_number(bits);
  const bool down = (by >> 127U) != 0;
  const auto moved = [&](Number number) {
    if (down) return number > Number{0} - by ? number + by : Number{0};
    return std::min<Number>(number + by, most);
  };
  if (const auto number = evaluator_.number_of_view(state.view(field), state)) {
    state.set_view(field, View::of_constant(moved(*number)));
    return;
  }
  std::vector<NumberRange> ranges;
  const auto before = evaluator_.numbers_of(state.view(field), field, state);
  for (const auto& range : before.ranges()) ranges.push_back({moved(range.first), moved(range.last)});
  state.set_view(field, View::of_variable(evaluator_.make_variable(state, std::string(words_of(field)), field,
                                                                   NumberSet(std::move(ranges)))));
}

void Walker::spoil(WalkState& state, const RuleAction& action) {
  WalkQuestion question;
  if (adds_segment_size(action) &&
      evaluator_.test_bits(state.view(Field::tcp_option), Field::tcp_option, kSegmentSizeOption,
                           kSegmentSizeOption, state, question) == Truth::yes)
    return;
  for (const auto field : changed_by(action))
    state.set_view(field, View::of_variable(evaluator_.make_variable(state, action.words, field,
                                                                     whole(field, asked_.family))));
  if (action.field == Field::mark && state.hook == Hook::output) state.route_again = true;
  if (action.field == Field::destination && state.hook == Hook::prerouting) state.redirected = true;
}

// ---- forks and ends

Walker::Next Walker::fork(WalkState& state, const WalkQuestion& question) {
  const auto at = state.node;
  if (ways_ >= options_.most_ways) {
    bounded_ = true;
    write_kernel(state, "too many ways: not followed further");
    return end(state, Verdict::depends);
  }
  const auto no = nodes_.size();
  nodes_.push_back({});
  nodes_.push_back({});
  nodes_[at].question = key_of(question);
  nodes_[at].words = evaluator_.words(question);
  asked_last_ = nodes_[at].words;
  nodes_[at].no = no;
  nodes_[at].yes = no + 1;
  glimpse_.fresh = false;
  auto other = state;
  other.node = question.usual ? no : no + 1;
  state.node = question.usual ? no + 1 : no;
  other.main = false;
  const bool other_lives = evaluator_.apply(question, !question.usual, other);
  const bool lives = evaluator_.apply(question, question.usual, state);
  if (!other_lives) nodes_[other.node].impossible = true;
  if (!lives) nodes_[state.node].impossible = true;
  if (!lives) {
    other.main = state.main;
    if (!other_lives) return Next::done;
    state = std::move(other);
    return Next::go;
  }
  if (other_lives) {
    ++ways_;
    waiting_.push_back(std::move(other));
  }
  return Next::go;
}

Walker::Next Walker::end(WalkState& state, Verdict verdict, const std::string& words) {
  auto& node = nodes_[state.node];
  node.leaf = true;
  node.verdict = verdict;
  node.words = words;
  if (state.main) main_packet_ = packet_of(state);
  if (options_.groups) {
    PacketOutcome group{.verdict = verdict, .packet = packet_as_it_came(state), .left = packet_of(state)};
    for (const auto* answer = state.answers.get(); answer != nullptr; answer = answer->before.get())
      group.unknowns.emplace_back(evaluator_.unknown_words(answer->unknown), answer->yes);
    std::ranges::reverse(group.unknowns);
    group.exact = evaluator_.exact(state);
    if (state.in_chain) {
      const bool by_policy = state.place >= parts_.chain(state.table, state.chain).rules.size();
      group.table = state.table;
      group.chain = by_policy ? state.base : state.chain;
      group.pos = by_policy ? 0 : state.place + 1;
    }
    outcomes_.push_back(std::move(group));
  }
  return Next::done;
}

Verdict Walker::verdict() const {
  std::optional<Verdict> found;
  for (const auto& node : nodes_) {
    if (!node.leaf || node.impossible) continue;
    if (found && *found != node.verdict) return Verdict::depends;
    found = node.verdict;
  }
  return found.value_or(Verdict::accept);
}

// A question counts where its two answers lead to different trees.
std::vector<std::string> Walker::depends_on() const {
  if (verdict() != Verdict::depends) return {};
  std::map<std::tuple<std::uint64_t, std::size_t, std::size_t>, std::size_t> trees;
  constexpr std::size_t kNone = SIZE_MAX;
  std::vector<std::size_t> reduced(nodes_.size(), kNone);
  std::set<std::string> names;
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    const auto& node = nodes_[i];
    if (node.impossible) continue;
    if (node.leaf || node.question == 0) {
      reduced[i] = static_cast<std::size_t>(node.verdict);
      if (node.verdict == Verdict::depends && !node.words.empty()) names.insert(node.words);
      continue;
    }
    const auto no = reduced[node.no];
    const auto yes = reduced[node.yes];
    if (no == yes || yes == kNone) {
      reduced[i] = no;
    } else if (no == kNone) {
      reduced[i] = yes;
    } else {
      names.insert(node.words);
      reduced[i] = trees.try_emplace({node.question, no, yes}, trees.size() + 16).first->second;
    }
  }
  return {names.begin(), names.end()};
}

// ---- NAT

Walker::Next Walker::enter_nat(WalkState& state, const Station& station) {
  const auto& chain = parts_.chain(station.table, station.chain);
  const bool destination = state.hook == Hook::prerouting || state.hook == Hook::output;
  const auto skip = [&](std::string why) {
    if (state.main && !chain.rules.empty())
      write(state, Step{.backend = parts_.tables[station.table].backend,
                        .hook = state.hook,
                        .table = "nat",
                        .chain = chain.name,
                        .action = std::move(why)});
    next_item(state);
    return Next::go;
  };
  if (state.translated) return skip("not asked: translated already");
  if (state.untracked) return skip("not asked: the packet is not tracked");
  WalkQuestion question;
  const auto is = [&](ConnectionState each) {
    return evaluator_.test_numbers(state.view(Field::state), Field::state, numbers_of_state(each), state,
                                   question);
  };
  const bool asks = !chain.rules.empty() || chain.policy == "DROP";
  if (state.hook == Hook::prerouting || state.hook == Hook::input) {
    const auto loopback = asks ? evaluator_.from_loopback(state, question) : Truth::no;
    if (loopback == Truth::open) return fork(state, question);
    if (loopback == Truth::yes) return skip("not asked: the packet was translated on its way out");
  }
  const auto fresh = asks ? is(ConnectionState::fresh) : Truth::no;
  if (fresh == Truth::open) return fork(state, question);
  if (fresh == Truth::yes) {
    if (evaluator_.prepare(Field::status, state, question) == Truth::open) return fork(state, question);
    return enter_chain(state, station);
  }
  const auto related = asks ? is(ConnectionState::related) : Truth::no;
  if (related == Truth::open) return fork(state, question);
  if (related == Truth::yes) {
    const auto error =
        evaluator_.test_numbers(state.view(Field::protocol), Field::protocol,
                                NumberSet::one(asked_.family == Family::ipv4 ? 1 : 58), state, question);
    if (error == Truth::open) return fork(state, question);
    if (error == Truth::no) return enter_chain(state, station);
    if (!state.nat_begun) {
      state.nat_begun = true;
      return translate_reply(state, destination);
    }
    return skip("not asked: the packet belongs to a connection");
  }
  const auto established = is(ConnectionState::established);
  if (established == Truth::open) {
    // Nothing here could tell: no rule, and nobody says how the connection is translated.
    const bool told =
        asked_[Field::reply_source] != whole(Field::reply_source, asked_.family) ||
        asked_[Field::reply_destination] != whole(Field::reply_destination, asked_.family) ||
        asked_[Field::original_source] != whole(Field::original_source, asked_.family) ||
        asked_[Field::original_destination] != whole(Field::original_destination, asked_.family);
    if (!asks && !told && !parts_.translates(state.hook) && !parts_.translates(other_end(state.hook)))
      return skip({});
    return fork(state, question);
  }
  if (established == Truth::yes && !state.nat_begun) return translate_connection(state, station);
  return skip(established == Truth::yes ? "not asked: the packet belongs to a connection"
                                        : "not asked: the packet has no connection");
}

Walker::Next Walker::translate_connection(WalkState& state, const Station& station) {
  const bool destination = state.hook == Hook::prerouting || state.hook == Hook::output;
  const auto whole_is = [this](Field field) { return asked_[field] == whole(field, asked_.family); };
  const auto answer = destination ? Field::reply_source : Field::reply_destination;
  const auto back = destination ? Field::original_source : Field::original_destination;
  const auto opposite = other_end(state.hook);
  if (whole_is(answer) && whole_is(back) && !parts_.translates(state.hook) && !parts_.translates(opposite)) {
    state.nat_begun = true;
    return Next::go;
  }
  WalkQuestion question;
  const auto reply = evaluator_.test_numbers(state.view(Field::direction), Field::direction,
                                             NumberSet::one(1), state, question);
  if (reply == Truth::open) return fork(state, question);
  if (evaluator_.prepare(Field::reply_source, state, question) == Truth::open) return fork(state, question);
  state.nat_begun = true;
  if (reply == Truth::yes) {
    if (whole_is(back) && !parts_.translates(opposite)) return Next::go;
    return translate_reply(state, destination);
  }
  if (!whole_is(answer)) {
    rewrite(state, destination ? Field::destination : Field::source, state.view(answer));
    const auto port = destination ? Field::reply_source_port : Field::reply_destination_port;
    if (!whole_is(port))
      rewrite(state, destination ? Field::destination_port : Field::source_port, state.view(port));
    return Next::go;
  }
  if (!parts_.translates(state.hook)) return Next::go;
  // As the rules translate the first packet of the connection.
  state.nat_begun = true;
  state.as_first = true;
  state.state_before = state.views[static_cast<std::size_t>(Field::state)];
  state.set_view(Field::state, View::of_constant(static_cast<Number>(ConnectionState::fresh)));
  glimpse_.fresh = false;
  return enter_chain(state, station);
}

Walker::Next Walker::translate_reply(WalkState& state, bool destination) {
  const auto back = destination ? Field::original_source : Field::original_destination;
  const auto field = destination ? Field::destination : Field::source;
  // Of an error about a connection the kernel asks the status alone (nf_nat_icmp_reply_translation).
  WalkQuestion of_state;
  const bool error =
      evaluator_.test_numbers(state.view(Field::state), Field::state,
                              numbers_of_state(ConnectionState::related), state, of_state) == Truth::yes;
  const bool told = !error && asked_[back] != whole(back, asked_.family);
  const Number bit = destination ? StatusBit::snat : StatusBit::dnat;
  WalkQuestion question;
  if (!told) {
    const auto translated =
        evaluator_.test_bits(state.view(Field::status), Field::status, bit, bit, state, question);
    if (translated == Truth::open) {
      state.nat_begun = false;
      question.usual = false;
      return fork(state, question);
    }
    if (translated == Truth::no) return Next::go;
  }
  rewrite(state, field, state.view(back), bit);
  const auto port = destination ? Field::original_source_port : Field::original_destination_port;
  const auto own = destination ? Field::destination_port : Field::source_port;
  if (!told || asked_[port] != whole(port, asked_.family)) rewrite(state, own, state.view(port), bit);
  return Next::go;
}

bool Walker::same(const WalkState& state, const View& a, const View& b) const {
  const auto one = evaluator_.number_of_view(a, state);
  const auto two = evaluator_.number_of_view(b, state);
  if (one && two) return *one == *two;
  if (a.terms.size() != b.terms.size() || a.constant != b.constant) return false;
  for (std::size_t i = 0; i < a.terms.size(); ++i)
    if (a.terms[i].variable != b.terms[i].variable || a.terms[i].mask != b.terms[i].mask) return false;
  return true;
}

void Walker::rewrite(WalkState& state, Field field, View view) {
  const bool destination = field == Field::destination || field == Field::destination_port;
  rewrite(state, field, std::move(view), destination ? StatusBit::dnat : StatusBit::snat);
}

// What answers will show follows.
void Walker::rewrite(WalkState& state, Field field, View view, Number bit) {
  static const std::map<Field, Field> mirrored = {{Field::destination, Field::reply_source},
                                                  {Field::destination_port, Field::reply_source_port},
                                                  {Field::source, Field::reply_destination},
                                                  {Field::source_port, Field::reply_destination_port}};
  if (same(state, view, state.view(field))) return;
  const auto mirror = mirrored.at(field);
  if (state.settled && same(state, state.view(mirror), state.view(field))) state.set_view(mirror, view);
  if (field == Field::destination && state.hook == Hook::prerouting) state.redirected = true;
  if (field == Field::destination && state.hook == Hook::output) state.new_route = true;
  state.set_view(field, std::move(view));
  if (!state.as_first) {
    auto status = state.view(Field::status);
    WalkQuestion question;
    if (evaluator_.test_bits(status, Field::status, bit, 0, state, question) == Truth::yes) {
      status.constant ^= bit;
      state.set_view(Field::status, std::move(status));
    }
  }
  glimpse_.fresh = false;
}

void Walker::choose_address(WalkState& state, const RuleAction& action, Field field, NumberSet addresses) {
  if (addresses.empty()) return;
  if (field == Field::destination && state.hook == Hook::prerouting) state.redirected = true;
  if (addresses.is_one()) {
    rewrite(state, field, View::of_constant(addresses.ranges()[0].first));
    return;
  }
  rewrite(state, field,
          View::of_variable(evaluator_.make_variable(state, action.words, field, std::move(addresses))));
}

// get_unique_tuple() of nf_nat_core.c: a port in the range stays.
void Walker::choose_port(WalkState& state, const RuleAction& action, Field field) {
  if (action.ports.empty() && (!action.shuffles || field != Field::source_port)) return;
  const auto protocol = evaluator_.number_of_view(state.view(Field::protocol), state);
  if (protocol && (*protocol == 1 || *protocol == 58)) return;
  if (action.shuffles && !action.ports.is_one()) {
    auto ports = action.ports;
    // nf_nat_l4proto_unique_tuple(): a privileged port becomes another one.
    const auto hull = evaluator_.hull_of(state.view(field), field, state);
    if (ports.empty())
      ports = NumberSet::range(hull.first < 512    ? 1
                               : hull.first < 1024 ? 600
                                                   : 1024,
                               hull.last < 512    ? 511
                               : hull.last < 1024 ? 1023
                                                  : 65535);
    rewrite(state, field,
            View::of_variable(evaluator_.make_variable(state, action.words + " ", field, std::move(ports))));
    return;
  }
  const auto range = action.ports.ranges()[0];
  if (action.ports.is_one()) {
    rewrite(state, field, View::of_constant(range.first));
    return;
  }
  const auto before = evaluator_.number_of_view(state.view(field), state);
  if (action.port_base && before) {
    const auto offset = (*before - *action.port_base) & 0xffff;
    rewrite(state, field, View::of_constant(range.first + offset % (range.last - range.first + 1)));
    return;
  }
  if (!action.port_base && before && action.ports.contains(*before)) return;
  rewrite(state, field,
          View::of_variable(evaluator_.make_variable(state, action.words + " ", field, action.ports)));
}

Walker::Next Walker::redirect(WalkState& state, const RuleAction& action) {
  const bool four = asked_.family == Family::ipv4;
  if (state.hook == Hook::output) {
    choose_address(state, action, Field::destination, NumberSet::one(four ? Number{0x7f000001} : Number{1}));
    return Next::go;
  }
  const auto in = evaluator_.number_of_view(state.view(Field::in_interface), state);
  NumberSet addresses = parts_.facts.known ? parts_.local : whole(Field::destination, asked_.family);
  for (const auto& interface : parts_.facts.interfaces) {
    if (!in || interface_number(interface.name) != *in) continue;
    addresses = redirect_addresses(interface, asked_.family);
    if (addresses.empty()) return end(state, Verdict::drop);
  }
  choose_address(state, action, Field::destination, std::move(addresses));
  state.redirected = true;
  state.to_self = true;
  return Next::go;
}

Walker::Next Walker::translate(WalkState& state, const RuleAction& action) {
  const bool destination = state.hook == Hook::prerouting || state.hook == Hook::output;
  const auto address = destination ? Field::destination : Field::source;
  using Kind = RuleAction::Kind;
  switch (action.kind) {
    case Kind::redirect:
      if (redirect(state, action) == Next::done) return Next::done;
      break;
    case Kind::network_map: {
      auto view = state.view(address);
      for (auto& term : view.terms) term.mask &= ~action.mask;
      view.constant = (view.constant & ~action.mask) ^ action.value;
      rewrite(state, address, std::move(view));
      break;
    }
    case Kind::masquerade: {
      const auto out = evaluator_.number_of_view(state.view(Field::out_interface), state);
      NumberSet own = whole(Field::source, asked_.family);
      for (const auto& interface : parts_.facts.interfaces) {
        if (!out || interface_number(interface.name) != *out) continue;
        own = parts_.facts.masquerade_addresses(interface, asked_.family);
        if (own.empty()) return end(state, Verdict::drop);
      }
      choose_address(state, action, address, std::move(own));
      break;
    }
    default:
      choose_address(state, action, address, action.addresses);
      break;
  }
  choose_port(state, action, destination ? Field::destination_port : Field::source_port);
  state.translated = true;
  glimpse_.fresh = false;
  leave_table(state);
  return Next::go;
}

// ---- the path

void Walker::write(WalkState& state, Step step) {
  if (!state.main) return;
  step.passed = std::move(passed_);
  passed_.clear();
  hangs_on_.clear();
  path_.push_back(std::move(step));
}

void Walker::write_rule(WalkState& state, const ModelRule& rule, bool matched) {
  std::vector<std::string> hangs = hangs_on_;
  std::ranges::sort(hangs);
  hangs.erase(std::unique(hangs.begin(), hangs.end()), hangs.end());
  write(state, Step{.backend = parts_.tables[state.table].backend,
                    .hook = state.hook,
                    .table = std::string(parts_.tables[state.table].name()),
                    .chain = parts_.chain(state.table, state.chain).name,
                    .pos = state.place + 1,
                    .rule = std::string(rule.words),
                    .action = rule.action.words,
                    .perhaps = !hangs.empty(),
                    .taken = !hangs.empty() && matched,
                    .hangs_on = join(hangs, ", ")});
}

void Walker::write_kernel(WalkState& state, std::string action) {
  write(state, Step{.hook = state.hook, .action = std::move(action)});
}

void Walker::write_mismatch(WalkState& state, std::size_t place) {
  passed_.push_back(
      explain(parts_.rule(state.table, state.chain, place), place, state, evaluator_, asked_.family));
  glimpse_.fresh = false;
}

Packet Walker::packet_of(const WalkState& state) const {
  Packet packet{.family = asked_.family, .hook = state.local ? Hook::input : state.hook};
  for (std::size_t i = 0; i < kFields; ++i) {
    const auto field = static_cast<Field>(i);
    packet[field] = evaluator_.numbers_of(state.view(field), field, state);
  }
  return packet;
}

Packet Walker::packet_as_it_came(const WalkState& state) const {
  Packet packet{.family = asked_.family, .hook = asked_.hook};
  for (std::size_t i = 0; i < kFields; ++i) {
    const auto field = static_cast<Field>(i);
    packet[field] = evaluator_.numbers_of(View::of_variable(static_cast<std::uint32_t>(i)), field, state);
  }
  return packet;
}

}  // namespace rewall
