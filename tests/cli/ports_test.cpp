// `rewall ports`: what it says of rules that are written here by hand.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/text.h"
#include "share/servers.h"
#include "support/corpus.h"
#include "support/fail2ban.h"
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
  // The option takes one word, and may come several times.
  CHECK(host.ok("rewall ports --local LIVE HEAD --family ipv4") == text);
  const auto both = host.ok("rewall ports HEAD --local 192.0.2.1 --local 192.0.2.2 --family ipv4");
  CHECK(host.ok("rewall ports --local 192.0.2.1 --local=192.0.2.2 HEAD --family ipv4") == both);
  host.ok("rewall trace --local 192.0.2.1 HEAD -p tcp --dport 22");

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
  const std::string words = "open to the world since good: tcp 8080 (ip), udp 53 (ip, ip6); ";
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

// --- held against nmap

namespace {

/// Rules of both families, as iptables-restore takes them: lines with -4 or -6 are for one of them.
struct ScannedRules {
  std::string name{};
  std::string rules{};
  std::string sets{};
};

// The host is 203.0.113.5 and 2001:db8::5 on eth0, 10.1.0.5 and fd00:1::5 on eth1. Who scans is anybody
// (203.0.113.9, 2001:db8::9), a friend (198.51.100.7, 2001:db8::77) or on the network inside (10.1.0.9,
// fd00:1::9).
const std::string kClosedInput =
    "*filter\n:INPUT DROP\n-A INPUT -i lo -j ACCEPT\n"
    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-6 -A INPUT -p ipv6-icmp -j ACCEPT\n";

const std::vector<ScannedRules>& scanned_rules() {
  static const std::vector<ScannedRules> all{
      {"nothing", "*filter\n:INPUT ACCEPT\nCOMMIT\n"},
      {"some are dropped",
       "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp --dport 3306 -j DROP\n-A INPUT -p tcp -m multiport --dports "
       "8000:8005,9000 -j REJECT\n-A INPUT -p udp --dport 161 -j DROP\n-4 -A INPUT -s 198.51.100.7 -p tcp "
       "--dport 22 -j DROP\nCOMMIT\n"},
      {"docker's",
       "*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n:DOCKER -\n"
       "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
       "-4 -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n"
       "-4 -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
       "-A DOCKER -i docker0 -j RETURN\n"
       "-4 -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n"
       "-4 -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:8443\n"
       "-4 -A DOCKER ! -i docker0 -p udp -m udp --dport 5353 -j DNAT --to-destination 172.17.0.2:53\n"
       "-4 -A DOCKER -d 10.1.0.5/32 ! -i docker0 -p tcp -m tcp --dport 9000 -j DNAT --to-destination "
       "172.17.0.2:9000\nCOMMIT\n" +
           kClosedInput +
           ":FORWARD DROP\n:DOCKER -\n:DOCKER-ISOLATION-STAGE-1 -\n:DOCKER-ISOLATION-STAGE-2 -\n"
           ":DOCKER-USER -\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A FORWARD -j DOCKER-USER\n"
           "-A FORWARD -j DOCKER-ISOLATION-STAGE-1\n"
           "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
           "-A FORWARD -o docker0 -j DOCKER\n-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n"
           "-A FORWARD -i docker0 -o docker0 -j ACCEPT\n"
           "-4 -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT\n"
           "-4 -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p udp -m udp --dport 53 -j ACCEPT\n"
           "-4 -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 9000 -j ACCEPT\n"
           "-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2\n"
           "-A DOCKER-ISOLATION-STAGE-1 -j RETURN\n"
           "-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP\n-A DOCKER-ISOLATION-STAGE-2 -j RETURN\n"
           "-4 -A DOCKER-USER -s 198.51.100.7/32 -j DROP\n-A DOCKER-USER -j RETURN\nCOMMIT\n"},
      {"fail2ban's in its chains",
       "*filter\n:INPUT ACCEPT\n:f2b-sshd -\n:f2b-nginx -\n"
       "-A INPUT -p tcp -m multiport --dports 80,443 -j f2b-nginx\n"
       "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n"
       "-4 -A f2b-nginx -s 203.0.113.9/32 -j REJECT --reject-with icmp-port-unreachable\n"
       "-6 -A f2b-nginx -s 2001:db8::9/128 -j REJECT\n-A f2b-nginx -j RETURN\n"
       "-4 -A f2b-sshd -s 198.51.100.7/32 -j REJECT --reject-with icmp-port-unreachable\n"
       "-6 -A f2b-sshd -s 2001:db8::77/128 -j DROP\n-A f2b-sshd -j RETURN\nCOMMIT\n"},
      {"fail2ban's with sets",
       "*filter\n:INPUT ACCEPT\n-4 -A INPUT -p tcp -m multiport --dports 22,2222 -m set --match-set f2b-sshd "
       "src "
       "-j REJECT\n-6 -A INPUT -p tcp -m multiport --dports 22,2222 -m set --match-set f2b-sshd6 src -j "
       "REJECT\nCOMMIT\n",
       "create f2b-sshd hash:ip\nadd f2b-sshd 198.51.100.7\nadd f2b-sshd 192.0.2.66\n"
       "create f2b-sshd6 hash:ip family inet6\nadd f2b-sshd6 2001:db8::77\n"},
      {"as ufw makes them",
       "*filter\n:INPUT DROP\n:ufw-before-input -\n:ufw-not-local -\n:ufw-user-input -\n:ufw-after-input -\n"
       "-A INPUT -j ufw-before-input\n-A INPUT -j ufw-after-input\n-A ufw-before-input -i lo -j ACCEPT\n"
       "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
       "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP\n"
       "-6 -A ufw-before-input -p ipv6-icmp -j ACCEPT\n-A ufw-before-input -j ufw-not-local\n"
       "-A ufw-before-input -j ufw-user-input\n-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN\n"
       "-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN\n-A ufw-not-local -j DROP\n"
       "-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n-4 -A ufw-user-input -p tcp -s 10.0.0.0/8 --dport "
       "3306 "
       "-j ACCEPT\n-A ufw-user-input -p udp --dport 53 -j ACCEPT\n-A ufw-after-input -p udp --dport 137 -j "
       "ACCEPT\nCOMMIT\n"},
      {"as firewalld makes them",
       "*filter\n:INPUT ACCEPT\n:INPUT_ZONES -\n:IN_public -\n:IN_internal -\n"
       "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT\n-A INPUT -i lo -j ACCEPT\n"
       "-6 -A INPUT -p ipv6-icmp -j ACCEPT\n-A INPUT -j INPUT_ZONES\n"
       "-A INPUT -m conntrack --ctstate INVALID -j DROP\n-A INPUT -j REJECT\n"
       "-A INPUT_ZONES -i eth1 -g IN_internal\n-A INPUT_ZONES -g IN_public\n"
       "-A IN_public -p tcp --dport 22 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT\n"
       "-A IN_internal -p tcp -m multiport --dports 22,3306,9100 -m conntrack --ctstate NEW,UNTRACKED -j "
       "ACCEPT\n-A IN_internal -p udp --dport 53 -j ACCEPT\nCOMMIT\n"},
      {"networks with exceptions",
       kClosedInput + "-4 -A INPUT -p tcp --dport 22 -m set --match-set nets src -j ACCEPT\n"
                      "-4 -A INPUT -p tcp --dport 80 -m set ! --match-set nets src -j ACCEPT\n"
                      "-6 -A INPUT -p tcp --dport 22 -m set --match-set nets6 src -j ACCEPT\nCOMMIT\n",
       "create nets hash:net\nadd nets 203.0.113.0/24\nadd nets 203.0.113.9 nomatch\nadd nets "
       "198.51.100.0/25\n"
       "create nets6 hash:net family inet6\nadd nets6 2001:db8::/112\nadd nets6 2001:db8::9 nomatch\n"},
      {"sets with ports",
       kClosedInput +
           "-A INPUT -p tcp -m set --match-set doors dst -j ACCEPT\n"
           "-4 -A INPUT -m set --match-set pairs src,dst -j ACCEPT\n"
           "-4 -A INPUT -p tcp -m set --match-set lists src -m tcp --dport 110 -j ACCEPT\nCOMMIT\n",
       "create doors bitmap:port range 1-10000\nadd doors 80\nadd doors 8000-8003\n"
       "create pairs hash:net,port\nadd pairs 198.51.100.0/24,tcp:22\nadd pairs 203.0.113.9,udp:53\n"
       "create one hash:ip\nadd one 203.0.113.9\ncreate two hash:net\nadd two 10.1.0.0/16\n"
       "create lists list:set\nadd lists one\nadd lists two\n"},
      {"ranges of addresses",
       kClosedInput +
           "-4 -A INPUT -p tcp --dport 22 -m iprange --src-range 198.51.100.1-198.51.100.9 -j ACCEPT\n"
           "-4 -A INPUT -p tcp --dport 23 -m iprange ! --src-range 198.51.100.1-198.51.100.9 -j ACCEPT\n"
           "-6 -A INPUT -p tcp --dport 22 -m iprange --src-range 2001:db8::10-2001:db8::99 -j ACCEPT\n"
           "COMMIT\n"},
      {"ports in many ways",
       kClosedInput +
           "-A INPUT -p tcp -m multiport ! --dports 22,23,8000:8080 -j ACCEPT\n"
           "-A INPUT -p tcp --dport 8004:8006 -j ACCEPT\n-A INPUT -p tcp ! --dport 0:1023 --sport 1:1023 -j "
           "ACCEPT\n-A INPUT -p udp --dport 1024: -j ACCEPT\nCOMMIT\n"},
      {"flags and states",
       kClosedInput + "-A INPUT -p tcp --dport 21 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT\n"
                      "-A INPUT -p tcp --dport 22 ! --syn -j ACCEPT\n"
                      "-A INPUT -p tcp --dport 23 -m conntrack --ctstate NEW -j ACCEPT\n"
                      "-A INPUT -p tcp --dport 25 -m conntrack ! --ctstate NEW -j ACCEPT\n"
                      "-A INPUT -p tcp --dport 53 -m conntrack --ctstate INVALID,UNTRACKED -j ACCEPT\n"
                      "-A INPUT -p tcp --dport 80 --tcp-flags ALL SYN -j ACCEPT\n"
                      "-A INPUT -p tcp --dport 110 --tcp-flags ALL SYN,ACK -j ACCEPT\nCOMMIT\n"},
      {"marks",
       "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 0x1\n"
       "-A PREROUTING -p tcp --dport 443 -j MARK --set-mark 0x12\n"
       "-A PREROUTING -i eth1 -j MARK --or-mark 0x100\n"
       "-A PREROUTING -p tcp --dport 143 -j CONNMARK --set-mark 7\nCOMMIT\n" +
           kClosedInput +
           "-A INPUT -m mark --mark 0x1/0xff -j ACCEPT\n-A INPUT -p tcp --dport 443 -m mark --mark "
           "0x100/0x100 -j "
           "ACCEPT\n-A INPUT -m connmark --mark 7 -j ACCEPT\nCOMMIT\n"},
      {"redirected",
       "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -i eth0 -p tcp --dport 8080 -j REDIRECT --to-ports 8443\n"
       "-A PREROUTING -p tcp --dport 9090 -j REDIRECT --to-ports 3306\n"
       "-A PREROUTING -p udp --dport 500 -j REDIRECT --to-ports 53\nCOMMIT\n" +
           kClosedInput +
           "-A INPUT -p tcp --dport 8443 -j ACCEPT\n-A INPUT -p tcp --dport 8080 -j ACCEPT\n"
           "-A INPUT -p udp --dport 53 -j ACCEPT\nCOMMIT\n"},
      {"translated to itself",
       "*nat\n:PREROUTING ACCEPT\n-4 -A PREROUTING -d 203.0.113.5 -p tcp --dport 8080 -j DNAT "
       "--to-destination "
       ":80\n-4 -A PREROUTING -p tcp --dport 8081 -j DNAT --to-destination 10.1.0.5:9100\n"
       "-6 -A PREROUTING -p tcp --dport 8081 -j DNAT --to-destination [2001:db8::5]:9100\n"
       "-A PREROUTING -p tcp --dport 9090 -j DNAT --to-destination :25\nCOMMIT\n" +
           kClosedInput +
           "-A INPUT -m conntrack --ctstate DNAT -p tcp --dport 9100 -j ACCEPT\n"
           "-A INPUT -p tcp -m conntrack --ctorigdstport 8080 -j ACCEPT\n-A INPUT -p tcp --dport 25 -j "
           "ACCEPT\n"
           "COMMIT\n"},
      {"by interface",
       kClosedInput +
           "-A INPUT -i eth1 -p tcp -j ACCEPT\n-A INPUT ! -i eth1 -p tcp --dport 80 -j ACCEPT\n"
           "-A INPUT -i eth+ -p tcp --dport 443 -j ACCEPT\n-A INPUT -i en+ -p tcp --dport 22 -j ACCEPT\n"
           "-A INPUT -i eth0 -p udp -j ACCEPT\n-4 -A INPUT ! -s 203.0.113.0/24 -i eth0 -p tcp --dport 25 -j "
           "ACCEPT\n-4 -A INPUT -s 203.0.113.0/24 -i eth0 -p tcp --dport 110 -j DROP\n"
           "-A INPUT -p tcp --dport 110 -j ACCEPT\nCOMMIT\n"},
      {"tables that come before",
       "*raw\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp --dport 22 -j DROP\n-A PREROUTING -p tcp --dport 80 "
       "-j "
       "CT --notrack\nCOMMIT\n*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n-4 -A PREROUTING -s 203.0.113.9 -p "
       "tcp "
       "--dport 443 -j DROP\n-A INPUT -p udp -m multiport --dports 53,123 -j DROP\nCOMMIT\n"
       "*filter\n:INPUT ACCEPT\n-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT\n"
       "-A INPUT -p tcp --dport 80 -j DROP\nCOMMIT\n"},
      {"chains",
       kClosedInput +
           ":in -\n:web -\n:dead -\n:other -\n-A INPUT -j in\n-A INPUT -p tcp --dport 25 -j ACCEPT\n"
           "-A in -p tcp -m multiport --dports 80,443,8000:8010 -j web\n-A in -p tcp --dport 22 -g other\n"
           "-A in -p tcp --dport 23 -j ACCEPT\n-A web -p tcp --dport 443 -j RETURN\n-A web -p tcp --dport "
           "8004 "
           "-g dead\n-A web -j ACCEPT\n-A dead -j LOG --log-prefix dead\n"
           "-4 -A other -s 198.51.100.0/24 -j ACCEPT\n-6 -A other -s 2001:db8::77 -j ACCEPT\nCOMMIT\n"},
      {"refused in every way",
       "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset\n"
       "-A INPUT -p tcp --dport 80 -j REJECT\n-4 -A INPUT -p tcp --dport 443 -j REJECT --reject-with "
       "icmp-admin-prohibited\n-A INPUT -p udp --dport 53 -j REJECT\n-A INPUT -p tcp --dport 25 -j DROP\n"
       "-A INPUT -p udp --dport 123 -j DROP\nCOMMIT\n"},
      {"addresses of the host",
       kClosedInput +
           "-A INPUT -p tcp --dport 22 -m addrtype --dst-type LOCAL -j ACCEPT\n"
           "-A INPUT -p tcp --dport 23 -m addrtype ! --dst-type LOCAL -j ACCEPT\n"
           "-4 -A INPUT -d 10.1.0.5 -p tcp --dport 3306 -j ACCEPT\n-4 -A INPUT -d 203.0.113.0/24 -p tcp "
           "--dport "
           "80 -j ACCEPT\n-4 -A INPUT ! -d 10.1.0.5 -p tcp --dport 443 -j ACCEPT\n"
           "-6 -A INPUT -d fd00:1::5 -p tcp --dport 3306 -j ACCEPT\n-A INPUT -p tcp --dport 25 -m addrtype "
           "--src-type LOCAL -j ACCEPT\nCOMMIT\n"},
      {"rates", kClosedInput +
                    "-A INPUT -p tcp --dport 22 -m limit --limit 3/min -j ACCEPT\n-A INPUT -p tcp --dport 80 "
                    "-m connlimit "
                    "--connlimit-above 5 -j REJECT\n-A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT\n"
                    "-A INPUT -p tcp --dport 443 -m limit --limit 1/sec -j LOG\nCOMMIT\n"},
      {"what packets look like",
       kClosedInput + "-A INPUT -p tcp --dport 21 -m pkttype --pkt-type unicast -j ACCEPT\n-A INPUT -p tcp "
                      "--dport 22 -m "
                      "pkttype --pkt-type broadcast -j ACCEPT\n-A INPUT -p tcp --dport 25 -m comment "
                      "--comment x -j ACCEPT\n"
                      "-A INPUT -p tcp --dport 53 -m socket -j DROP\n-4 -A INPUT -p tcp --dport 80 -m "
                      "addrtype --src-type "
                      "UNICAST -j ACCEPT\n-4 -A INPUT -f -p tcp -j ACCEPT\nCOMMIT\n"},
  };
  return all;
}

// Sockets on the ports that are scanned, which answer.
constexpr const char* kServer = R"PY(
import select, socket, sys
tcp, udp = [[int(p) for p in w.split(',')] for w in sys.argv[2:4]]
held, poll = {}, select.epoll()
for kind, ports in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
    for port in ports:
        for family, any_address in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
            s = socket.socket(family, kind)
            if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((any_address, port))
            if kind == socket.SOCK_STREAM: s.listen(64)
            else: poll.register(s, select.EPOLLIN)
            held[s.fileno()] = s
open(sys.argv[1], 'w').close()
while True:
    for number, _ in poll.poll():
        data, peer = held[number].recvfrom(2048)
        try: held[number].sendto(b'here', peer)
        except OSError: pass
)PY";

