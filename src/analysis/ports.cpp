#include "analysis/ports.h"

#include <algorithm>
#include <map>
#include <set>

#include "analysis/model_parts.h"
#include "analysis/packet.h"
#include "analysis/verdict_diagram.h"
#include "analysis/who.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {
namespace {

constexpr Number kTcp = 6;
constexpr Number kUdp = 17;
constexpr Number kUnnamed = 253;  // for experiments (RFC 3692): no rule names it
constexpr Leaf kClosed = 0;
constexpr Leaf kHere = 1;
constexpr Leaf kFirstElsewhere = 2;
constexpr std::string_view kThisHost = "this host";  // of PortRow::to

// Addresses that one host can have: no loopback, no group, no broadcast, not 0.0.0.0/8 nor ::.
NumberSet unicast_addresses(Family family) {
  if (family == Family::ipv4)
    return without(NumberSet::range(0x01000000, 0xdfffffff), loopback_addresses(family));
  return NumberSet::range(2, (Number{0xff} << 120U) - 1);
}

NumberSet except(Field field, Family family, std::vector<NumberRange> numbers) {
  return without(whole(field, family), NumberSet(std::move(numbers)));
}

// The last address of each network on a link, from which the kernel takes nothing, and the first, of which
// kernels say different things.
NumberSet broadcasts(const HostFacts& facts, Family family) {
  NumberSet out;
  if (family == Family::ipv6) return out;
  for (const auto& interface : facts.interfaces)
    for (const auto& [first, last] : interface.v4_networks)
      if (last - first > 2) out = either(out, NumberSet({{first, first}, {last, last}}));
  return out;
}

// The packets that open connections. What the kernel drops before any rule (a source of this host's own,
// martians of fib_validate_source()) is none of them, nor what comes to groups.
Packet new_connections(const Model& model, bool forward) {
  const auto family = model.family();
  auto packet = any_packet(family, forward ? Hook::forward : Hook::input);
  const auto lo = interface_number("lo");
  packet[Field::in_interface] = except(Field::in_interface, family, {{0, 0}, {lo, lo}});
  packet[Field::out_interface] = except(Field::out_interface, family, {{0, 0}});
  packet[Field::source] = unicast_addresses(family);
  packet[Field::destination] = unicast_addresses(family);
  if (const auto& facts = model.facts(); facts.known) {
    const auto local = facts.local(family);
    packet[Field::source] = without(without(packet[Field::source], local), broadcasts(facts, family));
    packet[Field::destination] = forward ? without(packet[Field::destination], model.parts().arriving)
                                         : both(packet[Field::destination], local);
  }
  for (const auto field : {Field::source_port, Field::destination_port})
    packet[field] = NumberSet::range(1, 65535);
  // What DNAT sends on has to come with 2, and no other packet of people comes with less.
  packet[Field::ttl] = NumberSet::range(2, 255);
  packet[Field::tcp_flags] = NumberSet::one(2);
  packet[Field::state] = NumberSet::one(static_cast<Number>(ConnectionState::fresh));
  for (const auto field : {Field::fragment, Field::status, Field::direction, Field::mark,
                           Field::connection_mark, Field::packet_type})
    packet[field] = NumberSet::one(0);
  // Of other types no connection is opened (nf_conntrack_proto_icmp.c and its like of IPv6).
  packet[Field::icmp_type] = family == Family::ipv4 ? NumberSet({{8, 8}, {13, 13}, {15, 15}, {17, 17}})
                                                    : NumberSet({{128, 128}, {139, 139}});
  return packet;
}

std::vector<Field> level_order() {
  return {Field::protocol,  Field::destination_port, Field::icmp_type,
          Field::icmp_code, Field::in_interface,     Field::out_interface,
          Field::source,    Field::destination,      Field::source_port};
}

// What `-m addrtype` says of destinations, where the addresses of this host are not known.
std::map<std::string, bool> address_types(bool forward) {
  std::map<std::string, bool> out;
  for (const auto* words : {"LOCAL", "local"})
    out.emplace(format("-m addrtype --dst-type {}", words), !forward);
  out.emplace("-m addrtype --dst-type UNICAST", forward);
  return out;
}

class PortList {
 public:
  PortList(const Model& model, const PortsQuestion& question)
      : model_(model), question_(question), verdicts_(model, asked(model, question)) {}

