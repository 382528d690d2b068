#include "ops/restore/lockout.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <tuple>
#include <utility>

#include "analysis/expectations.h"
#include "analysis/stations.h"
#include "analysis/walk.h"
#include "core/file.h"
#include "core/format.h"
#include "core/text.h"
#include "ops/context/host_facts.h"

namespace rewall {
namespace {

constexpr Number kAck = 16;
constexpr Number kSyn = 2;
constexpr Number kPush = 8;
constexpr Number kFirstPort = 1024;  ///< of those that clients use
constexpr Number kLastPort = 65535;
constexpr Number kOriginal = 0;
constexpr Number kReply = 1;

Number number_of(Family family, const AddressBits& bits) {
  return address_number(bits, family);
}

NumberSet one(Number number) {
  return NumberSet::one(number);
}

NumberSet state_of(ConnectionState state) {
  return one(static_cast<Number>(state));
}

/// The state of a packet of an open connection that connection tracking does not know yet.
ConnectionState picked_up_as() {
  const auto loose = read_file("/proc/sys/net/netfilter/nf_conntrack_tcp_loose");
  return loose && trim(*loose) == "0" ? ConnectionState::invalid : ConnectionState::fresh;
}

/// Makes the packets of one way.
class PacketMaker {
 public:
  explicit PacketMaker(const SessionWay& way) : way_(way), family_(way.ends.family) {}

  Packet incoming(ConnectionState state) const {
    Packet packet = plain(Hook::input, state);
    packet[Field::source] = address(way_.ends.there);
    packet[Field::destination] = address(wire_here());
    packet[Field::source_port] = ports_there(state);
    packet[Field::destination_port] = one(wire_here().port);
    if (!way_.interface.empty()) packet[Field::in_interface] = one(interface_number(way_.interface));
    packet[Field::packet_type] = one(0);
    if (!has_bridge()) packet[Field::bridge_in] = one(0);
    packet[Field::direction] = one(way_.outgoing ? kReply : kOriginal);
    return packet;
  }

  Packet leaving(ConnectionState state) const {
    Packet packet = plain(Hook::output, state);
    packet[Field::source] = address(way_.ends.here);
    packet[Field::destination] = address(way_.ends.there);
    packet[Field::source_port] = one(way_.ends.here.port);
    packet[Field::destination_port] = ports_there(state);
    if (!way_.interface.empty()) packet[Field::out_interface] = one(interface_number(way_.interface));
    packet[Field::direction] = one(way_.outgoing ? kOriginal : kReply);
    return packet;
  }

  /// Replaces what is known of the open connection by what a new one like it has.
  Packet of_new_connection(Packet packet, ConnectionState state) const {
    const bool first = state == ConnectionState::fresh;
    const bool in = packet.hook == Hook::input;
    packet[in != way_.outgoing ? Field::source_port : Field::destination_port] = new_ports();
    forget_connection(packet);
    packet[Field::original_source] = address(way_.outgoing ? way_.ends.here : way_.ends.there);
    packet[Field::original_destination] = address(way_.outgoing ? way_.ends.there : wire_here());
    packet[Field::original_source_port] = new_ports();
    packet[Field::original_destination_port] = one(way_.outgoing ? way_.ends.there.port : wire_here().port);
    if (first) packet[Field::connection_mark] = one(0);
    if (first && is_tcp()) packet[Field::tcp_flags] = one(kSyn);
    return packet;
  }

  /// Adds to a later packet what its connection is after the first one, which left as `first`.
  void add_begun(Packet& packet, const Packet& first) const {
    constexpr Number kOpen = StatusBit::seen_reply | StatusBit::confirmed;
    packet[Field::connection_mark] = first[Field::connection_mark];
    packet[Field::reply_source] = first[Field::destination];
    packet[Field::reply_source_port] = first[Field::destination_port];
    packet[Field::reply_destination] = first[Field::source];
    packet[Field::reply_destination_port] = first[Field::source_port];
    Number translated = 0;
    if (first[Field::destination] != packet[Field::original_destination] ||
        first[Field::destination_port] != packet[Field::original_destination_port])
      translated |= StatusBit::dnat;
    if (first[Field::source] != packet[Field::original_source]) translated |= StatusBit::snat;
    packet[Field::status] =
        NumberSet({{kOpen | translated, kOpen | translated},
                   {kOpen | StatusBit::assured | translated, kOpen | StatusBit::assured | translated}});
  }

  bool is_tcp() const { return way_.ends.protocol == 6; }

