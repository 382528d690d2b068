#include "ops/host/expect.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "analysis/model.h"
#include "analysis/walk.h"
#include "core/format.h"
#include "ops/context/caller_session.h"
#include "ops/context/host_facts.h"
#include "ops/context/packet_on_host.h"
#include "ops/context/socket_table.h"

namespace rewall {
namespace {

struct Service {
  unsigned port = 0;
  std::string_view name{};
};
/// What nobody in the world should reach.
constexpr std::array<Service, 9> kInternal{{{2375, "docker"},
                                            {3306, "mysql"},
                                            {5432, "postgresql"},
                                            {6379, "redis"},
                                            {9200, "elasticsearch"},
                                            {10250, "kubelet"},
                                            {11211, "memcached"},
                                            {2379, "etcd"},
                                            {27017, "mongodb"}}};

bool is_loopback(const ConnectionEnds& ends) {
  const auto& bits = ends.here.address;
  if (ends.family == Family::ipv4) return bits[0] == 127;
  return std::all_of(bits.begin(), bits.end() - 1, [](std::uint8_t byte) { return byte == 0; }) &&
         bits.back() == 1;
}

/// A port that somebody listens on, and in which families.
using ListenedPort = std::pair<std::string, unsigned>;
std::set<ListenedPort> listened_ports() {
  std::set<ListenedPort> ports;
  for (const auto& [protocol, number] : {std::pair("tcp", 6), std::pair("udp", 17)})
    for (const auto& socket : socket_table(::getpid(), static_cast<std::uint8_t>(number)))
      if (socket.listening && !is_loopback(socket.ends)) ports.emplace(protocol, socket.ends.here.port);
  return ports;
}

/// The interfaces that the world may come in by.
std::vector<std::string> outer_interfaces(const HostFacts& facts) {
  std::vector<std::string> names;
  for (const auto& interface : facts.interfaces)
    if (interface.name != "lo" && !(interface.v4.empty() && interface.v6.empty()))
      names.push_back(interface.name);
  return names;
}

class Suggestions {
 public:
  Suggestions(const Ruleset& ruleset, const HostFacts& facts, const std::vector<Expectation>& known)
      : known_(known), v4_(ruleset, Family::ipv4, facts), v6_(ruleset, Family::ipv6, facts) {}

  /// Adds the line that says what becomes of the packet, where this is known.
  void add(std::vector<std::string> packet, const std::string& comment) {
    auto made = make_expectation(Verdict::accept, std::move(packet), comment);
    if (!made) return;
    made->verdict = verdict(made->packet.family == Family::ipv4 ? v4_ : v6_, made->packet);
    const auto says_it = [&](const Expectation& other) { return other.packet == made->packet; };
    if (made->verdict == Verdict::depends || std::ranges::any_of(known_, says_it) ||
        std::ranges::any_of(lines_, says_it))
      return;
    lines_.push_back(*std::move(made));
  }

  /// The same only where it does not get in.
  void add_closed(std::vector<std::string> packet, const std::string& comment) {
    const auto before = lines_.size();
    add(std::move(packet), comment);
    if (lines_.size() > before && lines_.back().verdict == Verdict::accept) lines_.pop_back();
  }

  std::vector<Expectation> take() { return std::move(lines_); }

 private:
  const std::vector<Expectation>& known_;
  Model v4_;
  Model v6_;
  std::vector<Expectation> lines_{};
};

void suggest_for_session(Suggestions& suggestions) {
  for (const auto& way : caller_session().ways) {
    if (way.outgoing || way.any_port_there) continue;
    const auto& wire = way.tracked ? way.tracked->original_destination : way.ends.here;
    const bool v4 = way.ends.family == Family::ipv4;
    std::vector<std::string> packet{"-p",      "tcp",
                                    "-s",      text_of_address(way.ends.family, way.ends.there.address),
                                    "-d",      text_of_address(way.ends.family, wire.address),
                                    "--dport", std::to_string(wire.port)};
    if (!way.interface.empty()) packet.insert(packet.end(), {"-i", way.interface});
    packet.insert(packet.end(), {"--syn", "--state", "NEW"});
    suggestions.add(std::move(packet), format("this {} session{}", way.name, v4 ? "" : ", IPv6"));
  }
}

}  // namespace

std::vector<CheckedExpectation> check_here(std::vector<Expectation>& expectations, const Ruleset& ruleset) {
  const auto facts = host_facts_if_known();
  for (auto& expectation : expectations) complete_on_host(expectation.packet, expectation.words, facts);
  return check_expectations(expectations, ruleset, facts);
}

std::vector<std::string> notes_here(const Expectation& expectation, const Ruleset& ruleset) {
  const auto facts = host_facts_if_known();
  auto packet = expectation.packet;
  complete_on_host(packet, expectation.words, facts);
  const Model model(ruleset, packet.family, facts);
  return packet_notes(packet, trace(model, packet).packet, facts);
}

std::vector<Expectation> suggest_expectations(const Ruleset& ruleset, const std::vector<Expectation>& known) {
  const auto facts = host_facts_if_known();
  Suggestions suggestions(ruleset, facts, known);
  suggest_for_session(suggestions);
  const auto interfaces = outer_interfaces(facts);
  const auto ports = listened_ports();
  for (const std::string family : {"-4", "-6"}) {
    for (const auto& interface : interfaces) {
      for (const auto& [protocol, port] : ports)
        suggestions.add(
            {family, "-p", protocol, "--dport", std::to_string(port), "-i", interface, "--state", "NEW"},
            "somebody listens there");
      for (const auto& [port, name] : kInternal)
        suggestions.add_closed(
            {family, "-p", "tcp", "--dport", std::to_string(port), "-i", interface, "--state", "NEW"},
            std::string(name));
      suggestions.add(
          {family, "-p", "udp", "--dport", "53", "-o", interface, "--state", "NEW", "--hook", "OUTPUT"},
          "names are looked up");
      suggestions.add(
          {family, "-p", "tcp", "--dport", "443", "-o", interface, "--state", "NEW", "--hook", "OUTPUT"},
          "updates come by https");
    }
  }
  return suggestions.take();
}

}  // namespace rewall