  std::optional<std::vector<PortRow>> make() {
    const auto made = verdicts_.make();
    if (!made) return std::nullopt;
    auto& diagrams = verdicts_.diagrams();
    all_ = diagrams.translate(*made, [this](Leaf leaf) { return short_leaf(verdicts_.fate(leaf)); });
    among_ = below_ports();
    all_ = diagrams.choose(among_, all_, Diagrams::no());
    const auto others = below(all_, Field::protocol, kUnnamed);
    for (const auto& [numbers, to] : ways_at(all_, Field::protocol)) {
      for (const auto& [first, last] : numbers.ranges())
        for (auto number = first; number <= last; ++number)
          if (number == kTcp || number == kUdp || (to != others && !numbers.contains(kUnnamed)))
            add(number, to);
    }
    std::ranges::stable_sort(rows_, {}, [](const auto& row) { return row.first; });
    std::vector<PortRow> rows;
    for (auto& [number, row] : rows_) rows.push_back(std::move(row));
    if (others != Diagrams::no()) add_other(others, rows);
    if (diagrams.gave_up()) return std::nullopt;
    if (!mark_input(rows)) return std::nullopt;
    return rows;
  }

 private:
  static VerdictQuestion asked(const Model& model, const PortsQuestion& question) {
    return {.packets = new_connections(model, question.forward),
            .order = level_order(),
            .assumed = address_types(question.forward),
            .progress = question.progress,
            .only_addressed = true};
  }

  // Here, or one of places elsewhere.
  Leaf short_leaf(const Fate& fate) {
    if (fate.verdict != Verdict::accept) return kClosed;
    std::string to;
    if (fate.destination)
      to = fate.destination->empty() ? "a translated address" : address_words(*fate.destination);
    if (fate.destination_port) to += (to.empty() ? "port " : ":") + port_words(*fate.destination_port);
    if (fate.destination && !fate.routed && !to.empty()) to = local_words(fate, to);
    if (!fate.proxy.empty()) to = fate.proxy;
    if (to.empty()) return kHere;
    const auto [place, fresh] = leaves_.emplace(to, static_cast<Leaf>(kFirstElsewhere + places_.size()));
    if (fresh) places_.push_back(to);
    return place->second;
  }

  std::string address_words(const NumberSet& addresses) const {
    auto text = addresses_text(addresses, model_.family());
    return model_.family() == Family::ipv6 && addresses.is_one() ? "[" + text + "]" : text;
  }
  static std::string port_words(const NumberSet& ports) {
    if (ports.empty()) return "a translated port";
    const auto& [first, last] = ports.ranges().front();
    return first == last ? format("{}", static_cast<unsigned>(first))
                         : format("{}-{}", static_cast<unsigned>(first), static_cast<unsigned>(last));
  }
  // REDIRECT: the address is any of this host's.
  std::string local_words(const Fate& fate, const std::string& to) const {
    if (!model_.facts().known)
      return fate.destination->empty() && fate.destination_port
                 ? format("port {} of {}", port_words(*fate.destination_port), kThisHost)
                 : to;
    if (!fate.to_this_host) return to;
    return fate.destination_port ? format("port {} of {}", port_words(*fate.destination_port), kThisHost)
                                 : std::string(kThisHost);
  }

  // The packets that were asked about, by the levels behind that of the port.
  Diagram below_ports() {
    auto out = Diagrams::yes();
    for (auto level = kFields; level-- > verdicts_.level_of(Field::icmp_code) + 1;)
      out = verdicts_.diagrams().test(level, verdicts_.asked(*verdicts_.field_of(level)), out);
    return out;
  }

