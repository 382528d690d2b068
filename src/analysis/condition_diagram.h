#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analysis/diagram.h"
#include "analysis/model.h"
#include "analysis/packet.h"
#include "analysis/packet_state.h"
#include "analysis/set_members.h"

namespace rewall {

/// What a rule asks of packets as they came: each of the levels must have one of its numbers, and the packet
/// be in each of the diagrams.
struct Asked {
  bool never = false;
  std::vector<std::pair<std::size_t, NumberSet>> tests{};
  std::vector<Diagram> others{};
};

/// Makes diagrams of conditions: a level a field, and behind these a level for each unknown condition. Of
/// packets that are not in `packets` a diagram says anything.
class ConditionDiagrams {
 public:
  /// All references must outlive the object. `order`: the first fields.
  ConditionDiagrams(const Model& model, const Packet& packets, const std::vector<Field>& order);

  Diagrams& diagrams() { return diagrams_; }
  std::size_t level_of(Field field) const { return level_of_[static_cast<std::size_t>(field)]; }
  std::optional<Field> field_of(std::size_t level) const;
  const std::string& words_of(std::size_t level) const { return words_[level - kFields]; }
  /// The answers of unknown conditions for packets whose addresses are as they came.
  void assume(std::map<std::string, bool> answers) { assumed_ = std::move(answers); }

  /// A condition of the rule `rule` (any address that is the rule's own), for packets in that state.
  Asked asked(const std::vector<Condition>& conditions, const PacketState& state, const void* rule);
  Diagram diagram(const Condition& condition, const PacketState& state, const void* rule);
  /// All that is asked, as a set.
  Diagram diagram(const Asked& asked);
  /// The set of the packets whose field is now in the set.
  Diagram diagram(Field field, const NumberSet& numbers, const PacketState& state, std::string_view words);
  /// A choice that nothing of the packet tells.
  Diagram unknown(const std::string& words, const std::string& key = {});

  /// The sets of addresses that rules looked for a source in, by name.
  std::vector<std::pair<std::string, const NumberSet*>> source_sets() const;
  /// Diagrams that are kept beside those of the caller.
  std::vector<Diagram*> kept();

 private:
  struct Atom {
    enum class Kind : std::uint8_t { no, yes, test };
    Kind kind = Kind::no;
    std::size_t level = 0;
    NumberSet numbers{};
  };
  FieldValue value(Field field, const PacketState& state) const;
  unsigned used_bits(Field field) const;
  Atom in_domain(Field field, NumberSet numbers) const;
  Atom of_level(std::size_t level, bool negated) const;
  Atom atom(Field field, const NumberSet& wanted, bool negated, const PacketState& state,
            std::string_view words);
  Atom masked_atom(const Condition& condition, const PacketState& state);
  Atom atom_of(const Condition& condition, const PacketState& state, const void* rule);
  Atom unknown_atom(const Condition& condition, const PacketState& state, const void* rule);
  std::optional<bool> assumed(const Condition& condition, const PacketState& state) const;
  Diagram diagram(const Atom& atom);
  void add(Asked& out, const Condition& condition, const PacketState& state, const void* rule);
  std::size_t unknown_level(const std::string& key, std::string words);
  Diagram lookup(const Condition& condition, const PacketState& state);
  Diagram lookup_new(const Condition& condition, const SetMembers& members, const PacketState& state);
  Diagram member(const Condition& condition, const SetMembers& members, const SetMembers::Member& member,
                 const PacketState& state);
  Diagram of_networks(const Condition& condition, const SetMembers& members, const PacketState& state);
  /// The first of the diagrams that knows: what follows where one says kNextMember.
  Diagram first_of(std::vector<Diagram> diagrams);
  Diagram port_of_set(const Condition& condition, std::size_t part, const SetMembers& members,
                      const SetMembers::Member& member, const PacketState& state);

  const Model& model_;
  const Packet& packets_;
  std::array<std::size_t, kFields> level_of_{};
  std::vector<Field> field_of_{};
  std::array<NumberSet, kFields> domain_{};
  Diagrams diagrams_;
  std::vector<std::string> words_{};
  std::unordered_map<std::string, std::size_t> unknowns_{};
  std::map<std::string, bool> assumed_{};
  std::map<std::string, Diagram> lookups_{};
  std::map<std::string, const NumberSet*> source_sets_{};
};

/// The numbers of so many bits for which (number & keep) ^ flip is in the set. Absent where these are more
/// than `most` ranges.
std::optional<NumberSet> numbers_before(const NumberSet& after, Number keep, Number flip, unsigned bits,
                                        std::size_t most = 4096);

}  // namespace rewall