const std::string kTcpPorts =
    "21,22,23,25,53,80,110,143,443,1023,1024,2222,3306,5432,8000,8001,8003,8004,8005,8006,8010,8080,8081,"
    "8443,"
    "9000,9090,9100,65535";
const std::string kUdpPorts = "53,123,137,161,500,1024,5353,51820";

class ScannedHost : public Host {
 public:
  ScannedHost() {
    const auto namespace_of = [this](const std::string& name) {
      ok("unshare -n sleep 100000 >/dev/null 2>&1 & echo $! >" + name +
         "; for i in $(seq 100); do [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ] "
         "&& "
         "break; sleep 0.02; done");
    };
    namespace_of("client");
    namespace_of("container");
    const std::string nodad = " nodad; ";
    ok("ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; "
       "for n in 0 1; do ip link add eth$n type veth peer name eth$n netns $(cat client); ip link set eth$n "
       "up; done; "
       "ip link add docker0 type veth peer name eth0 netns $(cat container); ip link set docker0 up; "
       "ip address add 203.0.113.5/24 dev eth0; ip -6 address add 2001:db8::5/64 dev eth0" +
       nodad + "ip address add 10.1.0.5/24 dev eth1; ip -6 address add fd00:1::5/64 dev eth1" + nodad +
       "ip address add 172.17.0.1/16 dev docker0; ip route add 198.51.100.0/24 dev eth0; "
       "nsenter -n -t $(cat client) sh -c 'ip link set lo up; ip link set eth0 up; ip link set eth1 up; "
       "ip address add 203.0.113.9/24 dev eth0; ip address add 198.51.100.7/24 dev eth0; "
       "ip -6 address add 2001:db8::9/64 dev eth0 nodad; ip -6 address add 2001:db8::77/64 dev eth0 nodad; "
       "ip address add 10.1.0.9/24 dev eth1; ip -6 address add fd00:1::9/64 dev eth1 nodad'; "
       "nsenter -n -t $(cat container) sh -c 'ip link set lo up; ip link set eth0 up; ip address add "
       "172.17.0.2/16 dev eth0; ip route add default via 172.17.0.1'");
    write_text(folder() / "server.py", kServer);
    for (const auto* at : {"", "nsenter -n -t $(cat container) "}) {
      const std::string ready = *at == 0 ? "ready" : "ready-there";
      ok(std::string(at) + "python3 server.py " + ready + " " + kTcpPorts + " " + kUdpPorts +
         " >/dev/null 2>&1 </dev/null & echo $! >>started");
      until("test -e " + ready);
    }
    ok("rewall init -q");
  }
  ScannedHost(const ScannedHost&) = delete;
  ScannedHost& operator=(const ScannedHost&) = delete;
  ~ScannedHost() { sh("kill $(cat started client container)"); }