  /// Each packet of a connection to one's own address leaves and comes in again, both by lo.
  bool is_over_loopback() const { return way_.interface == "lo"; }

  /// The packet on its way out to lo, whatever its direction.
  Packet out_to_loopback(Packet packet) const {
    packet.hook = Hook::output;
    packet[Field::out_interface] = one(interface_number("lo"));
    return packet;
  }
  /// The packet that left so, as it comes in again: with its marks, its state and the addresses of NAT.
  Packet in_from_loopback(Packet left) const {
    left.hook = Hook::input;
    left[Field::in_interface] = one(interface_number("lo"));
    left[Field::out_interface] = whole(Field::out_interface, family_);
    left[Field::packet_type] = one(0);
    left[Field::bridge_in] = one(0);
    return left;
  }

 private:
  /// Where the client sends to: before destination NAT.
  const Endpoint& wire_here() const {
    return way_.tracked && !way_.outgoing ? way_.tracked->original_destination : way_.ends.here;
  }
  NumberSet address(const Endpoint& end) const { return one(number_of(family_, end.address)); }
  NumberSet new_ports() const { return NumberSet::range(kFirstPort, kLastPort); }
  NumberSet ports_there(ConnectionState /*state*/) const {
    return way_.any_port_there ? new_ports() : one(way_.ends.there.port);
  }

  bool has_bridge() const {
    return way_.interface.empty() ||
           path_exists(std::filesystem::path("/sys/class/net") / way_.interface / "bridge");
  }

  Packet plain(Hook hook, ConnectionState state) const {
    Packet packet = any_packet(family_, hook);
    packet[Field::protocol] = one(way_.ends.protocol);
    if (is_tcp()) packet[Field::tcp_flags] = NumberSet({{kAck, kAck}, {kAck | kPush, kAck | kPush}});
    packet[Field::fragment] = one(0);
    packet[Field::extensions] = one(0);
    packet[Field::mark] = one(0);
    packet[Field::state] = state_of(state);
    if (way_.tracked) add_tracked(packet);
    return packet;
  }

  void add_tracked(Packet& packet) const {
    const auto& tracked = *way_.tracked;
    packet[Field::connection_mark] = one(tracked.mark);
    packet[Field::status] = one(tracked.status & greatest_number(number_of_bits(Field::status, family_)));
    packet[Field::original_source] = address(tracked.original_source);
    packet[Field::original_destination] = address(tracked.original_destination);
    packet[Field::original_source_port] = one(tracked.original_source.port);
    packet[Field::original_destination_port] = one(tracked.original_destination.port);
    packet[Field::reply_source] = address(tracked.reply_source);
    packet[Field::reply_destination] = address(tracked.reply_destination);
    packet[Field::reply_source_port] = one(tracked.reply_source.port);
    packet[Field::reply_destination_port] = one(tracked.reply_destination.port);
  }

  void forget_connection(Packet& packet) const {
    for (const auto field :
         {Field::connection_mark, Field::status, Field::original_source, Field::original_destination,
          Field::original_source_port, Field::original_destination_port, Field::reply_source,
          Field::reply_destination, Field::reply_source_port, Field::reply_destination_port})
      packet[field] = whole(field, family_);
  }

