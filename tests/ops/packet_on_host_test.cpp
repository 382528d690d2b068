#include "ops/context/packet_on_host.h"

#include <catch2/catch.hpp>
#include <sstream>

using namespace rewall;

namespace {

// eth0 has 192.0.2.1/24 and 2001:db8::1, eth1 10.0.0.1/24.
HostFacts router() {
  HostFacts facts{.known = true};
  facts.interfaces = {{.name = "lo"},
                      {.name = "eth0",
                       .group = 7,
                       .v4 = {0xc0000201},
                       .v6 = {(Number{0x20010db8} << 96U) | 1},
                       .v4_networks = {{0xc0000200, 0xc00002ff}}},
                      {.name = "eth1", .v4 = {0x0a000001}, .v4_networks = {{0x0a000000, 0x0a0000ff}}}};
  return facts;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

Packet on_host(const std::vector<std::string>& words, const HostFacts& facts = router()) {
  auto packet = read_packet(words);
  if (!packet) FAIL(packet.error().message);
  complete_on_host(*packet, words, facts);
  return *std::move(packet);
}

std::string notes_of(const std::string& text, const HostFacts& facts = router()) {
  const auto packet = on_host(words_of(text), facts);
  std::string out;
  for (const auto& note : packet_notes(packet, packet, facts)) out += note + "\n";
  return out;
}

std::string line(const std::string& from, const std::string& to) {
  return "IP " + from + ".40000 > " + to + ".80: Flags [S], seq 1, win 64240, length 0";
}

}  // namespace

TEST_CASE("a line of tcpdump or conntrack is of the hook that its ends make it one of") {
  CHECK(on_host({line("198.51.100.7", "192.0.2.1")}).hook == Hook::input);
  CHECK(on_host({line("198.51.100.7", "10.0.0.2")}).hook == Hook::forward);
  CHECK(on_host({line("192.0.2.1", "198.51.100.7")}).hook == Hook::output);
  CHECK(on_host({line("198.51.100.7", "192.0.2.255")}).hook == Hook::input);
  CHECK(on_host({line("198.51.100.7", "10.0.0.2"), "--hook", "INPUT"}).hook == Hook::input);
  CHECK(on_host({line("198.51.100.7", "10.0.0.2")}, HostFacts{}).hook == Hook::input);
  CHECK(
      on_host({"ipv4     2 tcp      6 431999 ESTABLISHED src=198.51.100.7 dst=10.0.0.2 sport=40000 dport=80 "
               "src=10.0.0.2 dst=198.51.100.7 sport=80 dport=40000 [ASSURED] mark=0 use=1"})
          .hook == Hook::forward);
  const auto packet = on_host({line("198.51.100.7", "192.0.2.1"), "-i", "eth0"});
  CHECK(packet[Field::in_group] == NumberSet::one(7));
}

TEST_CASE("words of both interfaces are of a packet that is routed on, and come back so") {
  const auto read = [](const std::string& text) { return read_packet(words_of(text)).value(); };
  CHECK(read("-d 10.0.0.2 -i eth0 -o eth1").hook == Hook::forward);
  CHECK(read("-d 10.0.0.2 -i eth0").hook == Hook::input);
  CHECK(packet_words(read("-d 10.0.0.2 -i eth0 -o eth1")) == "-d 10.0.0.2 -i eth0 -o eth1 --hook FORWARD");
  const auto input = read("-d 10.0.0.2 -i eth0 -o eth1 --hook INPUT");
  CHECK(input.hook == Hook::input);
  CHECK(packet_words(input) == "-d 10.0.0.2 -i eth0 -o eth1 --hook INPUT");
}

TEST_CASE("a destination that the hook does not fit is told, where the addresses are known") {
  CHECK(notes_of("-d 10.0.0.2 -i eth0") ==
        "10.0.0.2 is not an address of this host: --hook FORWARD asks what becomes of packets that this host "
        "routes on\n");
  CHECK(notes_of("-d 192.0.2.1 -i eth0 --hook FORWARD") ==
        "192.0.2.1 is an address of this host: packets to it go to INPUT, not to FORWARD\n");
  for (const auto* fits :
       {"-d 192.0.2.1", "-d 10.0.0.2 --hook FORWARD", "-p tcp --dport 22", "-d 10.0.0.0/24", "-d 10.0.0.255",
        "-d 224.0.0.1", "-d ff02::1", "-d 127.0.0.1", "-d 255.255.255.255"})
    CHECK(notes_of(fits).empty());
  CHECK(notes_of("-d 10.0.0.2 -i eth0", HostFacts{}).empty());
}

TEST_CASE("a kernel that routes nothing on is told of, by each family") {
  auto facts = router();
  CHECK(forwarding_note(facts, Family::ipv4).empty());
  facts.interfaces[1].v4_forwards = false;
  CHECK(forwarding_note(facts, Family::ipv4).empty());
  for (auto& interface : facts.interfaces) interface.v4_forwards = false;
  const std::string note =
      "net.ipv4.ip_forward is 0: the kernel routes no packet of IPv4 on, whatever the rules say";
  CHECK(forwarding_note(facts, Family::ipv4) == note);
  CHECK(forwarding_note(facts, Family::ipv6).empty());
  CHECK(notes_of("-d 10.0.0.2 --hook FORWARD", facts) == note + "\n");
  CHECK(notes_of("-d 192.0.2.1", facts).empty());
}