  void load(const ScannedRules& rules) const {
    write_text(folder() / "rules", rules.rules);
    write_text(folder() / "sets", rules.sets);
    ok("nft flush ruleset; for i in $(seq 100); do ipset flush; ipset destroy 2>/dev/null && break; sleep "
       "0.05; "
       "done; ipset restore <sets; iptables-restore <rules; ip6tables-restore <rules");
  }

  /// What the two disagree on, from all who scan.
  std::string scan() const {
    return ok(
        "rewall --json ports >said; ipset save >members; scan() { "
        "for way in sS:" +
        kTcpPorts + " sU:" + kUdpPorts +
        "; do nsenter -n -t $(cat client) nmap -n -Pn -${way%%:*} $4 -p ${way#*:} -S $1 -e $2 -T4 "
        "--max-retries 1 --initial-rtt-timeout 60ms --max-rtt-timeout 120ms --min-rate 300 -oG "
        "found-${way%%:*} $3 >nmap-said 2>&1 || cat nmap-said; done; python3 " REWALL_SOURCE_DIR
        "/tests/support/ports_and_nmap.py said $1,$2 members found-sS found-sU; }; "
        "scan 203.0.113.9 eth0 203.0.113.5; scan 198.51.100.7 eth0 203.0.113.5; scan 10.1.0.9 eth1 "
        "10.1.0.5; scan 2001:db8::9 eth0 2001:db8::5 -6; scan 2001:db8::77 eth0 2001:db8::5 -6; "
        "scan fd00:1::9 eth1 fd00:1::5 -6");
  }
};

