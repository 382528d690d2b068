#include <catch2/catch.hpp>

#include "core/text.h"
#include "support/host.h"

using namespace rewall;

namespace {

bool has(const std::string& text, const std::string& part) {
  INFO(text << "\n-- has not: " << part);
  return text.find(part) != std::string::npos;
}

// A host with a repository and the rules of the lines.
void with_rules(const Host& host, const std::string& lines) {
  host.ok("ip link set lo up; rewall init; iptables-restore <<'E'\n" + lines + "\nE");
}

const std::string kWeb =
    "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:web - [0:0]\n"
    "-A INPUT -i lo -j ACCEPT\n"
    "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n"
    "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
    "-A INPUT -p tcp -m multiport --dports 80,443 -j web\n"
    "-A web -s 192.0.2.0/24 -j REJECT\n"
    "-A web -m limit --limit 3/min -j ACCEPT\n"
    "COMMIT";
const std::string kSsh =
    "-p tcp -s 198.51.100.7 -d 203.0.113.5 --sport 40000 --dport 22 -i eth0 -o eth1 --state new --hook INPUT";

}  // namespace

TEST_CASE("a packet of the contract is traced through the live rules, and through a snapshot") {
  const Host host;
  with_rules(host, kWeb);
  host.ok("rewall snapshot");
  for (const char* revision : {"", "LIVE ", "HEAD "}) {
    const auto text = host.ok("rewall trace " + std::string(revision) + kSsh);
    CHECK(has(text, "ip filter INPUT\n  > 3     -p tcp --dport 22 -j ACCEPT\n"));
    CHECK(has(text, "\nverdict  ACCEPT\n"));
  }
  CHECK(has(host.ok("rewall trace HEAD~1 " + kSsh), "\nverdict  ACCEPT\n"));
}

TEST_CASE("options of the command may stand among the words of the packet") {
  const Host host;
  with_rules(host, kWeb);
  CHECK(has(host.ok("rewall trace -p tcp --json -s 198.51.100.7 --dport 23 -i eth0 --why --state NEW"),
            "\"verdict\":\"DROP\""));
  CHECK(has(host.ok("rewall --json trace --state NEW -i eth0 ! -s 192.0.2.0/24 -p tcp --dport 23"),
            "\"verdict\":\"DROP\""));
  CHECK(has(host.ok("rewall trace -- -p tcp --dport 23 -i eth0 --state NEW"), "\nverdict  DROP\n"));
  CHECK(has(host.ok("rewall trace '-p tcp --dport 23 -i eth0 --state NEW'"), "\nverdict  DROP\n"));
}

TEST_CASE("a policy decides, a jump is followed, and an unknown is named") {
  const Host host;
  with_rules(host, kWeb);
  CHECK(has(host.ok("rewall trace -p tcp -s 198.51.100.7 --dport 23 -i eth0 --state NEW"),
            "ip filter INPUT  policy DROP\n"));
  const auto rejected = host.ok("rewall trace -p tcp -s 192.0.2.9 --dport 80 -i eth0 --state NEW");
  CHECK(has(rejected,
            "  > 4     -p tcp -m multiport --dports 80,443 -j web\n"
            "ip filter web\n  > 1     -s 192.0.2.0/24 -j REJECT"));
  CHECK(has(rejected, "\nverdict  REJECT\n"));
  const auto limited = host.ok("rewall trace -p tcp -s 198.51.100.7 --dport 443 -i eth0 --state NEW");
  CHECK(has(limited, "\nverdict  DEPENDS\nhangs on -m limit --limit 3/min"));
  CHECK(has(limited, "  ? 2     -m limit --limit 3/min -j ACCEPT\n"));
}

TEST_CASE("trace --why shows the condition that fails and what the packet has instead") {
  const Host host;
  with_rules(host, kWeb);
  const auto text = host.ok("rewall trace --why -p tcp -s 198.51.100.7 --dport 22 -i eth0 --state NEW");
  CHECK(has(text, "    1     -i lo -j ACCEPT\n          not -i lo: -i is eth0\n"));
  CHECK(has(text, "--ctstate is NEW"));
}

