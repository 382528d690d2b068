#include "analysis/quick_walk.h"

#include <algorithm>
#include <array>

#include "analysis/model_parts.h"
#include "analysis/stations.h"
#include "analysis/walk_state.h"

namespace rewall {
namespace {

using Kind = RuleAction::Kind;

constexpr std::size_t kMostCalls = 64;
constexpr std::size_t kMostGotos = 4096;
constexpr Number kFresh = static_cast<Number>(ConnectionState::fresh);
constexpr Number kInvalid = static_cast<Number>(ConnectionState::invalid);
constexpr Number kUntracked = static_cast<Number>(ConnectionState::untracked);

template <class AddressNumber>
class QuickWalk {
 public:
  QuickWalk(Model::Parts& parts, const Packet& packet) : parts_(parts), packet_(packet) {}

  std::optional<Verdict> run() {
    if (!take_fields()) return std::nullopt;
    auto hook =
        packet_.hook == Hook::input || packet_.hook == Hook::forward ? Hook::prerouting : packet_.hook;
    local_ = packet_.hook == Hook::input;
    tracked_ = packet_.hook == Hook::postrouting;
    while (true) {
      begin(hook);
      if (!pass(hook)) return verdict_;
      if (hook == Hook::input || hook == Hook::postrouting || packet_.hook == Hook::prerouting)
        return Verdict::accept;
      if (hook == Hook::prerouting) {
        if (!route()) return verdict_;
        hook = local_ ? Hook::input : Hook::forward;
        continue;
      }
      if (new_route_ || (mark_changed_ && (!parts_.facts.known || parts_.facts.routes_by_mark)))
        return std::nullopt;
      hook = Hook::postrouting;
    }
  }

 private:
  enum class Go : std::uint8_t { on, table_ends, stop };

  static constexpr std::size_t at(Field field) { return static_cast<std::size_t>(field); }
  bool known(Field field) const { return (known_ >> at(field) & 1U) != 0; }
  Number value(Field field) const { return values_[at(field)]; }
  void set(Field field, Number number) {
    values_[at(field)] = number;
    known_ |= std::uint64_t{1} << at(field);
  }
  void forget(Field field) { known_ &= ~(std::uint64_t{1} << at(field)); }
  bool is_whole(Field field) const { return packet_[field] == whole(field, packet_.family); }

  bool take_fields() {
    for (std::size_t i = 0; i < kFields; ++i) {
      const auto& numbers = packet_.fields[i];
      if (numbers.empty()) return false;
      if (!numbers.is_one()) continue;
      values_[i] = numbers.ranges()[0].first;
      known_ |= std::uint64_t{1} << i;
    }
    const bool header = known(Field::source_port) || known(Field::destination_port) ||
                        known(Field::tcp_flags) || known(Field::icmp_type) || known(Field::icmp_code);
    if (!known(Field::fragment) && is_whole(Field::fragment) && (header || parts_.tracks()))
      set(Field::fragment, 0);
    if (packet_.hook == Hook::output && is_whole(Field::packet_type)) set(Field::packet_type, 0);
    state_ = value(Field::state);
    state_known_ = known(Field::state);
    if (state_known_ && state_ == kFresh) take_new_connection();
    in_ = value(Field::in_interface);
    in_known_ = known(Field::in_interface);
    out_ = value(Field::out_interface);
    out_known_ = known(Field::out_interface);
    return true;
  }

  void take_new_connection() {
    for (const auto field : {Field::direction, Field::status, Field::connection_mark})
      if (is_whole(field)) set(field, 0);
    copy(Field::original_source, Field::source);
    copy(Field::original_destination, Field::destination);
    copy(Field::original_source_port, Field::source_port);
    copy(Field::original_destination_port, Field::destination_port);
    copy(Field::reply_source, Field::destination);
    copy(Field::reply_destination, Field::source);
    copy(Field::reply_source_port, Field::destination_port);
    copy(Field::reply_destination_port, Field::source_port);
  }
  void copy(Field to, Field from) {
    if (is_whole(to) && known(from)) set(to, value(from));
  }