  const SessionWay& way_;
  Family family_;
};

struct PacketFate {
  Passage passage = Passage::open;
  std::string why{};
  bool rejected = false;
  Packet left{};
};

PacketFate fate_of(const Model& model, Packet packet, std::string_view which) {
  complete(packet, model.facts());
  auto found = trace(model, packet);
  PacketFate out{.left = std::move(found.packet)};
  if (found.verdict == Verdict::accept) return out;
  if (found.verdict == Verdict::depends) {
    out.passage = Passage::doubtful;
    out.why = format("{} depend on {}", which,
                     found.depends_on.empty() ? "what is not known" : join(found.depends_on, ", "));
    return out;
  }
  out.passage = Passage::closed;
  out.rejected = found.verdict == Verdict::reject;
  out.why = format("{} meet {} by {}", which, name(found.verdict), deciding_step(found, model.family()));
  return out;
}

// Whether NAT sends a packet that left for this host to another one.
bool leaves_this_host(const Model& model, const Packet& left) {
  const auto& facts = model.facts();
  return facts.known && both(left[Field::destination], facts.local(model.family())).empty();
}

// On its whole way: over lo a packet meets the rules of OUTPUT, then those of INPUT.
PacketFate fate_of(const Model& model, const PacketMaker& make, Packet packet, std::string_view which) {
  if (!make.is_over_loopback()) return fate_of(model, std::move(packet), which);
  auto out = fate_of(model, make.out_to_loopback(std::move(packet)), which);
  if (out.passage == Passage::closed || leaves_this_host(model, out.left)) return out;
  auto in = fate_of(model, make.in_from_loopback(out.left), which);
  if (in.passage > out.passage) return in;
  out.left = std::move(in.left);
  return out;
}

// The first of the worst.
void keep_worse(PacketFate& worst, PacketFate other) {
  if (other.passage > worst.passage) worst = std::move(other);
}

PacketFate better(PacketFate a, PacketFate b) {
  return b.passage < a.passage ? std::move(b) : std::move(a);
}

// A packet that is let in but ends at another port or host does not reach whoever serves the session.
PacketFate of_destination(PacketFate let_in, const SessionWay& way, const HostFacts& facts) {
  if (let_in.passage != Passage::open) return let_in;
  const auto& address = let_in.left[Field::destination];
  const auto& port = let_in.left[Field::destination_port];
  const auto here = number_of(way.ends.family, way.ends.here.address);
  const bool is_taken = address == one(here) || (way.listens_everywhere && facts.known &&
                                                 without(address, facts.local(way.ends.family)).empty());
  if (is_taken && port == one(way.ends.here.port)) return let_in;
  const bool reaches = address.contains(here) && port.contains(way.ends.here.port);
  let_in.passage = reaches ? Passage::doubtful : Passage::closed;
  let_in.why = format("its packets go to {} port {}, not to {}", addresses_text(address, way.ends.family),
                      values_text(Field::destination_port, port, way.ends.family), way.here());
  return let_in;
}

constexpr const char* kIn = "its packets in";
constexpr const char* kOut = "its packets out";

/// Those of the packets of an open connection, in both directions. What one of them does to the connection's
/// mark counts for the next: the second round is what stays, as what is dropped in the first is sent again.
PacketFate fate_of_exchange(const Model& model, const PacketMaker& make, Packet in, Packet out) {
  PacketFate worst;
  PacketFate rejected;
  // True where a mark is another one by now.
  const auto exchange = [&] {
    bool marked = false;
    worst = {};
    for (auto [packet, other, which] : {std::tuple(&in, &out, kIn), std::tuple(&out, &in, kOut)}) {
      auto fate = fate_of(model, make, *packet, which);
      marked = marked || fate.left[Field::connection_mark] != (*other)[Field::connection_mark];
      (*other)[Field::connection_mark] = fate.left[Field::connection_mark];
      if (fate.rejected) keep_worse(rejected, fate);
      keep_worse(worst, std::move(fate));
    }
    return marked;
  };
  if (exchange()) exchange();
  keep_worse(worst, std::move(rejected));
  return worst;
}

/// The packets of the open connection.
SessionNeed open_connection(const SessionWay& way, const Model& model) {
  SessionNeed need{.what = format("your {} session from {} to {}", way.name, way.there(), way.here())};
  const PacketMaker make(way);
  const auto lasting = ConnectionState::established;
  PacketFate worst = fate_of_exchange(model, make, make.incoming(lasting), make.leaving(lasting));
  if (worst.passage != Passage::closed && !way.tracked && make.is_tcp()) {
    // Connection tracking begins with these rules: whichever direction comes first begins the connection
    // anew.
    const auto state = picked_up_as();
    auto in = fate_of(model, make, make.incoming(state), kIn);
    if (in.passage != Passage::open)
      in = better(std::move(in), fate_of(model, make, make.leaving(state), kOut));
    if (!way.is_untracked && in.passage == Passage::closed) {
      in.passage = Passage::doubtful;
      in.why += ", unless connection tracking knows the connection";
    }
    keep_worse(worst, std::move(in));
  }
  need.passage = worst.passage;
  need.why = std::move(worst.why);
  return need;
}

std::string new_words(const SessionWay& way) {
  const auto address = text_of_address(way.ends.family, way.ends.there.address);
  return way.outgoing ? format("a new {} connection to {} port {}", way.name, address, way.ends.there.port)
                      : format("a new {} connection from {} to {}", way.name, address, way.here());
}

}  // namespace

Packet first_packet(const SessionWay& way) {
  const PacketMaker make(way);
  const auto state = ConnectionState::fresh;
  return make.of_new_connection(way.outgoing ? make.leaving(state) : make.incoming(state), state);
}

SessionNeed new_connection(const SessionWay& way, const Model& model) {
  SessionNeed need{.what = new_words(way)};
  const PacketMaker make(way);
  const auto later = ConnectionState::established;
  PacketFate worst = fate_of(model, make, first_packet(way), way.outgoing ? kOut : kIn);
  if (!way.outgoing) worst = of_destination(std::move(worst), way, model.facts());
  const auto begun = worst.passage == Passage::open ? std::optional(worst.left) : std::nullopt;
  const auto follow = [&](Packet packet, const char* which) {
    packet = make.of_new_connection(std::move(packet), later);
    if (begun) make.add_begun(packet, *begun);
    auto fate = fate_of(model, make, packet, which);
    auto left = fate.left;
    keep_worse(worst, std::move(fate));
    return left;
  };
  auto state_behind = later;
  if (make.is_tcp()) {
    auto answer = way.outgoing ? make.incoming(later) : make.leaving(later);
    answer[Field::tcp_flags] = one(kSyn | kAck);
    const auto left = follow(std::move(answer), way.outgoing ? kIn : kOut);
    // Connection tracking that has not seen the answer takes what follows for no part of the connection
    // (nf_conntrack_proto_tcp.c: ACK in SYN_SENT).
    const auto untracked = state_of(ConnectionState::untracked);
    if (begun && (*begun)[Field::state] != untracked && left[Field::state] == untracked)
      state_behind = ConnectionState::invalid;
  }
  follow(make.leaving(way.outgoing ? state_behind : later), kOut);
  follow(make.incoming(way.outgoing ? later : state_behind), kIn);
  need.passage = worst.passage;
  need.why = std::move(worst.why);
  return need;
}

namespace {

/// The packets by which both ends of a link of IPv6 find each other (RFC 4861). Connection tracking leaves
/// them alone (nf_conntrack_proto_icmpv6.c).
class NeighbourPackets {
 public:
  NeighbourPackets(const SessionWay& way, const HostFacts::Interface& link, const HostFacts& facts)
      : link_(link), own_(number_of(Family::ipv6, wire_here(way))) {
    std::vector<NumberRange> on_link;
    for (const auto address : link.v6) on_link.push_back({address, address});
    own_of_link_ = NumberSet(std::move(on_link));
    const auto there = one(number_of(Family::ipv6, way.ends.there.address));
    const bool is_next = facts.interfaces_towards(there, Family::ipv6).contains(interface_number(link.name));
    // Else a router of which nobody says which of its addresses it takes.
    neighbour_ = is_next ? there : without(NumberSet(link.v6_networks), own_of_link_);
  }

