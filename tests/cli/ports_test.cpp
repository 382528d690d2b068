// `rewall ports`: what it says of rules that are written here by hand.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "core/text.h"
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

// --- what status says of them

namespace {

std::string status_line(const Host& host) {
  const auto said = host.sh("rewall status");
  for (const auto line : split_lines(said.out))
    if (line.starts_with("ports ")) return std::string(line);
  return {};
}

nlohmann::json opened(const Host& host) {
  return nlohmann::json::parse(host.sh("rewall --json status").out)["opened_since_good"];
}

}  // namespace

TEST_CASE("status says which ports are open to the world since good") {
  const Host host;
  make_host(host);
  CHECK(opened(host).is_null());
  host.ok("rewall tag good");
  CHECK(opened(host) == nlohmann::json::array());
  host.ok(
      "iptables -A INPUT -p tcp --dport 8080 -j ACCEPT; iptables -A INPUT -p udp --dport 53 -j ACCEPT; "
      "ip6tables -A INPUT -p udp --dport 53 -j ACCEPT; iptables -A INPUT -p tcp -s 10.0.0.0/8 --dport 3306 "
      "-j "
      "ACCEPT");
  const std::string words = "open to the world since good: tcp 8080 (ip), udp 53 (ip, ip6)  ";
  // LIVE, then HEAD.
  for (const auto* first : {"true", "rewall -q snapshot"}) {
    host.ok(first);
    CHECK(status_line(host).starts_with("ports    " + words));
    REQUIRE(opened(host).size() == 3);
    CHECK(opened(host)[0] == nlohmann::json::parse(R"({"family":"ipv4","protocol":"tcp","ports":"8080",
                                                       "from":"nobody","to":"world"})"));
  }
  host.ok("rewall tag good HEAD");
  CHECK(status_line(host).empty());
}

TEST_CASE("what status says of ports is remembered until rules, addresses or good are others") {
  const Host host;
  make_host(host);
  host.ok("rewall tag good; iptables -A INPUT -p tcp --dport 8080 -j ACCEPT; rewall -q snapshot");
  CHECK(has(status_line(host), "tcp 8080 (ip)"));
  const std::string other = "sed -i s/8080-8080/7070-7070/ repo/.git/rewall/opened";
  host.ok(other);
  CHECK(has(status_line(host), "tcp 7070 (ip)"));
  host.ok("ip addr add 203.0.113.6/24 dev eth0");
  CHECK(has(status_line(host), "tcp 8080 (ip)"));
  host.ok(other + "; ip link set eth0p down; ip link set eth0p up; ip addr add fe80::77/64 dev eth0");
  CHECK(has(status_line(host), "tcp 7070 (ip)"));
  host.ok("iptables -A INPUT -p udp --dport 53 -j ACCEPT");
  CHECK(has(status_line(host), "tcp 8080 (ip), udp 53 (ip)"));
  // What is only another way to say it is no other rule, and what the tag names is.
  host.ok("iptables -D INPUT -p udp --dport 53 -j ACCEPT; rewall status; rewall tag good HEAD");
  CHECK(opened(host) == nlohmann::json::array());
}

TEST_CASE("status computes no ports of thousands of rules") {
  const Host host;
  make_host(host);
  host.ok(
      "rewall tag good; (echo '*filter'; for i in $(seq 3000); do echo \"-A INPUT -s 10.0.$((i / 250)).$((i "
      "% 250)) "
      "-j DROP\"; done; echo '-A INPUT -p tcp --dport 8080 -j ACCEPT'; echo COMMIT) | iptables-restore -n");
  for (const auto* first : {"true", "rewall -q snapshot"}) {
    host.ok(first);
    CHECK(opened(host).is_null());
    CHECK(status_line(host).empty());
  }
  host.ok("iptables -F INPUT; rewall -q snapshot");
  CHECK(opened(host) == nlohmann::json::array());
}

}  // namespace rewall