  // The interfaces, and what is known of the connection, as rules of the hook see them.
  void begin(Hook hook) {
    hook_ = hook;
    translated_ = false;
    const bool comes_in = hook != Hook::output && (hook != Hook::postrouting || packet_.hook != Hook::output);
    const bool goes_out = hook != Hook::prerouting && hook != Hook::input;
    show(Field::in_interface, comes_in, in_, in_known_);
    show(Field::out_interface, goes_out, out_, out_known_);
    show(Field::bridge_in, comes_in, packet_[Field::bridge_in]);
    show(Field::bridge_out, goes_out, packet_[Field::bridge_out]);
    // ip_local_deliver() puts fragments together before the hook.
    if (hook == Hook::input && packet_.family == Family::ipv4) set(Field::fragment, 0);
    in_answers_ = nullptr;
    out_answers_ = nullptr;
    if (tracked_ || untracked_ || (hook != Hook::prerouting && hook != Hook::output)) return;
    if (hook == Hook::prerouting && !in_known_) {
      forget(Field::state);
    } else if (hook == Hook::prerouting && in_ == interface_number("lo")) {
      tracked_ = true;
    } else {
      set(Field::state, kInvalid);
    }
  }
  void show(Field field, bool there, Number number, bool is_known) {
    if (!there)
      set(field, 0);
    else if (is_known)
      set(field, number);
    else
      forget(field);
  }
  void show(Field field, bool there, const NumberSet& numbers) {
    show(field, there, numbers.is_one() ? numbers.ranges()[0].first : 0, numbers.is_one());
  }

  void track() {
    tracked_ = true;
    if (untracked_) return;
    if (state_known_)
      set(Field::state, state_);
    else
      forget(Field::state);
  }

  bool pass(Hook hook) {
    const auto& stations = parts_.stations[static_cast<std::size_t>(hook)];
    for (const auto& station : stations) {
      if (!tracked_ && station.priority > kTrackingPriority) track();
      if (!station.native.empty()) return false;
      bool asked = true;
      if (parts_.tables[station.table].name() == "nat" && !enters_nat(station, asked)) return false;
      if (asked && !walk(station)) return false;
    }
    if (!tracked_) track();
    return true;
  }

  bool enters_nat(const Station& station, bool& asked) {
    const auto& chain = parts_.chain(station.table, station.chain);
    asked = false;
    if (translated_ || untracked_) return true;
    const bool asks = !chain.rules.empty() || chain.policy == "DROP";
    if (!asks && state_known_ && state_ == kFresh) return true;
    if (!state_known_) return !asks && !told() && !may_translate();
    if (state_ == kInvalid || state_ == kUntracked) return true;
    if (asks && (hook_ == Hook::prerouting || hook_ == Hook::input)) {
      if (!in_known_) return false;
      if (in_ == interface_number("lo")) return true;
    }
    if (state_ == kFresh) {
      asked = true;
      return true;
    }
    if (state_ == static_cast<Number>(ConnectionState::related)) return !asks;
    return !told() && !may_translate();
  }
  bool told() const {
    return !is_whole(Field::reply_source) || !is_whole(Field::reply_destination) ||
           !is_whole(Field::original_source) || !is_whole(Field::original_destination);
  }
  bool may_translate() {
    for (const auto hook : {Hook::prerouting, Hook::input, Hook::output, Hook::postrouting})
      if (parts_.translates(hook)) return true;
    return false;
  }

  bool route() {
    if (redirected_) {
      if (!known(Field::destination)) return false;
      const auto destination = value(Field::destination);
      if (packet_.family == Family::ipv4 && destination >> 24U == 127) return false;
      if (!parts_.facts.known) return false;
      local_ = parts_.arriving.contains(destination);
      if (!local_) leave_by(destination);
    }
    if (local_) return true;
    if (known(Field::packet_type) && value(Field::packet_type) != 0) {
      verdict_ = Verdict::drop;
      return false;
    }
    if (!known(Field::packet_type) && !is_whole(Field::packet_type)) return false;
    if (!known(Field::ttl)) return is_whole(Field::ttl);
    if (value(Field::ttl) <= 1) {
      verdict_ = Verdict::drop;
      return false;
    }
    set(Field::ttl, value(Field::ttl) - 1);
    return true;
  }
  void leave_by(Number destination) {
    out_known_ = false;
    for (const auto& interface : parts_.facts.interfaces) {
      const auto& networks = packet_.family == Family::ipv4 ? interface.v4_networks : interface.v6_networks;
      if (out_known_ || !NumberSet(networks).contains(destination)) continue;
      out_ = interface_number(interface.name);
      out_known_ = true;
    }
    if (!out_known_ && packet_[Field::out_interface].is_one()) {
      out_ = packet_[Field::out_interface].ranges()[0].first;
      out_known_ = true;
    }
  }