  Packet solicitation_in() const { return in(kSolicitation, neighbour_, solicited(asked_for()), true); }
  Packet advertisement_out() const { return out(kAdvertisement, asked_for(), neighbour_); }
  Packet solicitation_out() const { return out(kSolicitation, asked_for(), solicited(neighbour_)); }
  Packet advertisement_in() const { return in(kAdvertisement, neighbour_, asked_for(), false); }

 private:
  static constexpr Number kSolicitation = 135;
  static constexpr Number kAdvertisement = 136;

  static AddressBits wire_here(const SessionWay& way) {
    return way.tracked && !way.outgoing ? way.tracked->original_destination.address : way.ends.here.address;
  }
  // An address of another link is reached by one of this link.
  NumberSet asked_for() const {
    return own_of_link_.empty() || own_of_link_.contains(own_) ? one(own_) : own_of_link_;
  }
  // The groups ff02::1:ff00:0/104 (RFC 4291, 2.7.1).
  static NumberSet solicited(const NumberSet& addresses) {
    const Number group = (Number{0xff02} << 112U) | (Number{1} << 32U) | Number{0xff000000};
    const Number low = 0xffffff;
    std::vector<NumberRange> out;
    for (const auto& [first, last] : addresses.ranges())
      if (last - first > low || (first & low) > (last & low))
        out.push_back({group, group | low});
      else
        out.push_back({group | (first & low), group | (last & low)});
    return NumberSet(std::move(out));
  }