TEST_CASE("trace --expect ends with 1 where the verdict is another") {
  const Host host;
  with_rules(host, kWeb);
  const std::string packet = " -p tcp -s 198.51.100.7 --dport 22 -i eth0 --state NEW";
  host.ok("rewall trace --expect ACCEPT" + packet);
  host.ok("rewall trace --expect accept" + packet);
  CHECK(has(host.ends(1, "rewall trace --expect drop" + packet), "expected DROP\n"));
  CHECK(has(host.ends(1, "rewall trace --json --expect DROP" + packet), "\"expected\":\"DROP\""));
  CHECK(has(host.ends(2, "rewall trace --expect no" + packet),
            "--expect: 'no' is not one of ACCEPT, DROP, REJECT, DEPENDS"));
}

TEST_CASE("lines of tcpdump, conntrack and the LOG target are traced") {
  const Host host;
  with_rules(host, kWeb);
  host.ok(
      "ip link add eth0 type veth peer name p; ip link set eth0 up; ip address add 203.0.113.5/24 dev eth0");
  CHECK(has(
      host.ok("rewall trace '01:48:21.4 eth0  In  IP 198.51.100.7.40000 > 203.0.113.5.22: Flags [S], seq 1, "
              "win 64240, length 0'"),
      "\nverdict  ACCEPT\n"));
  CHECK(
      has(host.ok("rewall trace HEAD 'IP 198.51.100.7.40000 > 203.0.113.5.23: Flags [S], seq 1, length 0' -i "
                  "eth0"),
          "\nverdict  ACCEPT\n"));
  CHECK(has(
      host.ok("rewall trace 'web1 kernel: IN=eth0 OUT= MAC= SRC=198.51.100.7 DST=203.0.113.5 LEN=60 TOS=0x00 "
              "PREC=0x00 TTL=63 ID=1 DF PROTO=TCP SPT=40000 DPT=23 WINDOW=64240 RES=0x00 SYN URGP=0 '"),
      "\nverdict  DROP\n"));
  CHECK(has(
      host.ok("rewall trace tcp 6 431999 ESTABLISHED src=198.51.100.7 dst=203.0.113.5 sport=40000 dport=23 "
              "src=203.0.113.5 dst=198.51.100.7 sport=23 dport=40000 [ASSURED] mark=0 use=1 -i eth0"),
      "  > 2     -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"));
  // From and to other hosts: what this host routes on.
  const auto routed =
      host.ok("rewall trace 'IP 198.51.100.7.40000 > 10.0.0.2.80: Flags [S], seq 1, length 0' -i eth0");
  CHECK(has(routed, " -i eth0 --ctstate NEW --hook FORWARD\n"));
}

TEST_CASE("a packet of IPv6 is traced through the rules of IPv6") {
  const Host host;
  host.ok("rewall init; ip6tables -A INPUT -p tcp --dport 22 -s 2001:db8::/32 -j DROP");
  CHECK(
      has(host.ok("rewall trace -s 2001:db8::7 -p tcp --dport 22 --state NEW"), "ip6 filter INPUT\n  > 1 "));
  CHECK(has(host.ok("rewall trace -6 -p tcp --dport 23 --state NEW"), "\nverdict  ACCEPT\n"));
}

TEST_CASE("a rules file of one family asks about packets of that family") {
  const Host host;
  host.ok("rewall init; printf '*filter\\n:INPUT DROP [0:0]\\nCOMMIT\\n' >rules.v6; cp rules.v6 rules.v4");
  CHECK(has(host.ok("rewall trace file:rules.v6 -p tcp --dport 22"), "ip6 filter INPUT  policy DROP\n"));
  CHECK(has(host.ok("rewall trace file:rules.v4 -p tcp --dport 22"), "ip filter INPUT  policy DROP\n"));
  CHECK(has(host.ends(2, "rewall trace file:rules.v6 -s 192.0.2.1"), "file:rules.v6 has no rules of ipv4"));
  CHECK(has(host.ok("rewall trace - -p tcp --dport 22 <rules.v4"), "ip filter INPUT  policy DROP\n"));
}

