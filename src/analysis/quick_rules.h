#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "analysis/model.h"

/// Rules in a form that rejects most packets in a few instructions. It is made from the text of a rule at a
/// glance, without parsing it: what the glance does not know is left to the rule itself (Model::rule()).
namespace rewall {

/// The patterns of interfaces that rules name, each once.
class InterfacePatterns {
 public:
  /// From 1; 0 is no pattern.
  std::uint32_t number_of(std::string_view pattern);
  const NumberSet& names(std::uint32_t number) const { return names_[number - 1]; }
  /// For each pattern whether it takes the interface; counts from 0.
  const std::vector<std::uint8_t>& answers(Number interface);

 private:
  std::unordered_map<std::string, std::uint32_t> numbers_{};
  std::vector<NumberSet> names_{};
  struct NumberHash {
    std::size_t operator()(Number number) const {
      return static_cast<std::size_t>(static_cast<std::uint64_t>(number >> 56U) ^
                                      static_cast<std::uint64_t>(number));
    }
  };
  std::unordered_map<Number, std::vector<std::uint8_t>, NumberHash> answers_{};
};

/// `AddressNumber` is 32 bits wide for IPv4, 128 for IPv6. Ranges that hold all numbers ask for nothing.
template <class AddressNumber>
struct QuickRule {
  AddressNumber source_first = 0;
  AddressNumber source_last = static_cast<AddressNumber>(~AddressNumber{0});
  AddressNumber destination_first = 0;
  AddressNumber destination_last = static_cast<AddressNumber>(~AddressNumber{0});
  std::uint16_t source_port_first = 0;
  std::uint16_t source_port_last = 0xffff;
  std::uint16_t destination_port_first = 0;
  std::uint16_t destination_port_last = 0xffff;
  std::uint32_t in_pattern = 0;
  std::uint32_t out_pattern = 0;
  std::uint32_t chain = 0;     ///< of jump and go_to
  std::uint8_t protocol = 0;   ///< 0 for any
  std::uint8_t states = 0x1f;  ///< bits of ConnectionState
  std::uint8_t negated = 0;    ///< QuickField, as the next
  std::uint8_t asks = 0;       ///< fields that it asks for, beside the state
  bool header = false;         ///< asks for ports: no fragment behind the first
  bool more = false;           ///< the rule asks for more than stands here
  bool ask_action = false;     ///< its action stands in the rule itself
  RuleAction::Kind action = RuleAction::Kind::none;
};

enum QuickField : std::uint8_t {
  quick_source = 1,
  quick_destination = 2,
  quick_protocol = 4,
  quick_in = 8,
  quick_out = 16,
  quick_source_port = 32,
  quick_destination_port = 64
};

using QuickRuleV4 = QuickRule<std::uint32_t>;
using QuickRuleV6 = QuickRule<Number>;

/// The place of a chain in the rule's table; SIZE_MAX for none.
class ChainPlaces {
 public:
  explicit ChainPlaces(const Table& table);
  std::size_t find(std::string_view chain) const;

 private:
  std::unordered_map<std::string_view, std::size_t> places_{};
};

template <class AddressNumber>
QuickRule<AddressNumber> glance(std::string_view words, const ChainPlaces& chains,
                                InterfacePatterns& patterns);

extern template QuickRuleV4 glance(std::string_view, const ChainPlaces&, InterfacePatterns&);
extern template QuickRuleV6 glance(std::string_view, const ChainPlaces&, InterfacePatterns&);

}  // namespace rewall