  Packet plain(Hook hook, Number type, const NumberSet& source, NumberSet destination) const {
    Packet packet = any_packet(Family::ipv6, hook);
    packet[Field::protocol] = one(58);
    packet[Field::icmp_type] = one(type);
    packet[Field::icmp_code] = one(0);
    packet[Field::source] = source;
    packet[Field::destination] = std::move(destination);
    packet[Field::ttl] = one(255);
    for (const auto field : {Field::fragment, Field::extensions, Field::mark}) packet[field] = one(0);
    packet[Field::state] = state_of(ConnectionState::untracked);
    return packet;
  }
  Packet in(Number type, const NumberSet& source, NumberSet destination, bool group) const {
    auto packet = plain(Hook::input, type, source, std::move(destination));
    packet[Field::in_interface] = one(interface_number(link_.name));
    packet[Field::packet_type] = one(group ? 2 : 0);
    return packet;
  }
  Packet out(Number type, const NumberSet& source, NumberSet destination) const {
    auto packet = plain(Hook::output, type, source, std::move(destination));
    packet[Field::out_interface] = one(interface_number(link_.name));
    return packet;
  }

  const HostFacts::Interface& link_;
  Number own_;
  NumberSet own_of_link_{};
  NumberSet neighbour_{};
};

PacketFate fate_of_solicitations(const NeighbourPackets& packets, const Model& model) {
  auto worst = fate_of(model, packets.solicitation_in(), "neighbour solicitations in");
  keep_worse(worst, fate_of(model, packets.advertisement_out(), "neighbour advertisements out"));
  // What the neighbour asks tells this host who it is.
  for (auto [packet, which] : {std::pair(packets.solicitation_out(), "neighbour solicitations out"),
                               std::pair(packets.advertisement_in(), "neighbour advertisements in")}) {
    auto fate = fate_of(model, std::move(packet), which);
    if (fate.passage == Passage::closed) {
      fate.passage = Passage::doubtful;
      fate.why += ", unless the neighbour asks first";
    }
    keep_worse(worst, std::move(fate));
  }
  return worst;
}

/// Whether the link of the session finds its neighbours; absent where it has none, or where nobody knows.
std::optional<SessionNeed> neighbours(const SessionWay& way, const Model& model) {
  const auto& facts = model.facts();
  const auto link = std::ranges::find(facts.interfaces, way.interface, &HostFacts::Interface::name);
  if (link == facts.interfaces.end() || !link->finds_neighbours) return std::nullopt;
  PacketFate fate;
  if (way.ends.family == Family::ipv6) {
    fate = fate_of_solicitations(NeighbourPackets(way, *link, facts), model);
  } else if (const auto chains = chains_of_arp(model.ruleset()); !chains.empty()) {
    fate.passage = Passage::doubtful;
    fate.why = format("packets of ARP depend on {}", join(chains, ", "));
  }
  return SessionNeed{
      .what = fate.passage == Passage::closed
                  ? format("the neighbour on {} cannot be found", way.interface)
                  : format("your {} session needs its neighbour on {}", way.name, way.interface),
      .passage = fate.passage,
      .why = std::move(fate.why)};
}

}  // namespace

std::vector<SessionNeed> session_needs(const CallerSession& session, const Ruleset& ruleset,
                                       const HostFacts& facts) {
  std::array<std::optional<Model>, 2> models;
  std::vector<SessionNeed> needs;
  for (const auto& way : session.ways) {
    auto& model = models[way.ends.family == Family::ipv4 ? 0 : 1];
    if (!model) model.emplace(ruleset, way.ends.family, facts);
    if (way.is_open) needs.push_back(open_connection(way, *model));
    if (!way.any_port_there) needs.push_back(new_connection(way, *model));
    if (auto need = neighbours(way, *model)) needs.push_back(*std::move(need));
  }
  return needs;
}

Lockout find_lockout(const CallerSession& session, const Ruleset& wanted, const HostFacts& facts,
                     const std::function<const Ruleset*()>& live) {
  Lockout lockout;
  const auto after = session_needs(session, wanted, facts);
  if (std::ranges::all_of(after, [](const auto& need) { return need.passage == Passage::open; }))
    return lockout;
  const Ruleset* in_force = live();
  const auto before =
      in_force == nullptr ? std::vector<SessionNeed>{} : session_needs(session, *in_force, facts);
  for (std::size_t i = 0; i < after.size(); ++i) {
    const auto& need = after[i];
    if (need.passage == Passage::open) continue;
    const auto text = format("{}: {}", need.what, need.why);
    const bool as_before =
        i < before.size() && (before[i].passage > need.passage ||
                              (before[i].passage == need.passage &&
                               (need.passage == Passage::closed || before[i].why == need.why)));
    if (as_before) {
      lockout.notes.push_back(format("{}, as the live rules have it", text));
    } else if (need.passage > lockout.passage) {
      lockout.passage = need.passage;
      lockout.text = text;
    }
  }
  return lockout;
}

}  // namespace rewall