  // Returns false where the packet's way ends: with verdict_, or without one where nobody can tell.
  bool walk(const Station& station) {
    table_ = station.table;
    chain_ = station.chain;
    place_ = 0;
    depth_ = 0;
    gotos_ = 0;
    while (true) {
      const auto go = run_chain();
      if (go == Go::stop) return false;
      if (go == Go::table_ends) return true;
      if (depth_ == 0) {
        if (parts_.chain(table_, station.chain).policy != "DROP") return true;
        verdict_ = Verdict::drop;
        return false;
      }
      --depth_;
      chain_ = callers_[depth_].chain;
      place_ = callers_[depth_].place;
    }
  }

  // Go::on: the end of the chain.
  Go run_chain() {
    std::size_t count = parts_.chain(table_, chain_).rules.size();
    look();
    while (place_ < count) {
      const auto& rules = parts_.quick<AddressNumber>(table_, chain_, place_);
      // By pointers: an index is checked where the library is built so.
      const auto* at_rule = rules.data() + place_;
      const auto* const end = rules.data() + rules.size();
      while (at_rule != end && rejects(*at_rule)) ++at_rule;
      place_ = static_cast<std::size_t>(at_rule - rules.data());
      if (at_rule == end) continue;
      const auto& rule = *at_rule;
      if (!rule.more && !rule.ask_action && opens_ == 0) {
        const auto go = act_plainly(rule, count);
        if (go != Go::on) return go;
        if (leaving_) {
          leaving_ = false;
          return Go::on;
        }
        continue;
      }
      const auto go = meet(count);
      if (go != Go::on) return go;
      if (leaving_) {
        leaving_ = false;
        return Go::on;
      }
    }
    return Go::on;
  }

  void look() {
    source_ = static_cast<AddressNumber>(value(Field::source));
    destination_ = static_cast<AddressNumber>(value(Field::destination));
    source_port_ = static_cast<std::uint16_t>(value(Field::source_port));
    destination_port_ = static_cast<std::uint16_t>(value(Field::destination_port));
    protocol_ = static_cast<std::uint8_t>(value(Field::protocol));
    state_bit_ = known(Field::state)
                     ? static_cast<std::uint8_t>(1U << static_cast<unsigned>(value(Field::state)))
                     : std::uint8_t{0};
    unknown_ = 0;
    const auto miss = [this](Field field, QuickField bit) {
      if (!known(field)) unknown_ = static_cast<std::uint8_t>(unknown_ | bit);
    };
    miss(Field::source, quick_source);
    miss(Field::destination, quick_destination);
    miss(Field::source_port, quick_source_port);
    miss(Field::destination_port, quick_destination_port);
    miss(Field::protocol, quick_protocol);
    miss(Field::in_interface, quick_in);
    miss(Field::out_interface, quick_out);
  }

  // True where the rule certainly does not match. Otherwise opens_ says whether something is open.
  bool rejects(const QuickRule<AddressNumber>& rule) {
    const unsigned asks = rule.asks & ~static_cast<unsigned>(unknown_);
    const unsigned negated = rule.negated;
    const auto fails = [negated](QuickField bit, bool inside) { return inside == ((negated & bit) != 0); };
    if ((asks & quick_protocol) != 0 && fails(quick_protocol, rule.protocol == protocol_)) return true;
    if ((asks & quick_destination_port) != 0 &&
        fails(quick_destination_port, destination_port_ >= rule.destination_port_first &&
                                          destination_port_ <= rule.destination_port_last))
      return true;
    if ((asks & quick_source) != 0 &&
        fails(quick_source, source_ >= rule.source_first && source_ <= rule.source_last))
      return true;
    if ((asks & quick_destination) != 0 &&
        fails(quick_destination,
              destination_ >= rule.destination_first && destination_ <= rule.destination_last))
      return true;
    if (state_bit_ != 0 && (rule.states & state_bit_) == 0) return true;
    if ((asks & quick_source_port) != 0 &&
        fails(quick_source_port,
              source_port_ >= rule.source_port_first && source_port_ <= rule.source_port_last))
      return true;
    if ((asks & quick_in) != 0 && fails(quick_in, answer(in_answers_, Field::in_interface, rule.in_pattern)))
      return true;
    if ((asks & quick_out) != 0 &&
        fails(quick_out, answer(out_answers_, Field::out_interface, rule.out_pattern)))
      return true;
    opens_ = rule.asks & unknown_;
    if (state_bit_ == 0 && rule.states != 0x1f) opens_ = 1;
    if (!rule.header) return false;
    if (!known(Field::fragment)) {
      opens_ = 1;
      return false;
    }
    return value(Field::fragment) != 0;
  }
  bool answer(const std::vector<std::uint8_t>*& answers, Field field, std::uint32_t pattern) {
    if (answers == nullptr || answers->size() < pattern) answers = &parts_.patterns.answers(value(field));
    return (*answers)[pattern - 1] != 0;
  }

