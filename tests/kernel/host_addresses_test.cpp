#include "kernel/host_addresses.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "rules/value_parse.h"
#include "support/scratch_namespace.h"

using namespace rewall;

namespace {

// What the kernel says of a namespace in which `commands` ran.
HostAddresses host_after(const std::string& commands) {
  auto space = scratch_namespace();
  std::optional<Result<HostAddresses>> host;
  REQUIRE(space
              .run([&] {
                const int status = std::system(("set -e; " + commands).c_str());
                if (status == 0) host = read_host_addresses();
              })
              .has_value());
  REQUIRE(host);
  REQUIRE(*host);
  return **host;
}

std::string text_of(const HostAddress& address) {
  const Address value{.bits = address.bits, .mask = [&] {
                        std::array<std::uint8_t, 16> mask{};
                        for (unsigned bit = 0; bit < address.prefix; ++bit)
                          mask[bit / 8] = static_cast<std::uint8_t>(mask[bit / 8] | (0x80U >> (bit % 8)));
                        return mask;
                      }()};
  return to_text(value, address.family);
}

std::vector<std::string> texts_of(const std::vector<HostAddress>& addresses) {
  std::vector<std::string> texts;
  for (const auto& address : addresses) texts.push_back(text_of(address));
  return texts;
}

const HostInterface& interface_named(const HostAddresses& host, const std::string& name) {
  const auto found = std::ranges::find(host.interfaces, name, &HostInterface::name);
  REQUIRE(found != host.interfaces.end());
  return *found;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("the addresses, networks and groups of the interfaces are read, the primary address first") {
  const auto host = host_after(
      "ip link set lo up; ip link add dm0 type veth peer name dm1; ip link set dm0 group 7; ip address add "
      "192.0.2.7/24 dev dm0;"
      "ip address add 198.51.100.1/32 dev dm0; ip link set dm0 up; ip -6 address add 2001:db8::7/64 dev dm0 "
      "nodad");
  const auto loopback = interface_named(host, "lo");
  CHECK(texts_of(loopback.addresses) == Texts{"127.0.0.1/8", "::1/128"});
  const auto a = interface_named(host, "dm0");
  CHECK(a.group == 7);
  REQUIRE(a.addresses.size() >= 3);
  CHECK(text_of(a.addresses[0]) == "192.0.2.7/24");
  CHECK(text_of(a.addresses[1]) == "198.51.100.1/32");
  const auto networks = texts_of(a.networks);
  CHECK(std::ranges::count(networks, "192.0.2.0/24") == 1);
  CHECK(std::ranges::count(networks, "2001:db8::/64") == 1);
}

TEST_CASE("the network of an address with a peer is the peer's") {
  const auto host = host_after(
      "ip link add dm0 type veth peer name dm1; ip address add 192.0.2.7 peer 203.0.113.0/30 dev dm0; ip "
      "link set dm0 up");
  const auto a = interface_named(host, "dm0");
  CHECK(text_of(a.addresses.at(0)).substr(0, 9) == "192.0.2.7");
  CHECK(text_of(a.networks.at(0)) == "203.0.113.0/30");
}

TEST_CASE("an address of a link that is down is not this host's") {
  const auto host =
      host_after("ip link add dm0 type veth peer name dm1; ip address add 192.0.2.7/24 dev dm0");
  CHECK(interface_named(host, "dm0").addresses.empty());
}

TEST_CASE("networks that routes give to this host are read") {
  const auto host = host_after(
      "ip link set lo up; ip route add local 10.0.0.0/8 dev lo; ip -6 route add local 2001:db8:1::/48 dev "
      "lo");
  const auto networks = texts_of(host.local_networks);
  CHECK(std::ranges::count(networks, "10.0.0.0/8") == 1);
  CHECK(std::ranges::count(networks, "127.0.0.0/8") == 1);
  CHECK(std::ranges::count(networks, "2001:db8:1::/48") == 1);
  CHECK(std::ranges::count(networks, "127.0.0.1/32") == 0);
}

TEST_CASE("rules of routing beside the kernel's own are noticed") {
  CHECK_FALSE(host_after("ip link set lo up").routes_by_rules);
  CHECK(host_after("ip rule add fwmark 1 table 100").routes_by_rules);
  CHECK(host_after("ip -6 rule add from 2001:db8::/32 table main").routes_by_rules);
}

TEST_CASE("policies of IPsec are noticed") {
  CHECK_FALSE(host_after("ip link set lo up").ipsec);
  if (std::system("unshare -n ip xfrm policy add dir in src 192.0.2.0/24 dst 198.51.100.0/24 2>/dev/null") !=
      0)
    skip_without_kernel("no policies of IPsec here");
  CHECK(host_after("ip xfrm policy add dir in src 192.0.2.0/24 dst 198.51.100.0/24").ipsec);
}

TEST_CASE("the interfaces of default routes are known, by each family, of each table and each next hop") {
  const std::string two =
      "ip link add dm0 type veth peer name dm1; ip link set dm0 up; ip link set dm1 up; "
      "ip address add 192.0.2.7/24 dev dm0; ip address add 198.51.100.7/24 dev dm1; "
      "ip -6 address add 2001:db8::7/64 dev dm0 nodad; ";
  const auto defaults = [&](const std::string& routes) {
    std::string out;
    for (const auto& interface : host_after(two + routes).interfaces) {
      if (interface.v4_default) out += interface.name + " ";
      if (interface.v6_default) out += interface.name + "(6) ";
    }
    return out;
  };
  CHECK(defaults("true").empty());
  CHECK(defaults("ip route add default via 192.0.2.1") == "dm0 ");
  CHECK(defaults("ip route add 203.0.113.0/24 via 192.0.2.1").empty());
  CHECK(defaults("ip route add default via 198.51.100.1 table 100") == "dm1 ");
  CHECK(defaults("ip route add 0.0.0.0/1 via 192.0.2.1; ip route add 128.0.0.0/1 via 192.0.2.1") == "dm0 ");
  CHECK(defaults("ip route add blackhole default").empty());
  CHECK(defaults("ip route add default nexthop via 192.0.2.1 nexthop via 198.51.100.1").size() == 8);
  CHECK(defaults("ip -6 route add default via 2001:db8::1") == "dm0(6) ");
  CHECK(defaults("ip -6 route add 2000::/3 via 2001:db8::1") == "dm0(6) ");
}

TEST_CASE("links that find neighbours are told from those without, and those that forward from others") {
  const auto host = host_after(
      "ip link set lo up; ip link add dm0 type veth peer name dm1; ip link set dm1 arp off; "
      "echo 1 >/proc/sys/net/ipv4/conf/dm0/forwarding; echo 0 >/proc/sys/net/ipv4/conf/dm1/forwarding; "
      "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding");
  CHECK_FALSE(interface_named(host, "lo").finds_neighbours);
  CHECK(interface_named(host, "dm0").finds_neighbours);
  CHECK_FALSE(interface_named(host, "dm1").finds_neighbours);
  CHECK(interface_named(host, "dm0").v4_forwards);
  CHECK_FALSE(interface_named(host, "dm1").v4_forwards);
  CHECK_FALSE(interface_named(host, "dm0").v6_forwards);
  const auto router = host_after("echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
  CHECK(interface_named(router, "lo").v6_forwards);
}
