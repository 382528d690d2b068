#include "ops/context/packet_on_host.h"

#include <algorithm>

#include "core/format.h"
#include "ops/context/host_facts.h"

namespace rewall {
namespace {

enum class Whose { ours, others, both };

// Whose addresses these are: also of this host are those that everybody on a link hears.
Whose whose(const NumberSet& addresses, const HostFacts& facts, Family family) {
  auto own = facts.local(family);
  if (family == Family::ipv4) {
    own = either(own, NumberSet::range(0xe0000000, 0xffffffff));
    for (const auto& interface : facts.interfaces)
      for (const auto& [first, last] : interface.v4_networks)
        own = either(own, NumberSet({{first, first}, {last, last}}));
  } else {
    own = either(own, NumberSet::range(Number{0xff} << 120U, greatest_number(128)));
  }
  if (both(addresses, own).empty()) return Whose::others;
  return without(addresses, own).empty() ? Whose::ours : Whose::both;
}

// The line of the kernel's LOG target tells its hook.
bool is_line_without_hook(std::span<const std::string> words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  if (text.find("--hook") != std::string::npos || text.find("SRC=") != std::string::npos) return false;
  return is_packet_line(text);
}

}  // namespace

void complete_on_host(Packet& packet, std::span<const std::string> words, const HostFacts& facts) {
  complete(packet, facts);
  if (!facts.known || facts.interfaces.empty() || !is_line_without_hook(words)) return;
  const auto from = whose(packet[Field::source], facts, packet.family);
  const auto to = whose(packet[Field::destination], facts, packet.family);
  if (to != Whose::others) return;
  if (from == Whose::others) packet.hook = Hook::forward;
  if (from == Whose::ours) packet.hook = Hook::output;
}

std::string forwarding_note(const HostFacts& facts, Family family) {
  const bool v4 = family == Family::ipv4;
  const auto off = [v4](const HostFacts::Interface& interface) {
    return interface.name == "lo" || !(v4 ? interface.v4_forwards : interface.v6_forwards);
  };
  const bool known = facts.known && facts.interfaces.size() > 1;
  if (!known || !std::ranges::all_of(facts.interfaces, off)) return {};
  return format("{} is 0: the kernel routes no packet of {} on, whatever the rules say",
                v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding", v4 ? "IPv4" : "IPv6");
}

std::vector<std::string> packet_notes(const Packet& packet, const Packet& left, const HostFacts& facts) {
  std::vector<std::string> notes;
  if (!facts.known) return notes;
  const auto& to = packet[Field::destination];
  const bool is_named = to != whole(Field::destination, packet.family);
  const bool translated = left[Field::destination] != to;
  if (is_named && !translated) {
    const auto owner = whose(to, facts, packet.family);
    const auto text = addresses_text(to, packet.family);
    if (packet.hook == Hook::input && owner == Whose::others)
      notes.push_back(
          format("{} is not an address of this host: --hook FORWARD asks what becomes of packets "
                 "that this host routes on",
                 text));
    if (packet.hook == Hook::forward && owner == Whose::ours)
      notes.push_back(
          format("{} is an address of this host: packets to it go to INPUT, not to FORWARD", text));
  }
  const bool routed_on =
      packet.hook == Hook::input && (left.hook == Hook::forward || left.hook == Hook::postrouting);
  if (packet.hook == Hook::forward || routed_on)
    if (auto note = forwarding_note(facts, packet.family); !note.empty()) notes.push_back(std::move(note));
  return notes;
}

}  // namespace rewall
