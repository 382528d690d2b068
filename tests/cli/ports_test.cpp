// `rewall ports`: what it says of rules that are written here by hand.
#include <catch2/catch.hpp>
#include <string>

#include "support/host.h"

namespace rewall {
namespace {

// A host with an address on a link, and what the guide opens.
void make_host(const Host& host) {
  host.ok(
      "ip link set lo up; ip link add eth0 type veth peer name eth0p; ip link set eth0p up; ip addr add "
      "203.0.113.5/24 dev eth0; ip link set eth0 "
      "up; "
      "iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT; "
      "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; "
      "iptables -A INPUT -s 198.51.100.7 -p tcp --dport 22 -j ACCEPT; "
      "iptables -A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT; "
      "iptables -A INPUT -i lo -p tcp --dport 3306 -j ACCEPT; ip6tables -P INPUT DROP; rewall init -q");
}

}  // namespace

TEST_CASE("ports says which ports are open to everyone, to whom others are, and that the rest is closed") {
  const Host host;
  make_host(host);
  const auto text = host.ok("rewall ports --family ipv4");
  INFO(text);
  CHECK(has(text, "80,443  everyone\n"));
  CHECK(has(text, "198.51.100.7\n"));
  CHECK(has(text, "others  closed\n"));
  CHECK_FALSE(has(text, "3306"));
  CHECK_FALSE(has(host.ok("rewall ports --family ipv6"), "everyone"));
  CHECK(host.ok("rewall ports HEAD --local LIVE --family ipv4") == text);

  host.ok("iptables -F INPUT; iptables -P INPUT ACCEPT");
  CHECK(has(host.ok("rewall ports --family ipv4"), "all     everyone\n"));
}

TEST_CASE("ports follows what DNAT sends on, though INPUT closes the port") {
  const Host host;
  make_host(host);
  host.ok(
      "ip link add docker0 type veth peer name docker0p; ip link set docker0p up; ip addr add 172.17.0.1/16 "
      "dev docker0; ip link set docker0 up; "
      "iptables -t nat -A PREROUTING ! -i docker0 -p tcp --dport 8080 -j DNAT --to-destination "
      "172.17.0.2:80; "
      "iptables -A FORWARD -d 172.17.0.2 -o docker0 -p tcp --dport 80 -j ACCEPT; iptables -P FORWARD DROP");
  const auto text = host.ok("rewall ports --family ipv4");
  INFO(text);
  CHECK(has(text, "-> 172.17.0.2:80, though INPUT says no"));
  const auto json = host.ok("rewall ports --json --family ipv4");
  CHECK(has(json, R"("to":"172.17.0.2:80","input":"none")"));
}

TEST_CASE("ports --listening says who listens where it is closed, and where it is open to the world") {
  const Host host;
  make_host(host);
  host.ok(
      "(exec timeout 60 python3 -c 'import socket, time\n"
      "sockets = []\n"
      "for address, port in ((\"0.0.0.0\", 80), (\"0.0.0.0\", 3306), (\"127.0.0.1\", 443)):\n"
      "  s = socket.socket(); s.bind((address, port)); s.listen(); sockets.append(s)\n"
      "open(\"ready\", \"w\").close(); time.sleep(60)' >/dev/null 2>&1 </dev/null &)");
  host.until("test -e ready");
  const auto text = host.ok("rewall ports --listening --family ipv4");
  INFO(text);
  CHECK(has(text, "python3: open to the world"));
  CHECK(has(text, "python3: listens, and is closed"));
  CHECK(has(text, "python3 on 127.0.0.1: not reached by these"));
}

}  // namespace rewall
