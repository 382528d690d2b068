#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/packet.h"
#include "rules/rule.h"
#include "rules/ruleset.h"

namespace rewall {

/// What rules ask of the host that no ruleset says. For LIVE it is read from the kernel
/// (kernel/host_addresses.h); for other revisions people give it (`--local`). A value.
struct HostFacts {
  bool known = false;  ///< false: what hangs on addresses of this host is unknown
  struct Interface {
    std::string name{};
    std::uint32_t group = 0;
    std::vector<Number> v4{};  ///< addresses of this host on the interface
    std::vector<Number> v6{};
    std::vector<NumberRange> v4_networks{};  ///< that are on the link, for routing
    std::vector<NumberRange> v6_networks{};
    bool finds_neighbours = false;  ///< by ARP and neighbour discovery
    bool v4_default = false;        ///< a default route leaves by it
    bool v6_default = false;
    bool v4_forwards = true;  ///< packets that come in by it are routed on
    bool v6_forwards = true;
  };
  std::vector<Interface> interfaces{};
  /// Networks of which all addresses are this host's: routes of type `local` (ip-route(8)).
  std::vector<NumberRange> local_v4{};
  std::vector<NumberRange> local_v6{};
  bool ipsec = false;           ///< it has policies of IPsec (ip-xfrm(8))
  bool routes_by_mark = false;  ///< it has rules of routing (ip-rule(8)) beside the three of the kernel
  /// The addresses of this host: loopback networks, and all of the interfaces.
  NumberSet local(Family family) const;
  /// The interfaces on whose links these addresses are; none where one of the addresses is on no link.
  NumberSet interfaces_towards(const NumberSet& addresses, Family family) const;
  /// The interfaces that the world can come in by: those that a default route leaves by. All where none does,
  /// or where nobody knows: other routes may lead to the world.
  NumberSet towards_world(Family family) const;
  /// Whether another mark or type of service can be another way, as far as anybody knows.
  bool may_route_by_mark() const { return !known || routes_by_mark; }
  /// What MASQUERADE makes of the source of packets that leave by the interface: none where it drops them.
  NumberSet masquerade_addresses(const Interface& out, Family family) const;
};

/// The addresses of the loopback interface.
NumberSet loopback_addresses(Family family);
/// What REDIRECT makes of the destination of packets that come in by the interface: none where it drops them.
NumberSet redirect_addresses(const HostFacts::Interface& in, Family family);

/// A condition of a rule. `parts` are those of all_of and any_of. A condition holds all that the kernel asks:
/// that of a port asks too whether the packet is no fragment behind the first, one of connection tracking
/// whether the packet has a connection.
struct Condition {
  enum class Kind : std::uint8_t {
    in,      ///< the field is in `numbers`
    masked,  ///< field & mask == value; never where the value has bits outside the mask
    all_of,  ///< of no parts: always
    any_of,  ///< of no parts: never
    lookup,  ///< `fields` of the packet, in this order, are a member of the set `set`
    unknown  ///< nothing of the packet tells: limit, recent, a module that the model does not know
  };
  Kind kind = Kind::in;
  bool negated = false;
  Field field = Field::protocol;
  NumberSet numbers{};
  Number mask = 0;
  Number value = 0;
  std::vector<Condition> parts{};
  std::string set{};
  bool of_nomatch = false;      ///< of a lookup: the member has `nomatch` (--return-nomatch)
  std::vector<Field> fields{};  ///< of an unknown: what of the packet its answer may hang on
  /// The condition as the rule says it, without `!`: "--dport 22", "-m limit --limit 3/min". Unknowns with
  /// the same words are the same unknown, but for those with a state of their own (`stateful`), where each
  /// occurrence is one of its own. Parts have words where they are conditions that people know.
  std::string words{};
  bool stateful = false;
};

/// What a rule does to a packet that it matches.
struct RuleAction {
  enum class Kind : std::uint8_t {
    none,  ///< goes on with the next rule: LOG, no target, what changes nothing that a rule can ask for
    accept,
    drop,
    reject,
    jump,
    go_to,
    leave,           ///< RETURN
    queue,           ///< NFQUEUE, QUEUE: another program decides
    set_field,       ///< field = (field & ~mask) ^ value: MARK, CONNMARK, TTL, HL, DSCP, TOS
    increase_field,  ///< TTL --ttl-inc, --ttl-dec: field + value, within the bits of the field
    save_mark,       ///< the connection's mark is that of the packet, under the masks
    restore_mark,
    no_track,  ///< NOTRACK, CT --notrack
    destination_nat,
    source_nat,
    masquerade,
    redirect,
    network_map,
    transparent_proxy,
    set_member,   ///< SET: adds or removes a member
    spoil_field,  ///< the field becomes what nobody knows: HMARK, SNPT, SET --map-mark; TCPMSS
                  ///< (adds_segment_size)
    unknown       ///< a target that the model does not know: the verdict hangs on it
  };
  Kind kind = Kind::none;
  std::string words{};    ///< "ACCEPT", "DNAT --to-destination 192.0.2.7"
  std::size_t chain = 0;  ///< of jump and go_to: the place in ModelTable::chains
  Field field = Field::mark;
  Number mask = 0;
  Number value = 0;
  Number second_mask = 0;             ///< of save_mark and restore_mark: nfmask; `mask` is ctmask
  NumberSet addresses{};              ///< that NAT chooses from; empty: the address stays
  NumberSet ports{};                  ///< the same
  bool shuffles = false;              ///< --random: the port becomes another one in any case
  std::optional<Number> port_base{};  ///< the port is ports + (port - port_base), around
  std::string set{};                  ///< of set_member
  std::vector<Field> fields{};        ///< of set_member; of spoil_field those that become so beside `field`
  bool removes = false;               ///< of set_member: --del-set
  bool bypass = false;                ///< NFQUEUE --queue-bypass: accepted where nobody listens
};

/// True for TCPMSS: it adds the option that it sets to a packet that has none and no data, and so makes it
/// longer (xt_TCPMSS.c). One with the option stays as long as it is.
bool adds_segment_size(const RuleAction& action);
inline constexpr Number kSegmentSizeOption = Number{1} << 2U;  ///< of Field::tcp_option

struct ModelRule {
  std::string_view words{};             ///< as iptables-save prints it; points into the ruleset
  std::vector<Condition> conditions{};  ///< all must hold, in the order in which the kernel asks
  RuleAction action{};
};

struct ModelTable {
  Slot slot{};
  Backend backend = Backend::nft;
  const Table* table = nullptr;
  std::string_view name() const { return table->name; }
};

/// A stop of a packet on its way: a built-in chain of a table, at its hook and priority; or a native nft base
/// chain, of which nothing is known but what it can do. A native chain that can only accept, count and log,
/// and so can all chains that it jumps to, is no station: packets pass it unchanged.
struct Station {
  Hook hook = Hook::input;
  int priority = 0;
  std::size_t table = 0;  ///< in Model::tables()
  std::size_t chain = 0;  ///< in the table's chains
  std::string native{};   ///< "nft inet fw input" for a native one; empty else
  bool drops = false;     ///< of a native one: it can drop packets
  bool rejects = false;   ///< or reject them
  bool changes = false;   ///< or change them, or hand them to others
};

/// A ruleset of one family, ready for packets. The ruleset must outlive it. Not for several threads at once:
/// rules are read when they are asked for first.
class Model {
 public:
  Model(const Ruleset& ruleset, Family family, HostFacts facts = {});
  Model(const Model&) = delete;
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  Family family() const;
  const HostFacts& facts() const;
  const Ruleset& ruleset() const;
  const std::vector<ModelTable>& tables() const;
  /// In the order in which a packet meets them. Tables of both backends where both have rules.
  const std::vector<Station>& stations(Hook hook) const;
  /// A rule by its place in its chain, from 0; read now at the latest. The rules of Chain are as many.
  const ModelRule& rule(std::size_t table, std::size_t chain, std::size_t place) const;
  /// The chain of that name in the table; absent for none.
  std::optional<std::size_t> find_chain(std::size_t table, std::string_view name) const;
  /// Whether the set has a member with these values of the fields (each set of numbers is one number, and so
  /// are `protocol` and `fragment` where a port is asked for): absent where the set is not there, its type is
  /// not known, or where only a temporary member, which no revision holds, could be it.
  std::optional<bool> has_member(const std::string& set, const std::vector<Field>& fields,
                                 const Packet& packet) const;

  struct Parts;
  /// For the sources of this folder.
  Parts& parts() const { return *parts_; }

 private:
  std::unique_ptr<Parts> parts_;
};

}  // namespace rewall