TEST_CASE("NAT is shown, and the packet goes on as it was rewritten") {
  const Host host;
  with_rules(
      host,
      "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
      "-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\nCOMMIT\n"
      "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
      "-A FORWARD -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT");
  host.ok(
      "ip link add dm0 type veth peer name dm1; ip address add 203.0.113.5/24 dev dm0; ip link set dm0 up");
  const auto text =
      host.ok("rewall trace -p tcp -s 198.51.100.7 -d 203.0.113.5 --dport 8080 -i dm0 --state NEW");
  CHECK(
      has(text, "ip nat PREROUTING\n  > 1     -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n"));
  CHECK(has(text, "ip filter FORWARD\n  > 1     -d 172.17.0.2/32 -p tcp --dport 80 -j ACCEPT\n"));
  CHECK(has(text, "left as  -d 172.17.0.2 --dport 80"));
  CHECK(has(text, "\nverdict  ACCEPT\n"));
}

TEST_CASE("the addresses of the host are the kernel's for LIVE, and otherwise given or not known") {
  const Host host;
  with_rules(host,
             "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
             "-A INPUT -m addrtype ! --dst-type LOCAL -j DROP\nCOMMIT");
  host.ok(
      "rewall snapshot; ip link add dm0 type veth peer name dm1; ip address add 203.0.113.5/24 dev dm0; ip "
      "link set dm0 "
      "up");
  const std::string packet = " -p tcp -d 203.0.113.5 --dport 22 -i dm0 --state NEW";
  CHECK(has(host.ok("rewall trace" + packet), "\nverdict  ACCEPT\n"));
  CHECK(has(host.ok("rewall trace HEAD --local 203.0.113.5" + packet), "\nverdict  ACCEPT\n"));
  CHECK(has(host.ok("rewall trace HEAD --local 203.0.113.6 --local 203.0.113.7" + packet),
            "\nverdict  DROP\n"));
  CHECK(has(host.ok("rewall trace HEAD --local LIVE" + packet), "\nverdict  ACCEPT\n"));
  const auto unknown = host.ok("rewall trace HEAD" + packet);
  CHECK(has(unknown, "\nverdict  DEPENDS\n"));
  CHECK(has(unknown, "The addresses of the host are not known: name them with --local.\n"));
  CHECK(has(host.ok("rewall trace --json HEAD" + packet), "\"local\":\"unknown\""));
  CHECK(has(host.ends(2, "rewall trace HEAD --local web1" + packet), "--local: 'web1' is not an address"));
}

TEST_CASE("members of sets are those of the revision") {
  const Host host;
  host.ok(
      "rewall init; ipset create bad hash:net; ipset add bad 198.51.100.0/24;"
      "iptables -A INPUT -m set --match-set bad src -j DROP; rewall snapshot; ipset flush bad");
  const std::string packet = " -p tcp -s 198.51.100.7 --dport 22 --state NEW";
  CHECK(has(host.ok("rewall trace HEAD" + packet), "\nverdict  DROP\n"));
  CHECK(has(host.ok("rewall trace" + packet), "\nverdict  ACCEPT\n"));
}

TEST_CASE("JSON of a trace has the fields of the contract") {
  const Host host;
  with_rules(host, kWeb);
  const auto json =
      host.ok("rewall trace --json --why -p tcp -s 198.51.100.7 --dport 22 -i eth0 --state NEW");
  CHECK(has(json, R"("verdict":"ACCEPT","depends_on":[],"path":[)"));
  CHECK(has(json, R"("table":"filter","chain":"INPUT","pos":3,"rule":"-p tcp -m tcp --dport 22 -j ACCEPT",)"
                  R"("action":"ACCEPT")"));
  CHECK(has(json, R"("packet":"-p tcp -s 198.51.100.7 --dport 22 -i eth0 --ctstate NEW")"));
  host.ok(
      "rewall trace --json --why -p tcp -s 198.51.100.7 --dport 22 -i eth0 --state NEW | python3 -m "
      "json.tool");
}

TEST_CASE("a packet that a trace prints can be traced again") {
  const Host host;
  with_rules(host, kWeb);
  host.ok(
      "rewall trace --json -p tcp --dport 80 -i eth0 --state NEW >a; words=$(python3 -c 'import json;"
      "print(json.load(open(\"a\"))[\"packet\"])'); rewall trace --json $words >b; cmp a b");
}