void hold_against_nmap(const ScannedHost& host, const std::string& name, std::size_t most_unknown) {
  const auto found = host.scan();
  INFO(name << "\n" << host.ok("rewall ports") << found);
  std::size_t agree = 0;
  std::size_t unknown = 0;
  for (const auto line : split_lines(found)) {
    const auto words = split(line, ' ');
    if (!line.starts_with("agree on ")) {
      CHECK(std::string(line).empty());
      continue;
    }
    agree += std::stoul(std::string(words[2]));
    unknown += std::stoul(std::string(words[4]));
  }
  CHECK(unknown <= most_unknown);
  CHECK(agree + unknown == 6 * 36);
}

}  // namespace

TEST_CASE("ports says what nmap finds, from three places and by both families") {
  const ScannedHost host;
  for (const auto& rules : scanned_rules()) {
    host.load(rules);
    hold_against_nmap(host, rules.name, rules.name == "rates" ? 12 : 0);
  }
}

// By hand: it takes minutes.
TEST_CASE("ports says what nmap finds of all real rulesets that load", "[.]") {
  const auto dumps = corpus() / "dumps";
  const ScannedHost host;
  std::size_t loaded = 0;
  for (const auto& row : rows(corpus() / "manifest.tsv")) {
    const bool six = family_of(row) == Family::ipv6;
    host.load({.rules = "*filter\nCOMMIT\n"});
    const auto path = shell_quote((dumps / row.at("file")).string());
    if (host.sh((six ? "ip6tables-restore <" : "iptables-restore <") + path).status != 0) continue;
    // Answers are another question, and so is whether neighbours find each other.
    host.ok(six ? "ip6tables -I OUTPUT -j ACCEPT; ip6tables -I INPUT -p ipv6-icmp -j ACCEPT"
                : "iptables -I OUTPUT -j ACCEPT");
    ++loaded;
    const auto found = host.scan();
    if (has(found, "nmap says")) WARN(row.at("file") << "\n" << host.ok("rewall ports") << found);
    CHECK_FALSE(has(found, "nmap says"));
  }
  CHECK(loaded > 80);
}

TEST_CASE("ports says what nmap finds where fail2ban bans") {
  const ScannedHost host;
  const Fail2ban server(host);
  for (const auto* client : {"203.0.113.9", "2001:db8::77"})
    server.run(std::string("set sshd banip ") + client);
  host.until("iptables-save | grep -q 203.0.113.9 && ip6tables-save | grep -q 2001:db8::77");
  hold_against_nmap(host, "fail2ban", 0);
}

}  // namespace rewall
