#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "analysis/number_set.h"
#include "analysis/packet.h"
#include "rules/ruleset.h"

namespace rewall {

/// The members of an ipset, to be found by the values of a packet as the kernel finds them
/// (net/netfilter/ipset): the most specific network decides, and one with `nomatch` says no.
class SetMembers {
 public:
  /// One dimension of a member: the numbers with this beginning.
  struct Part {
    Number value = 0;
    unsigned prefix = 0;  ///< in bits, from the highest
  };
  struct Member {
    std::array<Part, 3> parts{};
    std::uint8_t protocol = 0;  ///< of a port
    bool nomatch = false;
  };

  /// `family` is that of the packets. With `nomatch` members with that word say yes, and all others no: what
  /// --return-nomatch asks of a set of networks (ip_set_test() of ip_set_core.c).
  SetMembers(const Set& set, Family family, bool nomatch = false);

  /// False for a set whose type or members cannot be read: nobody knows who is a member.
  bool known() const { return known_; }
  /// True for a set that has temporary members, which nobody knows: who is no member may be one.
  bool open() const { return open_; }
  /// True for a set of the other family, which has none of the packets.
  bool foreign() const { return foreign_; }
  bool has_port() const { return port_ < kinds_.size(); }
  std::size_t port_part() const { return port_; }  ///< the dimension that is a port
  std::size_t dimensions() const { return kinds_.size(); }
  /// For sets of one dimension, but for ports: all members.
  const NumberSet* numbers() const { return one_dimension_ ? &numbers_ : nullptr; }
  /// True for bitmap:port, which knows TCP and UDP alone.
  bool is_port_map() const { return one_dimension_ && has_port(); }

  /// `values` has a number for each dimension: of a port that of get_port() in ip_set_getport.c, which is
  /// type * 256 + code for ICMP, and 0 for protocols without ports.
  bool contains(std::span<const Number> values, std::uint8_t protocol) const;

  const std::vector<Member>& members() const { return members_; }
  /// The members that are not disjoint from the ranges; absent where they are more than `most`.
  std::optional<std::vector<const Member*>> near(std::span<const NumberRange> ranges, std::size_t most) const;
  NumberRange range_of(const Member& member, std::size_t part) const;
  /// Of hash:net,iface the most specific network decides, whatever its interface (mtype_test_cidrs() and
  /// hash_netiface4_data_equal()).
  bool of_interfaces() const { return of_interfaces_; }
  Number mark_mask() const { return mark_mask_; }  ///< what a set looks at of a mark

 private:
  struct Key {
    std::array<Number, 3> values{};
    std::uint8_t protocol = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  using Shape = std::array<unsigned, 3>;  // prefixes

  void read_options(const Set& set, Family family);
  void read_member(std::string_view member);
  std::optional<Part> read_part(std::string_view text, std::string_view kind, bool wildcard,
                                Member& member) const;
  void make_index();
  void make_numbers();
  unsigned bits_of(std::string_view kind) const;
  Number mask_of(std::size_t part, unsigned prefix) const;

  Family family_ = Family::ipv4;
  std::vector<std::string> kinds_{};  // "ip", "net", "port", "mac", "mark", "iface"
  std::size_t port_ = 3;              // the dimension that is a port
  bool known_ = true;
  bool open_ = false;
  bool foreign_ = false;  // of the other family
  bool one_dimension_ = false;
  unsigned netmask_ = 128;
  Number mark_mask_ = 0xffffffff;
  std::vector<Member> members_{};
  NumberSet numbers_{};
  bool of_interfaces_ = false;
  bool swapped_ = false;                              // nomatch says yes
  std::set<std::pair<unsigned, Number>> networks_{};  // prefixes and values
  std::map<Shape, std::unordered_map<Key, bool, KeyHash>, std::greater<>> index_{};
};

/// What ipset takes for the port of a packet: that of get_port() in ip_set_getport.c.
struct SetPort {
  bool known = false;  ///< the packet says so much
  bool there = false;  ///< false for a fragment that has no ports: it is in no set
  std::uint8_t protocol = 0;
  Number number = 0;
};
SetPort set_port(const Packet& packet, Field field);

}  // namespace rewall