  std::vector<std::pair<NumberSet, Diagram>> ways_at(Diagram f, Field field) const {
    if (!Diagrams::is_constant(f) && verdicts_.field_of(diagrams().level(f)) == field)
      return diagrams().ways(f);
    return {{whole(field, model_.family()), f}};
  }
  Diagram below(Diagram f, Field field, Number number) const {
    for (const auto& [numbers, to] : ways_at(f, field))
      if (numbers.contains(number)) return to;
    return Diagrams::no();
  }
  const Diagrams& diagrams() const { return const_cast<VerdictDiagram&>(verdicts_).diagrams(); }

  static bool has_ports(Number protocol) {
    return protocol == kTcp || protocol == kUdp || protocol == 33 || protocol == 132 || protocol == 136;
  }
  bool is_icmp(Number protocol) const { return protocol == (model_.family() == Family::ipv4 ? 1 : 58); }

  void add(Number protocol, Diagram f) {
    const auto text = values_text(Field::protocol, NumberSet::one(protocol), model_.family());
    if (!has_ports(protocol) && !is_icmp(protocol)) {
      add_rows(protocol, {.protocol = text, .has_ports = false}, f);
      return;
    }
    const auto field = is_icmp(protocol) ? Field::icmp_type : Field::destination_port;
    auto all = ways_at(f, field);
    if (is_icmp(protocol)) all = with_codes(all);
    for (auto& [numbers, to] : all) {
      auto asked = both(numbers, verdicts_.asked(field));
      if (!asked.empty())
        add_ports(protocol, {.protocol = text, .has_ports = !is_icmp(protocol), .numbers = std::move(asked)},
                  to);
    }
  }

  // ICMP of code 0 stands for its type: no other opens a connection.
  std::vector<std::pair<NumberSet, Diagram>> with_codes(
      const std::vector<std::pair<NumberSet, Diagram>>& types) const {
    auto out = types;
    for (auto& [numbers, to] : out) to = below(to, Field::icmp_code, 0);
    return out;
  }

  // The ports with listeners, each by itself, then the others.
  void add_ports(Number protocol, PortRow row, Diagram f) {
    if (question_.listeners && row.has_ports) {
      std::map<std::uint16_t, std::vector<Listener>> found;
      for (const auto& listener : *question_.listeners)
        if (listener.protocol == protocol && row.numbers.contains(listener.port))
          found[listener.port].push_back(listener);
      for (auto& [port, listeners] : found) {
        auto one = row;
        one.numbers = NumberSet::one(port);
        one.listeners = std::move(listeners);
        add_rows(protocol, one, f);
        row.numbers = without(row.numbers, NumberSet::one(port));
      }
    }
    if (!row.numbers.empty()) add_rows(protocol, row, f);
  }

  void add_rows(Number protocol, const PortRow& row, Diagram f) {
    const auto order = protocol == kTcp ? Number{0} : protocol == kUdp ? Number{1} : protocol + 2;
    for (const auto leaf : diagrams().leaves(f)) {
      if (leaf == kClosed) continue;
      auto one = row;
      describe(one, verdicts_.diagrams().where(f, [leaf](Leaf at) { return at == leaf; }));
      if (leaf >= kFirstElsewhere) {
        one.to = places_[leaf - kFirstElsewhere];
        one.listeners.clear();
        one.reachable.reset();
      }
      rows_.emplace_back(order, std::move(one));
    }
    if (f != Diagrams::no()) return;
    auto closed = row;
    describe(closed, f);
    rows_.emplace_back(order, std::move(closed));
  }

  Open open_of(Diagram set, Diagram among) const {
    if (set == Diagrams::no()) return Open::none;
    return set == among ? Open::all : Open::some;
  }

  struct Said {
    std::string from{};
    std::vector<std::string> depends_on{};
    bool world = false;
  };

  void describe(PortRow& row, Diagram set) {
    auto& diagrams = verdicts_.diagrams();
    row.open = open_of(set, among_);
    const auto [said, fresh] = said_.emplace(set, Said{});
    if (fresh) {
      Who who(verdicts_, among_, model_.facts().towards_world(model_.family()));
      said->second = {.from = who.words(set), .depends_on = who.depends_on(set), .world = who.world(set)};
    }
    row.from = said->second.from;
    row.depends_on = said->second.depends_on;
    row.world = said->second.world;
    if (row.listeners.empty()) return;
    Diagram at_listeners = Diagrams::no();
    for (const auto& listener : row.listeners)
      at_listeners = diagrams.either(at_listeners, taken_by(listener));
    const auto among = diagrams.both(among_, at_listeners);
    row.reachable = open_of(diagrams.both(set, at_listeners), among);
  }