  Go act_plainly(const QuickRule<AddressNumber>& rule, std::size_t& count) {
    switch (rule.action) {
      case Kind::accept:
        return Go::table_ends;
      case Kind::drop:
      case Kind::reject:
        verdict_ = rule.action == Kind::drop ? Verdict::drop : Verdict::reject;
        return Go::stop;
      case Kind::leave:
        leaving_ = true;
        return Go::on;
      case Kind::jump:
      case Kind::go_to:
        return call(rule.chain, rule.action == Kind::go_to, count);
      default:
        ++place_;
        return Go::on;
    }
  }

  Go call(std::size_t chain, bool go_to, std::size_t& count) {
    if (go_to && ++gotos_ > kMostGotos) return Go::stop;
    if (!go_to) {
      if (depth_ == kMostCalls) return Go::stop;
      callers_[depth_++] = {chain_, place_ + 1};
    }
    chain_ = chain;
    place_ = 0;
    count = parts_.chain(table_, chain_).rules.size();
    return Go::on;
  }

  Go meet(std::size_t& count) {
    const auto& rule = parts_.rule(table_, chain_, place_);
    auto truth = Truth::yes;
    for (const auto& condition : rule.conditions) {
      const auto one = test(condition);
      if (one == Truth::no) {
        ++place_;
        return Go::on;
      }
      if (one == Truth::open) truth = one;
    }
    const auto kind = rule.action.kind;
    const bool quiet =
        kind == Kind::none || (kind == Kind::jump && !parts_.matters(table_, rule.action.chain));
    if (quiet) {
      ++place_;
      return Go::on;
    }
    if (truth == Truth::open) return Go::stop;
    return act(rule.action, count);
  }

  Go act(const RuleAction& action, std::size_t& count) {
    QuickRule<AddressNumber> plain;
    plain.action = action.kind;
    plain.chain = static_cast<std::uint32_t>(action.chain);
    switch (action.kind) {
      case Kind::accept:
      case Kind::drop:
      case Kind::reject:
      case Kind::leave:
      case Kind::jump:
      case Kind::go_to:
      case Kind::none:
        return act_plainly(plain, count);
      case Kind::set_field:
        if (action.field == Field::connection_mark && !tracked_) {
          // What comes in over lo has its connection already.
          if (!untracked_ && hook_ == Hook::prerouting && !in_known_) return Go::stop;
          break;
        }
        set_bits(action.field, action.mask, action.value);
        break;
      case Kind::increase_field:
        increase(action);
        break;
      case Kind::spoil_field:
        if (adds_segment_size(action) && known(Field::tcp_option) &&
            (value(Field::tcp_option) & kSegmentSizeOption) != 0)
          break;
        forget(action.field);
        for (const auto field : action.fields) forget(field);
        if (action.field == Field::source || action.field == Field::destination) return Go::stop;
        mark_changed_ = mark_changed_ || (hook_ == Hook::output && action.field == Field::mark);
        break;
      case Kind::set_member:
        sets_changed_ = true;
        break;
      case Kind::save_mark:
      case Kind::restore_mark:
        if (!copy_mark(action)) return Go::stop;
        break;
      case Kind::no_track:
        if (!no_track()) return Go::stop;
        break;
      case Kind::destination_nat:
      case Kind::source_nat:
      case Kind::masquerade:
      case Kind::network_map:
        if (!translate(action)) return Go::stop;
        return Go::table_ends;
      default:
        return Go::stop;
    }
    ++place_;
    look();
    return Go::on;
  }

  void set_bits(Field field, Number mask, Number number) {
    const auto all = greatest_number(number_of_bits(field, packet_.family));
    const bool routes = hook_ == Hook::output && (field == Field::mark || field == Field::tos);
    if (!known(field) && (mask & all) != all) {
      mark_changed_ = mark_changed_ || routes;
      return;
    }
    const auto before = value(field);
    const bool was_known = known(field);
    set(field, (before & ~mask) ^ number);
    mark_changed_ = mark_changed_ || (routes && (!was_known || before != value(field)));
  }

