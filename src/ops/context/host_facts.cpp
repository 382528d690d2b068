#include "ops/context/host_facts.h"

#include <utility>

#include "core/format.h"
#include "core/messages.h"
#include "kernel/host_addresses.h"
#include "rules/lines.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

Number number_of_address(const HostAddress& address) {
  return address_number(address.bits, address.family);
}

NumberRange range_of_network(const HostAddress& network) {
  const unsigned bits = network.family == Family::ipv4 ? 32 : 128;
  const unsigned free = bits - network.prefix;
  const Number first = number_of_address(network);
  const Number mask = free == 0 ? 0 : greatest_number(free);
  return {first & ~mask, first | mask};
}

void add_address(HostFacts::Interface& interface, const HostAddress& address) {
  (address.family == Family::ipv4 ? interface.v4 : interface.v6).push_back(number_of_address(address));
}

void add_network(HostFacts::Interface& interface, const HostAddress& network) {
  (network.family == Family::ipv4 ? interface.v4_networks : interface.v6_networks)
      .push_back(range_of_network(network));
}

void complete_group(Packet& packet, Field interface, Field group, const HostFacts& facts) {
  if (!packet[interface].is_one() || packet[group] != whole(group, packet.family)) return;
  for (const auto& one : facts.interfaces)
    if (packet[interface] == NumberSet::one(interface_number(one.name)))
      packet[group] = NumberSet::one(one.group);
}

}  // namespace

Result<HostFacts> live_host_facts() {
  const auto host = TRY(read_host_addresses());
  HostFacts facts{.known = true, .ipsec = host.ipsec, .routes_by_mark = host.routes_by_rules};
  for (const auto& one : host.interfaces) {
    auto& interface = facts.interfaces.emplace_back();
    interface.name = one.name;
    interface.group = one.group;
    interface.finds_neighbours = one.finds_neighbours;
    interface.v4_default = one.v4_default;
    interface.v6_default = one.v6_default;
    interface.v4_forwards = one.v4_forwards;
    interface.v6_forwards = one.v6_forwards;
    for (const auto& address : one.addresses) add_address(interface, address);
    for (const auto& network : one.networks) add_network(interface, network);
  }
  for (const auto& network : host.local_networks)
    (network.family == Family::ipv4 ? facts.local_v4 : facts.local_v6).push_back(range_of_network(network));
  return facts;
}

HostFacts host_facts_if_known() {
  auto facts = live_host_facts();
  return facts ? *std::move(facts) : HostFacts{};
}

Result<HostFacts> given_host_facts(std::span<const std::string> addresses) {
  // Nobody says whether it has IPsec, or by what it routes.
  HostFacts facts{.known = true, .ipsec = true, .routes_by_mark = true};
  for (const auto& text : addresses) {
    const auto family = text.find(':') == std::string::npos ? Family::ipv4 : Family::ipv6;
    const auto address = text.find('/') == std::string::npos ? read_address(text, family) : std::nullopt;
    if (!address)
      return error_of<messages::no_packet_value>(rewall::quoted(text), "an address", "").within("--local");
    const auto number = address_number(address->bits, family);
    (family == Family::ipv4 ? facts.local_v4 : facts.local_v6).push_back({number, number});
  }
  return facts;
}

void complete(Packet& packet, const HostFacts& facts) {
  complete_group(packet, Field::in_interface, Field::in_group, facts);
  complete_group(packet, Field::out_interface, Field::out_group, facts);
}

}  // namespace rewall