  Diagram taken_by(const Listener& listener) {
    auto& diagrams = verdicts_.diagrams();
    auto out = Diagrams::yes();
    if (!listener.addresses.empty())
      out = diagrams.test(verdicts_.level_of(Field::destination), listener.addresses);
    if (!listener.interface.empty())
      out = diagrams.both(out, diagrams.test(verdicts_.level_of(Field::in_interface),
                                             NumberSet::one(interface_number(listener.interface))));
    return out;
  }

  void add_other(Diagram f, std::vector<PortRow>& rows) {
    rows_.clear();
    add_rows(kUnnamed, {.protocol = "other", .has_ports = false}, f);
    for (auto& [order, row] : rows_) rows.push_back(std::move(row));
  }

  // What INPUT says of the ports that DNAT takes away.
  bool mark_input(std::vector<PortRow>& rows) const {
    if (question_.forward || std::ranges::all_of(rows, [](const auto& row) { return row.to.empty(); }))
      return true;
    auto asked_again = asked(model_, question_);
    asked_again.without_translation = true;
    asked_again.progress = {};
    VerdictDiagram plain(model_, std::move(asked_again));
    const auto made = plain.make();
    if (!made) return false;
    for (auto& row : rows) {
      if (row.to.empty() || !row.has_ports) continue;
      row.input = input_of(plain, *made, row);
    }
    return true;
  }

  // The least that any of the row's ports is open, and of the packets that were asked about.
  Open input_of(VerdictDiagram& plain, Diagram all, const PortRow& row) const {
    auto& diagrams = plain.diagrams();
    const auto protocol = *read_protocol(row.protocol);
    auto asked = diagrams.test(plain.level_of(Field::protocol), NumberSet::one(protocol),
                               diagrams.test(plain.level_of(Field::destination_port), row.numbers));
    for (std::size_t level = 0; level < kFields; ++level)
      asked = diagrams.both(asked, diagrams.test(level, plain.asked(*plain.field_of(level))));
    const auto open = diagrams.both(
        asked, diagrams.where(all, [&](Leaf leaf) { return plain.fate(leaf).verdict == Verdict::accept; }));
    return open_of(open, asked);
  }

  std::optional<Number> read_protocol(const std::string& text) const {
    for (const Number number : {Number{6}, Number{17}, Number{33}, Number{132}, Number{136}})
      if (values_text(Field::protocol, NumberSet::one(number), model_.family()) == text) return number;
    return std::nullopt;
  }

  const Model& model_;
  const PortsQuestion& question_;
  VerdictDiagram verdicts_;
  Diagram all_ = Diagrams::no();
  Diagram among_ = Diagrams::yes();
  std::vector<std::string> places_{};
  std::map<std::string, Leaf> leaves_{};
  std::map<Diagram, Said> said_{};
  std::vector<std::pair<Number, PortRow>> rows_{};
};

}  // namespace

std::string_view name(Open open) {
  switch (open) {
    case Open::none:
      return "none";
    case Open::some:
      return "some";
    default:
      return "all";
  }
}

bool PortRow::is_sent_on() const {
  return !to.empty() && to.find(kThisHost) == std::string::npos;
}

std::optional<std::vector<PortRow>> ports(const Model& model, const PortsQuestion& question) {
  return PortList(model, question).make();
}

std::string ports_text(const PortRow& row) {
  std::vector<std::string> words;
  for (const auto& [first, last] : row.numbers.ranges()) {
    if (row.has_ports && first <= 1 && last >= 65535) return "all";
    words.push_back(first == last
                        ? format("{}", static_cast<unsigned>(first))
                        : format("{}-{}", static_cast<unsigned>(first), static_cast<unsigned>(last)));
  }
  return join(words, ",");
}

}  // namespace rewall