  void increase(const RuleAction& action) {
    if (!known(action.field)) return;
    const auto most = greatest_number(number_of_bits(action.field, packet_.family));
    const bool down = (action.value >> 127U) != 0;
    const auto before = value(action.field);
    const auto less = Number{0} - action.value;
    if (down)
      set(action.field, before > less ? before - less : 0);
    else
      set(action.field, std::min<Number>(before + action.value, most));
  }

  bool copy_mark(const RuleAction& action) {
    if (!known(Field::state)) return false;
    const auto state = value(Field::state);
    if (state == kInvalid || state == kUntracked) return true;
    const bool saves = action.kind == Kind::save_mark;
    const auto to = saves ? Field::connection_mark : Field::mark;
    const auto from = saves ? Field::mark : Field::connection_mark;
    const auto keep = ~(saves ? action.mask : action.second_mask) & 0xffffffff;
    const auto take = saves ? action.second_mask : action.mask;
    if ((!known(to) && keep != 0) || (!known(from) && take != 0)) return false;
    const auto before = value(to);
    const bool was_known = known(to);
    set(to, (before & keep) ^ (value(from) & take));
    mark_changed_ = mark_changed_ || (!saves && hook_ == Hook::output && (!was_known || before != value(to)));
    return true;
  }

  bool no_track() {
    if (tracked_ || untracked_) return true;
    if (hook_ == Hook::prerouting && !in_known_) return false;
    untracked_ = true;
    set(Field::state, kUntracked);
    return true;
  }

  bool translate(const RuleAction& action) {
    const bool destination = hook_ == Hook::prerouting || hook_ == Hook::output;
    const auto field = destination ? Field::destination : Field::source;
    if (action.shuffles) return false;
    if (action.kind == Kind::masquerade) {
      for (const auto& interface : parts_.facts.interfaces) {
        const bool none = packet_.family == Family::ipv4 ? interface.v4.empty() : interface.v6.empty();
        if (none && known(Field::out_interface) &&
            interface_number(interface.name) == value(Field::out_interface))
          return false;
      }
      forget(field);
      forget(Field::reply_destination);
      forget(Field::reply_destination_port);
      forget(Field::source_port);
      forget(Field::status);
    } else if (action.kind == Kind::network_map) {
      if (!known(field)) return false;
      rewrite(field, (value(field) & ~action.mask) ^ action.value);
    } else {
      if (!action.addresses.empty() && !action.addresses.is_one()) return false;
      if (!action.ports.empty() && (!action.ports.is_one() || !known(Field::protocol))) return false;
      if (!action.addresses.empty()) {
        if (!known(field)) return false;
        redirected_ = redirected_ || hook_ == Hook::prerouting;
        rewrite(field, action.addresses.ranges()[0].first);
      }
      const bool ported = value(Field::protocol) != 1 && value(Field::protocol) != 58;
      if (!action.ports.empty() && ported) {
        const auto port = destination ? Field::destination_port : Field::source_port;
        if (!known(port)) return false;
        rewrite(port, action.ports.ranges()[0].first);
      }
    }
    translated_ = true;
    return true;
  }

  void rewrite(Field field, Number number) {
    if (value(field) == number) return;
    const bool destination = field == Field::destination || field == Field::destination_port;
    Field mirror = Field::reply_source;
    if (field == Field::destination_port) mirror = Field::reply_source_port;
    if (field == Field::source) mirror = Field::reply_destination;
    if (field == Field::source_port) mirror = Field::reply_destination_port;
    if (known(mirror) && value(mirror) == value(field)) set(mirror, number);
    set(field, number);
    if (field == Field::destination && hook_ == Hook::prerouting) redirected_ = true;
    if (field == Field::destination && hook_ == Hook::output) new_route_ = true;
    const Number bit = destination ? StatusBit::dnat : StatusBit::snat;
    if (known(Field::status))
      set(Field::status, value(Field::status) | bit);
    else
      forget(Field::status);
  }

  // ---- conditions

  Truth test(const Condition& condition) {
    auto truth = Truth::open;
    switch (condition.kind) {
      case Condition::Kind::in:
        if (known(condition.field)) truth = as_truth(condition.numbers.contains(value(condition.field)));
        break;
      case Condition::Kind::masked:
        if ((condition.value & ~condition.mask) != 0)
          truth = Truth::no;
        else if (known(condition.field))
          truth = as_truth((value(condition.field) & condition.mask) == condition.value);
        break;
      case Condition::Kind::all_of:
      case Condition::Kind::any_of:
        truth = test_parts(condition);
        break;
      case Condition::Kind::lookup:
        truth = test_lookup(condition);
        break;
      case Condition::Kind::unknown:
        break;
    }
    if (!condition.negated || truth == Truth::open) return truth;
    return truth == Truth::yes ? Truth::no : Truth::yes;
  }
  static Truth as_truth(bool yes) { return yes ? Truth::yes : Truth::no; }

