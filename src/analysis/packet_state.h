#pragma once

#include <map>
#include <set>
#include <string>

#include "analysis/model.h"
#include "analysis/packet.h"

namespace rewall {

/// What a field of a packet has become on its way, told by what the packet came with.
struct FieldValue {
  enum class Kind : std::uint8_t {
    masked,  ///< ((the number of `of` as it came) & keep) ^ flip; or that number and `shift`, 0 to 255
    one_of,  ///< one of these numbers, which nobody can tell
    unknown
  };
  Kind kind = Kind::masked;
  Field of = Field::mark;
  Number keep = ~Number{0};
  Number flip = 0;
  int shift = 0;  ///< of TTL; then keep and flip change nothing
  NumberSet numbers{};

  static FieldValue as_it_came(Field field) { return {.of = field}; }
  static FieldValue one(Number number) { return {.kind = Kind::one_of, .numbers = NumberSet::one(number)}; }
  static FieldValue among(NumberSet numbers) { return {.kind = Kind::one_of, .numbers = std::move(numbers)}; }
  static FieldValue nobody_knows() { return {.kind = Kind::unknown}; }
  bool operator==(const FieldValue&) const = default;
};

/// What rules have made of packets on one way: the same for all of them. A value.
struct PacketState {
  std::map<Field, FieldValue> changed{};  ///< of the fields that are not as they came
  std::set<std::string> changed_sets{};   ///< that a rule adds the packet to, or removes it from
  Hook hook = Hook::prerouting;           ///< where it is
  bool over_loopback = false;             ///< it came in over lo: its connection is that of its way out
  bool tracked = false;                   ///< connection tracking has seen it
  bool not_tracked = false;               ///< a rule said that it must not (NOTRACK)
  bool translated = false;                ///< by NAT at this hook: no further rule of NAT is asked
  bool destination_translated = false;    ///< by NAT at any hook
  bool to_this_host = false;              ///< REDIRECT
  bool routed = false;                    ///< it goes by FORWARD
  std::string proxy{};                    ///< the words of TPROXY

  bool has_connection() const { return tracked && !not_tracked; }
  FieldValue value(Field field) const;
  void set(Field field, FieldValue value);
  /// field = (field & ~mask) ^ number
  void set_bits(Field field, Number mask, Number number);
  /// field + shift, but no less than 0 and no more than 255
  void add(Field field, int shift);
  /// field = (field & ~mask) ^ (other & other_mask); unknown where no bits of one field alone are left.
  void copy_bits(Field field, Number mask, Field other, Number other_mask);
  std::string key() const;  ///< equal for equal states
};

/// What an action makes of the state, for those that change it; but for those of NAT.
void change_state(PacketState& state, const RuleAction& action);

/// The fields that an action may change.
std::vector<Field> changed_by(const RuleAction& action);

}  // namespace rewall
