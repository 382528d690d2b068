#pragma once

#include <array>
#include <string>
#include <vector>

#include "analysis/model.h"
#include "rules/rule.h"

/// Rules as conditions: what each match of iptables-extensions(8) asks of a packet, as the kernel's own
/// matches do it (net/netfilter/xt_*.c, net/ipv4/netfilter, net/ipv6/netfilter).
namespace rewall {

Condition field_in(Field field, NumberSet numbers, bool negated = false);
Condition field_masked(Field field, Number mask, Number value, bool negated = false);
Condition all_of(std::vector<Condition> parts);
Condition any_of(std::vector<Condition> parts);
Condition always();
Condition never();
/// `fields`: what of the packet the answer may hang on.
Condition unknown(std::string words, std::vector<Field> fields = {}, bool stateful = false);

/// What the conditions of a rule need to know beside the rule.
struct Surroundings {
  Family family = Family::ipv4;
  Backend backend = Backend::nft;
  const HostFacts* facts = nullptr;
  const Sets* sets = nullptr;
};

/// The conditions of a rule in the order in which the kernel asks. What cannot be read is an unknown.
std::vector<Condition> read_conditions(const ParsedRule& rule, const Surroundings& around);

/// Words of a rule as people write them; quoted where they must be.
std::string option_words(const Option& option);
/// "-m limit --limit 3/min".
std::string match_words(const Match& match);

Number number_of(const std::array<std::uint8_t, 16>& bits, Family family);
/// The addresses of "192.0.2.1-192.0.2.9" or "192.0.2.1"; absent for any other text.
std::optional<NumberSet> read_address_span(std::string_view text, Family family);
/// The fields that the dimensions of a set of that type are, for the flags of --match-set ("src,dst"). Absent
/// for a type that is not known, and where a packet has no such field (the MAC address of the receiver).
std::optional<std::vector<Field>> fields_of_set(std::string_view type, std::string_view flags, Family family);
/// The dimensions of a type: 2 for "hash:ip,port".
std::size_t dimensions_of(std::string_view type);

}  // namespace rewall