  Truth test_parts(const Condition& condition) {
    const auto decides = condition.kind == Condition::Kind::all_of ? Truth::no : Truth::yes;
    bool open = false;
    for (const auto& part : condition.parts) {
      const auto truth = test(part);
      if (truth == decides) return truth;
      open = open || truth == Truth::open;
    }
    if (open) return Truth::open;
    return decides == Truth::no ? Truth::yes : Truth::no;
  }

  Truth test_lookup(const Condition& condition) {
    const auto* members = parts_.members(condition.set, condition.of_nomatch);
    if (sets_changed_ || members == nullptr || !members->known()) return Truth::open;
    std::array<Number, 3> values{};
    for (std::size_t i = 0; i < condition.fields.size() && i < values.size(); ++i) {
      const auto field = condition.fields[i];
      if (i == members->port_part()) continue;
      if (!known(field)) return Truth::open;
      const bool interface = field == Field::in_interface || field == Field::out_interface;
      values[i] = value(field);
      if (interface && values[i] == 0) return members->open() ? Truth::open : Truth::no;
    }
    std::uint8_t protocol = 0;
    if (members->has_port()) {
      if (!known(Field::protocol)) return Truth::open;
      protocol = static_cast<std::uint8_t>(value(Field::protocol));
      const auto truth = port_of_set(condition.fields[members->port_part()], protocol, members->is_port_map(),
                                     values[members->port_part()]);
      if (truth != Truth::yes) return truth == Truth::no && members->open() ? Truth::open : truth;
    }
    if (members->contains({values.data(), members->dimensions()}, protocol)) return Truth::yes;
    return members->open() ? Truth::open : Truth::no;
  }

  Truth port_of_set(Field field, std::uint8_t protocol, bool map, Number& number) {
    const bool icmp = protocol == 1 || protocol == 58;
    const bool ported = protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
    if (map && protocol != 6 && protocol != 17) return Truth::no;
    number = 0;
    if (!icmp && !ported) return Truth::yes;
    if (!known(Field::fragment)) return Truth::open;
    if (value(Field::fragment) != 0) return Truth::no;
    if (icmp ? !known(Field::icmp_type) || !known(Field::icmp_code) : !known(field)) return Truth::open;
    number = icmp ? (value(Field::icmp_type) << 8U) | value(Field::icmp_code) : value(field);
    return Truth::yes;
  }

  struct Call {
    std::size_t chain = 0;
    std::size_t place = 0;
  };

  Model::Parts& parts_;
  const Packet& packet_;
  std::array<Number, kFields> values_{};
  std::uint64_t known_ = 0;
  std::optional<Verdict> verdict_{};
  Hook hook_ = Hook::prerouting;
  Number state_ = 0;
  bool state_known_ = false;
  Number in_ = 0;
  bool in_known_ = false;
  Number out_ = 0;
  bool out_known_ = false;
  bool local_ = false;
  bool tracked_ = false;
  bool untracked_ = false;
  bool translated_ = false;
  bool redirected_ = false;
  bool new_route_ = false;
  bool mark_changed_ = false;  // in OUTPUT
  bool sets_changed_ = false;
  bool leaving_ = false;
  std::size_t table_ = 0;
  std::size_t chain_ = 0;
  std::size_t place_ = 0;
  std::array<Call, kMostCalls> callers_{};
  std::size_t gotos_ = 0;
  std::size_t depth_ = 0;

  // What the rules of a chain are held against.
  AddressNumber source_ = 0;
  AddressNumber destination_ = 0;
  std::uint16_t source_port_ = 0;
  std::uint16_t destination_port_ = 0;
  std::uint8_t protocol_ = 0;
  std::uint8_t state_bit_ = 0;
  std::uint8_t unknown_ = 0;
  unsigned opens_ = 0;
  const std::vector<std::uint8_t>* in_answers_ = nullptr;
  const std::vector<std::uint8_t>* out_answers_ = nullptr;
};

}  // namespace

std::optional<Verdict> quick_verdict(const Model& model, const Packet& packet) {
  if (packet.family == Family::ipv4) return QuickWalk<std::uint32_t>(model.parts(), packet).run();
  return QuickWalk<Number>(model.parts(), packet).run();
}

}  // namespace rewall