TEST_CASE("a trace that cannot be asked says which word is wrong") {
  const Host host;
  with_rules(host, kWeb);
  CHECK(has(host.ends(2, "rewall trace"), "no packet is named"));
  CHECK(has(host.ends(2, "rewall trace --dprt 22"), "did you mean '--dport'?"));
  CHECK(has(host.ends(2, "rewall trace --dport"), "--dport needs a value"));
  CHECK(has(host.ends(2, "rewall trace -p tcp -s web1.example.org"), "names of hosts are not looked up"));
  CHECK(has(host.ends(2, "rewall trace nosuch -p tcp --dport 22"), "nosuch"));
  CHECK(has(host.ends(2, "rewall trace -p icmp --dport 22"), "the packet's protocol is icmp"));
}

TEST_CASE("a trace on a narrow terminal breaks its lines") {
  const Host host;
  with_rules(host, kWeb);
  for (const char* columns : {"40", "80", "120"}) {
    const auto text = host.ok("script -qec \"stty cols " + std::string(columns) +
                              "; $(declare -f rewall); rewall --no-pager --color never trace --why -p tcp -s "
                              "198.51.100.7 --dport 443 -i eth0 --state NEW\" /dev/null </dev/null");
    for (const auto line : split_lines(text)) {
      INFO(line);
      CHECK(line.size() <= static_cast<std::size_t>(std::atoi(columns)));
    }
  }
}

TEST_CASE("LIVE is not captured for a question where it is HEAD, and is where anything moved") {
  const Host host;
  host.ok(
      "ip link set lo up; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -P INPUT DROP; ipset "
      "create s hash:ip; "
      "iptables -A INPUT -m set --match-set s src -j ACCEPT; rewall -q init; mkdir bin; "
      "for p in iptables ip6tables iptables-nft ip6tables-nft; do printf '#!/bin/sh\\necho save "
      ">>%s/saved\\nexec "
      "/usr/sbin/%s-save \"$@\"\\n' $PWD $p >bin/$p-save; chmod +x bin/$p-save; done");
  const std::string trace =
      "PATH=$PWD/bin:$PATH; rewall trace -p tcp --dport 22 -s 192.0.2.1 -i eth0 --state new | tail -1; "
      "rewall ports >/dev/null; test -e saved && echo captured; rm -f saved";
  const auto quick = host.sh(trace).out;
  CHECK_FALSE(has(quick, "captured"));
  CHECK(has(host.ok("rewall trace -p tcp --dport 22 -s 192.0.2.1 -i eth0 --state new"), "ACCEPT"));
  host.ok("iptables -D INPUT -p tcp --dport 22 -j ACCEPT");
  CHECK(has(host.ok("rewall trace -p tcp --dport 22 -s 192.0.2.1 -i eth0 --state new"), "DROP"));
  CHECK(has(host.sh(trace).out, "captured"));
  // Sets have no generation.
  host.ok("rewall -q snapshot; ipset add s 192.0.2.1");
  CHECK(has(host.ok("rewall trace -p tcp --dport 22 -s 192.0.2.1 -i eth0 --state new"), "ACCEPT"));
}

TEST_CASE("a packet that goes to another host, and is asked about INPUT, is told of") {
  const Host host;
  with_rules(host, "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT");
  host.ok(
      "ip link add eth0 type veth peer name p; ip link set eth0 up; ip address add 203.0.113.5/24 dev eth0");
  const std::string said =
      "10.0.0.2 is not an address of this host: --hook FORWARD asks what becomes of packets "
      "that this host routes on";
  const std::string packet = " -p tcp -s 198.51.100.7 -d 10.0.0.2 --dport 80 -i eth0 --state NEW";
  const auto asked = host.sh("rewall trace" + packet);
  CHECK(has(asked.out, "\nverdict  ACCEPT\n"));
  CHECK(has(asked.err, said));
  CHECK(has(host.ok("rewall --json trace" + packet), said));
  CHECK(has(host.ok("rewall trace -o eth1" + packet), "\nverdict  DROP\n"));
  CHECK(has(host.ends(0, "rewall expect add accept" + packet), said));
  CHECK(has(host.ok("rewall --json expect add accept -4 -p udp -d 10.0.0.2 -i eth0"), said));
  CHECK_FALSE(has(host.ends(0, "rewall trace -p tcp -d 203.0.113.5 --dport 80 -i eth0 --state NEW"),
                  "address of this host"));
  CHECK(has(host.ends(0, "rewall trace -p tcp -d 203.0.113.5 --dport 80 -i eth0 --state NEW --hook FORWARD"),
            "203.0.113.5 is an address of this host"));
}
