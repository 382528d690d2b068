#include <nlohmann/json.hpp>

#include "support/guarded_host.h"
#include "support/skip.h"

using namespace rewall;
using nlohmann::json;

namespace {

/// A host with rules of iptables and a table of nft, which is recorded.
class NativeHost : public Host {
 public:
  NativeHost() {
    ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init");
    ok("nft -f - <<'END'\n"
       "table inet t {\n\tset s {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 192.0.2.0/24 "
       "}\n\t}\n"
       "\tchain c {\n\t\ttype filter hook input priority filter; policy accept;\n"
       "\t\tip saddr @s drop\n\t\ttcp dport { 22, 80 } counter accept\n\t}\n}\nEND\n");
    ok("rewall snapshot");
  }
  std::string native() const { return ok("nft -s list ruleset | sed -n '/^table inet/,/^}/p'"); }
};

}  // namespace

TEST_CASE("native tables are recorded in nft's words and restored with those of iptables") {
  const NativeHost host;
  const auto first = host.native();
  CHECK(host.ok("cat repo/rules.nft") == first);
  CHECK(host.ok("rewall status | sed -n 's/^LIVE *//p'") == "matches HEAD\n");
  host.ok(
      "nft add rule inet t c udp dport 53 counter accept; nft add element inet t s '{ 203.0.113.0/24 }'; "
      "iptables -A INPUT -p udp -j DROP");
  const auto diff = json::parse(host.sh("rewall --json diff").out);
  REQUIRE(diff["changes"].size() == 3);
  CHECK(diff["changes"][1]["backend"] == "nft-native");
  CHECK(diff["changes"][1]["family"] == "inet");
  CHECK(diff["changes"][1]["kind"] == "members");
  host.ok("rewall snapshot");
  const auto second = host.native();
  host.ok("rewall restore HEAD~1");
  CHECK(host.native() == first);
  CHECK_FALSE(has(host.rules(), "-p udp"));
  host.ok("rewall undo");
  CHECK(host.native() == second);
  CHECK(has(host.rules(), "-p udp"));
  // The snapshot before the table: it says that there was none.
  CHECK(has(host.ok("git -C repo log --format=%B"), "Rewall-Native: none"));
  host.ok("rewall restore HEAD~4");
  CHECK(host.native().empty());
  host.ok("rewall undo; rewall verify");
  CHECK(host.native() == second);
  host.ok("rewall restore --table 'inet t' HEAD~5");
  CHECK(host.native() == first);
  CHECK(has(host.rules(), "-p udp"));
}

TEST_CASE("a snapshot that says nothing of native tables leaves them as they are") {
  const NativeHost host;
  const auto native = host.native();
  // As an older version wrote it.
  host.ok(
      "cd repo; m=$(git log -1 --format=%B HEAD~1 | grep -v Rewall-Native); git rm -q --cached rules.nft; "
      "rm rules.nft; c=$(echo \"$m\" | git -c user.name=x -c user.email=x commit-tree $(git write-tree) -p "
      "HEAD); "
      "git update-ref HEAD $c");
  CHECK(has(host.sh("rewall diff").out, "inet t  table added"));
  host.ok("rewall restore HEAD");
  CHECK(host.native() == native);
  CHECK(host.ok("cat repo/rules.nft") == native);
  host.ok("rewall apply - <<'END'\n*filter\n:INPUT DROP\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\nEND\n");
  CHECK(host.native() == native);
}

TEST_CASE("a file of nft is compared, applied, edited, imported and exported") {
  const NativeHost host;
  host.ok(
      "echo 'define ports = { 22, 443 }' >ports.nft; cat >my.conf <<END\n#!/usr/sbin/nft -f\nflush ruleset\n"
      "include \"$PWD/ports.nft\"\n"
      "table inet fw {\n\tchain c {\n\t\ttype filter hook input priority 0; policy drop;\n"
      "\t\ttcp dport \\$ports accept\n\t}\n}\nEND\n");
  CHECK(has(host.sh("rewall diff file:my.conf").out, "inet fw  table removed"));
  host.ok("mkdir etc; chmod 700 etc; rewall config export.nft $PWD/etc/nftables.conf; rewall apply my.conf");
  CHECK(has(host.native(), "tcp dport { 22, 443 } accept"));
  CHECK_FALSE(has(host.native(), "table inet t"));
  CHECK(has(host.rules(), "--dport 22"));  // no flush ruleset is run in LIVE
  CHECK(host.ok("rewall status | sed -n 's/^LIVE *//p'") == "matches HEAD\n");
  const auto native = host.native();
  host.ok("nft add table inet other; nft -f etc/nftables.conf; nft delete table inet other");
  CHECK(host.native() == native);
  CHECK(has(host.rules(), "--dport 22"));
  host.ok(
      "printf '#!/bin/sh\\nsed -i s/443/8443/ $1\\n' >ed; chmod +x ed; "
      "EDITOR=$PWD/ed rewall edit --nft --yes; rewall import my.conf");
  CHECK(has(host.native(), "tcp dport { 22, 8443 } accept"));
  CHECK(has(host.ok("git -C repo show HEAD~1:rules.nft"), "tcp dport { 22, 443 } accept"));
  const auto bad = host.ends(2, "echo 'table inet fw { frob; }' | rewall apply -");
  CHECK(has(bad, "standard input:1: syntax error"));
}

TEST_CASE("a guard and a boot bring native tables back") {
  const NativeHost host;
  const auto native = host.native();
  host.ok("rewall try --for 10m -- nft delete table inet t; rewall rollback");
  CHECK(host.native() == native);
  host.ok("nft flush ruleset; rewall restore --boot");
  CHECK(host.native() == native);
  CHECK(has(host.rules(), "--dport 22"));
}

TEST_CASE("watch records what nft changes, and who did it") {
  const NativeHost host;
  host.ok("(rewall watch >/dev/null 2>watch.log &)");
  host.until("grep -q . repo/.git/rewall/watch.pid || rewall status | grep -q 'watch *running'");
  host.ok("nft add rule inet t c udp dport 53 accept");
  host.until("rewall log -n 1 | grep -q watch");
  const auto newest = json::parse(host.ok("rewall log -n 1 --json"))[0];
  CHECK(newest["trigger"] == "watch");
  CHECK(newest["subject"] == "inet t/c: +1 udp dport 53 accept");
  REQUIRE(newest["commands"].size() == 1);
  CHECK(
      newest["commands"][0].get<std::string>().starts_with("nft"));  // it may be gone before it is looked at
  CHECK(has(host.ok("cat repo/rules.nft"), "udp dport 53 accept"));
  host.ok("nft add element inet t s '{ 203.0.113.0/24 }'");
  host.until("grep -q 203.0.113.0 repo/rules.nft");
  CHECK(json::parse(host.ok("rewall log -n 1 --json"))[0]["commands"].size() == 1);
}

TEST_CASE("foreign native tables are kept by a restore, and taken by --exact") {
  const NativeHost host;
  host.ok(
      "nft add table inet f2b-table; nft 'add chain inet f2b-table c { type filter hook input priority -1; "
      "}'; "
      "nft add rule inet f2b-table c ip saddr 192.0.2.66 drop");
  host.ok("rewall restore HEAD");
  CHECK(has(host.ok("nft list tables"), "inet f2b-table"));
  host.ok("rewall restore --exact HEAD~1");
  CHECK_FALSE(has(host.ok("nft list tables"), "inet f2b-table"));
}

TEST_CASE("rules of which the kernel lists more than it takes come back, and a guard proves it") {
  const Host host;
  host.ok(
      "iptables -A INPUT -j LOG; nft -f - <<'END'\n"
      "table inet fw {\n\tchain c {\n\t\ttype filter hook forward priority filter; policy accept;\n"
      "\t\ttcp flags syn tcp option maxseg size set rt mtu\n\t\ttcp option maxseg size set 1400\n"
      "\t\treset tcp option sack-perm\n"
      "\t\ttcp dport 22 ct state new meter ssh { ip saddr limit rate over 10/minute } drop\n\t}\n}\nEND\n"
      "rewall init");
  const auto before = host.ok("nft -s list table inet fw");
  host.ok("rewall try --for 10m -- nft flush ruleset; rewall rollback");
  CHECK(host.ok("nft -s list table inet fw") == before);
  host.ok("nft flush ruleset; rewall restore --boot");
  CHECK(host.ok("nft -s list table inet fw") == before);
}

TEST_CASE("a file of nft speaks of those tables of iptables' names that it has") {
  const Host host;
  host.ok(
      "nft add table inet x; iptables -t nat -A POSTROUTING -o eth9 -j ACCEPT; iptables -A INPUT -j LOG; "
      "rewall init; "
      "printf 'table ip filter {\\n\\tchain INPUT {\\n\\t\\ttype filter hook "
      "input priority filter; policy drop;\\n\\t\\ttcp dport 22 accept\\n\\t}\\n}\\n' >y.nft; : >empty.nft; "
      "sed 's/dport 22/dport { 22, 80 }/' y.nft >z.nft");
  CHECK(has(host.ends(2, "rewall import y.nft"), "table ip filter has a name of iptables"));
  host.ends(2, "rewall apply empty.nft");
  host.ends(2, "rewall apply --family ipv4 y.nft");
  CHECK(host.ends(1, "rewall diff file:y.nft").find("-j ACCEPT") != std::string::npos);
  CHECK(has(host.ok("nft list tables"), "inet x"));
  // What iptables can say is recorded in its words.
  host.ok("rewall apply y.nft");
  CHECK(has(host.ok("cat repo/rules.v4"), "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"));
  CHECK(has(host.ok("cat repo/rules.v4"), "*nat\n"));
  // Of tables that iptables does not own it stands for all: those that it lacks go.
  CHECK_FALSE(has(host.ok("nft list tables"), "inet x"));
  CHECK(host.ok("rewall diff file:y.nft").empty());
  host.ok("rewall apply z.nft");
  CHECK_FALSE(has(host.ok("cat repo/rules.v4"), "*filter"));
  CHECK(has(host.ok("cat repo/rules.v4"), "*nat\n"));
  CHECK(has(host.ok("cat repo/rules.nft"), "tcp dport { 22, 80 } accept"));
  CHECK(host.ok("rewall status | sed -n 's/^LIVE *//p'") == "matches HEAD\n");
  host.ok("rewall undo; rewall undo");
  CHECK(has(host.rules(), "-A INPUT -j LOG"));
}

namespace {

/// A host into whose table of iptables somebody puts a rule with nft.
class MixedHost : public Host {
 public:
  MixedHost() {
    ok("iptables -P INPUT DROP; iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; "
       "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -t nat -A POSTROUTING -j ACCEPT; rewall "
       "init");
    before = rules();
    ok("nft add rule ip filter INPUT tcp dport 443 ct state new counter accept");
  }
  std::string table() const { return ok("nft -s list table ip filter"); }
  std::string before{};
};

}  // namespace

TEST_CASE("a rule of nft in a table of iptables is recorded, compared, undone and done again") {
  const MixedHost host;
  const auto mixed = host.table();
  const auto warned = host.sh("rewall snapshot -m mixed");
  CHECK(warned.status == 0);
  CHECK(has(warned.err,
            "table ip filter is recorded in the words of nft (rules.nft), as iptables cannot say chain "
            "INPUT, rule 3: "
            "tcp dport 443 ct state new counter accept"));
  CHECK_FALSE(has(host.sh("nft add rule ip filter INPUT ct state new counter drop; rewall snapshot").err,
                  "ip filter"));
  host.ok("rewall undo");
  CHECK(host.table() == mixed);
  CHECK(has(host.ok("cat repo/rules.nft"), "# iptables: -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"));
  CHECK_FALSE(has(host.ok("cat repo/rules.v4"), "*filter"));
  CHECK(host.ok("rewall status | sed -n 's/^LIVE *//p'") == "matches HEAD\n");
  CHECK(has(host.ok("rewall log --table filter --oneline"), "mixed"));
  CHECK(has(host.ok("rewall blame --table filter"), "443"));
  host.ok("rewall undo");
  CHECK(host.rules() == host.before);
  CHECK(host.ok("cat repo/rules.nft 2>/dev/null || echo none") == "none\n");
  host.ok("rewall redo");
  CHECK(host.table() == mixed);
  host.ok("rewall restore --table filter HEAD~1");
  CHECK(host.rules() == host.before);
  host.ok("rewall restore --table 'ip filter' HEAD~1; rewall verify; rewall doctor || :");
  CHECK(host.table() == mixed);
  // From nothing, too, with the expressions of the rules that iptables made. iptables 1.8.11 asks an IPv4
  // header for the protocol, nft the kernel, which has it from there: nft lists both in the same words.
  const std::string list =
      "nft --debug=netlink list table ip filter 2>&1 | grep '\\[' | grep -v counter | "
      "sed 's/payload load 1b @ network header + 9/meta load l4proto/'";
  const auto expressions = host.ok(list);
  host.ok("nft flush ruleset; rewall restore HEAD");
  CHECK(host.table() == mixed);
  CHECK(host.ok(list) == expressions);
}

TEST_CASE("a guard, a boot and the commands of a diff know both forms of a table") {
  const MixedHost host;
  const auto mixed = host.table();
  host.ok("rewall snapshot; rewall tag mixed");
  host.ok("rewall try --for 10m -- sh -c 'iptables -P INPUT ACCEPT; nft flush ruleset'; rewall rollback");
  CHECK(host.table() == mixed);
  host.ok("rewall restore --for 10m HEAD~1; rewall rollback");
  CHECK(host.table() == mixed);
  host.ok("nft flush ruleset; rewall restore --boot");
  CHECK(host.table() == mixed);
  host.ok("rewall diff --commands LIVE mixed~1 >down; sh -e down");
  CHECK(host.rules() == host.before);
  host.ok("rewall diff --commands LIVE mixed >up; sh -e up");
  // nft knows no words but its own.
  CHECK(has(host.table(), "tcp dport 443 ct state new counter accept"));
  host.ok("rewall restore mixed; rewall apply - <repo/rules.v4");
  CHECK_FALSE(has(host.ok("nft list tables"), "ip filter"));
}

TEST_CASE("edit leaves a table in the words of nft alone, and opens it by its name") {
  const MixedHost host;
  const auto mixed = host.table();
  host.ok(
      "rewall snapshot; printf '#!/bin/sh\\nsed -i s/POSTROUTING\\ -j\\ ACCEPT/POSTROUTING\\ -j\\ RETURN/ "
      "$1\\n' >ed; chmod +x ed");
  CHECK(has(host.ends(0, "EDITOR=$PWD/ed rewall edit --yes"),
            "table ip filter is in the words of nft and stays as it is; to edit it: rewall -C " +
                host.repository() + " edit --table 'ip filter'\n"));
  CHECK(host.table() == mixed);
  CHECK(has(host.rules(), "-A POSTROUTING -j RETURN"));
  const auto hint = "hint: rewall -C " + host.repository() + " edit --table 'ip filter'\n";
  CHECK(has(host.ends(2, "EDITOR=$PWD/ed rewall edit --table filter --yes"), hint));
  host.ok(
      "printf '#!/bin/sh\\nsed -i s/443/8443/ $1\\n' >ed; EDITOR=$PWD/ed rewall edit --table 'ip filter' "
      "--yes");
  CHECK(has(host.table(), "tcp dport 8443 ct state new counter accept"));
  CHECK(has(host.ok("cat repo/rules.nft"), "# iptables: -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"));
  // Without the rule of nft it is iptables' again.
  host.ok(
      "printf '#!/bin/sh\\nsed -i /8443/d $1\\n' >ed; EDITOR=$PWD/ed rewall edit --table 'ip filter' --yes");
  CHECK(host.ok("iptables-save -t filter | grep -v '^#'") + host.ok("iptables-save -t nat | grep -v '^#'") !=
        "");
  CHECK(has(host.ok("cat repo/rules.v4"), "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT"));
}

TEST_CASE("foreign chains stay in a table that changes its form") {
  const MixedHost host;
  host.ok(
      "rewall snapshot; rewall tag mixed; iptables -N DOCKER; iptables -A FORWARD -o docker0 -j DOCKER; "
      "iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT; "
      "iptables -A DOCKER -m addrtype --dst-type LOCAL -j RETURN");
  const auto docker = [&] {
    return host.ok("iptables -S DOCKER 2>/dev/null || nft -s list chain ip filter DOCKER");
  };
  // From nft's words to those of iptables, and back.
  host.ok("rewall restore mixed~1");
  CHECK(has(docker(), "-A DOCKER -m addrtype --dst-type LOCAL -j RETURN"));
  CHECK(has(host.rules(), "-A FORWARD -o docker0 -j DOCKER"));
  CHECK_FALSE(has(host.rules(), "443"));
  const auto bytes = "nft --debug=netlink list chain ip filter DOCKER 2>&1 | grep '\\[' | grep -v counter";
  const auto before = host.ok(bytes);
  host.ok("rewall restore mixed");
  CHECK(has(host.table(), "443"));
  CHECK(has(host.table(), "jump DOCKER"));
  CHECK(host.ok(bytes) == before);
  // And between two in nft's words.
  host.ok("iptables -A DOCKER -s 192.0.2.1 -j DROP; rewall restore mixed");
  CHECK(has(host.table(), "192.0.2.1"));
  host.ok("rewall restore --exact mixed");
  CHECK_FALSE(has(host.table(), "DOCKER"));
}

namespace {

/// The same, with what docker and fail2ban make: chains, jumps, and rules among those of people.
class BusyHost : public MixedHost {
 public:
  BusyHost() {
    ok("rewall snapshot; rewall tag mixed; cat >programs <<'END'\n"
       "iptables -N DOCKER; iptables -N DOCKER-USER; iptables -N f2b-sshd\n"
       "iptables -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n"
       "iptables -A f2b-sshd -s 192.0.2.66 -j REJECT; iptables -A f2b-sshd -j RETURN\n"
       "iptables -A FORWARD -j DOCKER-USER; iptables -A FORWARD -o docker0 -j DOCKER\n"
       "iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
       "iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n"
       "iptables -A FORWARD -i docker0 -o docker0 -j ACCEPT\n"
       "iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT\n"
       "iptables -A DOCKER-USER -j RETURN\n"
       // Whose bridge that is the rules of another table tell.
       "iptables -t raw -A PREROUTING -d 172.18.0.2/32 ! -i mybridge -j DROP; iptables -A DOCKER -i mybridge "
       "-j DROP\n"
       "nft add rule ip raw PREROUTING ct state new counter\nEND\n");
  }
  /// The expressions of all that these programs made, chain by chain.
  std::string foreign() const {
    return ok(
        "for c in DOCKER DOCKER-USER f2b-sshd FORWARD; do echo $c; nft --debug=netlink list chain ip filter "
        "$c "
        "2>&1 | grep '\\['; done | sed 's/counter pkts.*/counter/'; nft list chain ip filter INPUT | grep -o "
        "'jump f2b-sshd'; nft list table ip raw | grep -c mybridge");
  }
};

}  // namespace

TEST_CASE("what programs made stays whole in a table, whichever form it has before and after") {
  const BusyHost host;
  host.ok("sh -e programs");
  const auto before = host.foreign();
  host.ok("rewall restore mixed");
  CHECK(host.foreign() == before);
  CHECK(has(host.table(), "443"));
  host.ok("rewall restore mixed~1");
  CHECK(host.foreign() == before);
  CHECK_FALSE(has(host.table(), "443"));
  host.ok("rewall restore --table filter mixed");
  CHECK(host.foreign() == before);
  host.ok("rewall undo");
  CHECK(host.foreign() == before);
  host.ok("rewall redo");
  CHECK(host.foreign() == before);
  host.ok("rewall restore --family ipv4 mixed~1; rewall restore --table 'ip filter' mixed");
  CHECK(host.foreign() == before);
  CHECK(has(host.table(), "443"));
  host.ok("rewall restore --for 10m mixed~1; rewall rollback");
  CHECK(host.foreign() == before);
  host.ok("rewall restore --boot");
  CHECK(host.foreign() == before);
  CHECK(has(host.table(), "443"));
  host.ok("nft flush ruleset; iptables -A INPUT -j LOG; sh -e programs; rewall restore --boot");
  CHECK(host.foreign() == before);
  CHECK(has(host.table(), "443"));
  CHECK_FALSE(has(host.table(), "log"));
  CHECK(host.ok("rewall status | sed -n 's/^LIVE *//p'") == "matches HEAD\n");
}

TEST_CASE("a table in the words of nft that is wanted empty keeps what programs made, with open policies") {
  const BusyHost host;
  host.ok("sh -e programs; iptables -P FORWARD DROP; rewall snapshot");
  const auto before = host.foreign();
  for (const char* file : {"*nat\\n:POSTROUTING ACCEPT\\n-A POSTROUTING -j ACCEPT\\nCOMMIT\\n",
                           "*filter\\n:INPUT ACCEPT\\n:FORWARD ACCEPT\\n:OUTPUT ACCEPT\\nCOMMIT\\n"}) {
    host.ok("rewall apply - <<END\n$(printf '" + std::string(file) + "')\nEND\n");
    CHECK(host.foreign() == before);
    CHECK_FALSE(has(host.table(), "policy drop"));
    CHECK_FALSE(has(host.table(), "443"));
    host.ok("rewall undo");
    CHECK(host.foreign() == before);
    CHECK(has(host.table(), "443"));
  }
}

TEST_CASE("a program's rule that nft cannot say refuses a table in its words, and stops no way back") {
  const BusyHost host;
  host.ok("rewall restore mixed~1");
  const auto before = host.rules();
  const auto ban =
      "ipset create f2b-web hash:ip; iptables -I INPUT -p tcp -m multiport --dports 80 -m set --match-set "
      "f2b-web src -j REJECT";
  host.ok(ban);
  const auto banned = host.rules();
  const auto refused = host.ends(4, "rewall restore mixed");
  CHECK(has(refused, "table ip filter: what is foreign in LIVE cannot stand beside what is wanted"));
  CHECK(has(refused, "run it with --exact"));
  CHECK(host.rules() == banned);
  host.ok("rewall restore --exact mixed");
  CHECK(has(host.table(), "443"));
  // To the words of iptables nothing stands in the way.
  host.ok("iptables -I INPUT -s 192.0.2.9 -j DROP; rewall snapshot; rewall restore mixed~1; ipset destroy");
  CHECK(host.rules() == before);
  host.ok("rewall restore mixed; rewall restore --for 10m mixed~1");
  host.ok(ban);
  CHECK(has(host.ends(0, "rewall rollback"), "what is foreign in table ip filter goes"));
  CHECK(has(host.table(), "443"));
}

TEST_CASE("what is foreign goes to the words of iptables, whatever else the revision names there") {
  const BusyHost host;
  host.ok(
      "rewall restore mixed~1; ipset create s hash:ip; iptables -A INPUT -m set --match-set s src -j DROP; "
      "rewall snapshot; rewall tag set; rewall restore mixed; sh -e programs");
  const auto before = host.foreign();
  host.ok("rewall restore set");
  CHECK(host.foreign() == before);
  CHECK(has(host.rules(), "--match-set s src -j DROP"));
}

TEST_CASE("a base chain that a program made in a table of iptables is foreign with its sets") {
  const MixedHost host;
  host.ok(
      "rewall snapshot; rewall tag mixed; nft -f - <<'END'\ntable ip filter {\n\tset addr-set-sshd "
      "{\n\t\ttype "
      "ipv4_addr\n\t\telements = { 192.0.2.66 }\n\t}\n\tchain f2b-chain {\n\t\ttype filter hook input "
      "priority "
      "filter - 1; policy accept;\n\t\ttcp dport 22 ip saddr @addr-set-sshd reject\n\t}\n}\nEND\n"
      "rewall snapshot; rewall tag banned; nft add element ip filter addr-set-sshd '{ 192.0.2.67 }'");
  for (const char* revision : {"banned", "mixed", "mixed~1"}) {
    host.ok(std::string("rewall restore ") + revision);
    CHECK(has(host.table(), "elements = { 192.0.2.66, 192.0.2.67 }"));
    CHECK(has(host.table(), "ip saddr @addr-set-sshd reject"));
  }
  host.ok("rewall restore --exact mixed");
  CHECK_FALSE(has(host.table(), "sshd"));
}

TEST_CASE("rules expire in a table that goes from one form to the other") {
  const Host host;
  host.ok(
      "iptables -P INPUT DROP; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -j LOG; "
      "rewall init; cat >rules <<'END'\n*filter\n:INPUT DROP\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n"
      "-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -p tcp --dport 8080 -j ACCEPT\n"
      "-A INPUT -s 192.0.2.7 -m conntrack --ctstate NEW -j ACCEPT\n"
      "-A INPUT -m limit --limit 5/min -j ACCEPT\n-A INPUT -j LOG --log-prefix new\nCOMMIT\nEND\n"
      "rewall apply --expire 2s rules; nft add rule ip filter INPUT tcp dport 444 ct state new counter "
      "accept; "
      "sleep 3; rewall status");
  host.until("! nft list table ip filter | grep -q 8080");
  const auto left = host.ok("nft -s list chain ip filter INPUT");
  INFO(left);
  CHECK(has(left, "tcp dport 22 counter accept"));
  CHECK(has(left, "tcp dport 444 ct state new counter accept"));
  CHECK_FALSE(has(left, "192.0.2.7"));
  CHECK_FALSE(has(left, "limit"));
  CHECK_FALSE(has(left, "new\""));
  CHECK(has(left, "log"));
  CHECK(has(host.ok("rewall status"), "took out 3 rules, gave 1 rule its old words back"));
  // What was there in the words of nft is not added.
  const auto said = host.ends(
      0, "sed -i '/limit/d; /192.0.2.7/d; s/ --log-prefix new//' rules; rewall apply --expire 2s rules");
  CHECK(has(said, "1 rule expires"));
  CHECK_FALSE(has(said, "does not expire"));
  CHECK(has(host.rules(), "8080"));
  host.ok("sleep 3; rewall status");
  host.until("! iptables-save | grep -q 8080");
  CHECK(has(host.rules(), "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"));
}

TEST_CASE("what changes in a table in the words of nft does not expire, and a command says so") {
  const MixedHost host;
  host.ok("rewall snapshot");
  const auto mixed = host.table();
  host.ok("(nft -s list table ip filter | sed 's/443/9443/') >x.nft");
  CHECK(has(host.ends(3, "rewall apply --expire 1h x.nft"),
            "--expire covers the rules of iptables and ipsets"));
  CHECK(host.table() == mixed);
  const auto tried =
      host.sh("rewall try --keep --expire 1h -- iptables -A INPUT -p tcp --dport 8080 -j ACCEPT");
  CHECK(tried.status == 0);
  CHECK(has(tried.err, "what changed in tables of nft (ip filter) does not expire"));
  CHECK(has(
      tried.out + tried.err,
      "nothing expires: the command added or altered no rule or chain in the words of iptables and no member "
      "of an ipset"));
  CHECK(has(host.table(), "8080"));
  host.ok("rewall rollback");
  CHECK(host.table() == mixed);
  // A rule that makes the table one of nft's.
  host.ok(
      "rewall restore HEAD~3; rewall try --keep --expire 1h -- nft add rule ip filter INPUT ct state new "
      "drop");
  CHECK(has(host.ok("rewall status"), "guard    ARMED"));
  host.ok("rewall rollback");
  CHECK(host.rules() == host.before);
}

TEST_CASE("diff and blame follow rules from one form of a table to the other") {
  const MixedHost host;
  host.ok("rewall snapshot");
  const auto diff = host.ends(1, "rewall diff HEAD~1 HEAD");
  CHECK(has(diff, "ip filter INPUT\n  + 3     tcp dport 443 ct state new counter accept\n"));
  CHECK(has(diff, "ip filter  form {iptables -> nft}\n"));
  CHECK_FALSE(has(diff, "dport 22"));
  const auto back = json::parse(host.sh("rewall --json diff HEAD HEAD~1").out)["changes"];
  REQUIRE(back.size() == 2);
  CHECK(back[0]["kind"] == "removed");
  CHECK(back[0]["backend"] == "nft");
  CHECK(back[0]["from"] == "tcp dport 443 ct state new counter accept");
  CHECK(back[1]["kind"] == "table-changed");
  CHECK(back[1]["parts"][0]["part"] == "form");
  const auto first = host.ok("git -C repo rev-parse HEAD~1");
  const auto mixed = host.ok("git -C repo rev-parse HEAD");
  const auto of = [&](const std::string& revision) {
    std::string out;
    for (const auto& rule : json::parse(host.ok("rewall --json blame --table filter " + revision)))
      out += rule["hash"].get<std::string>() + "\n";
    return out;
  };
  CHECK(of("HEAD") == first + first + mixed);
  host.ok("rewall undo");
  CHECK(of("HEAD") == first + first);
  CHECK(of("LIVE") == first + first);
  host.ok("rewall redo");
  CHECK(of("HEAD") == first + first + mixed);
  CHECK(host.ok("rewall log --oneline --table 'ip filter' | wc -l") == "4\n");
}

TEST_CASE("the file that nftables.service loads is what export.nft writes, and reads as a revision") {
  const Host host;
  const std::string unit = "/lib/systemd/system/nftables.service";
  if (host.sh("test -e " + unit + " && test -e /etc/nftables.conf").status != 0)
    skip("no nftables.service of Debian");
  // As the unit runs them, on a file of the host's own.
  const auto run = [&](const std::string& what) {
    return "$(sed -n 's,^" + what + "=,,p' " + unit +
           " | sed \"s,/etc/nftables.conf,$PWD/etc/nftables.conf,\")";
  };
  host.ok("mkdir -m 700 etc; cp /etc/nftables.conf etc; iptables -A INPUT -p tcp --dport 22 -j ACCEPT");
  host.ok("rewall init; rewall import etc/nftables.conf");
  // What was never in force is behind what is.
  CHECK(has(host.ok("git -C repo show HEAD~1:rules.nft"), "table inet filter {"));
  // The unit's file flushes the ruleset, those of iptables too.
  host.ok(run("ExecStart"));
  CHECK(has(host.ends(1, "rewall diff file:etc/nftables.conf LIVE || true; rewall diff HEAD LIVE"), "22"));
  CHECK_FALSE(has(host.sh("rewall diff file:etc/nftables.conf LIVE").out, "inet filter"));
  host.ok("rewall restore HEAD; rewall config export.nft $PWD/etc/nftables.conf");
  host.ok(
      "rewall apply /etc/nftables.conf; nft add rule inet filter input tcp dport 80 ct state new accept; "
      "rewall snapshot");
  const auto native = host.ok("nft -s list table inet filter");
  const auto rules = host.rules();
  host.ok("nft add rule inet filter input drop; " + run("ExecReload"));
  CHECK(host.ok("nft -s list table inet filter") == native);
  CHECK(host.rules() == rules);
  host.ok(run("ExecStop") + "; " + run("ExecStart") + "; rewall restore HEAD");
  CHECK(host.ok("nft -s list table inet filter") == native);
  CHECK(host.rules() == rules);
}

TEST_CASE("without nft a table in its words is neither recorded nor opened") {
  const BusyHost host;
  host.ok("mkdir few; ln -sf /usr/sbin/* /usr/bin/* few; rm few/nft");
  const auto before = host.table();
  CHECK(has(host.ends(0, "PATH=$PWD/few; rewall restore HEAD"), "nothing to do"));
  CHECK(has(host.ends(4, "nft flush ruleset; iptables -P INPUT DROP; PATH=$PWD/few; rewall restore mixed"),
            "nft is not installed"));
  CHECK(has(host.rules(), ":INPUT DROP"));
  const auto said = host.ends(9, "PATH=$PWD/few; nft() { false; }; rewall restore --boot");
  CHECK(has(said, "nft is not installed"));
  CHECK(host.rules() == host.before);
  host.ok("rewall restore mixed");
  CHECK(host.table() == before);
  // A restore that leaves the words of nft needs none of it.
  host.ok("sh -e programs");
  const auto foreign = host.foreign();
  host.ok("rewall snapshot; (PATH=$PWD/few; rewall restore mixed~1)");
  CHECK(host.foreign() == foreign);
  CHECK_FALSE(has(host.table(), "443"));
}

TEST_CASE("a snapshot that has a table in both forms is neither restored nor called readable") {
  const MixedHost host;
  host.ok("rewall snapshot");
  const auto mixed = host.table();
  host.ok(
      "git -C repo show HEAD~1:rules.v4 >repo/rules.v4; cd repo; git add rules.v4; c=$(git log -1 "
      "--format=%B | "
      "git -c user.name=x -c user.email=x commit-tree $(git write-tree) -p HEAD); git update-ref HEAD $c");
  CHECK(has(host.ends(1, "rewall verify"),
            "rules.nft: table ip filter is there in the words of iptables and in those of nft"));
  host.ends(5, "rewall restore HEAD");
  CHECK(host.table() == mixed);
  host.ends(9, "nft flush ruleset; rewall restore --boot");
  CHECK(host.table() == mixed);
}

TEST_CASE("watch records a table that changes its form, and who did it") {
  const Host host;
  host.ok(
      "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init; (rewall watch >/dev/null 2>watch.log &)");
  host.until("rewall status | grep -q 'watch *running'");
  host.ok("nft add rule ip filter INPUT ct state new counter accept");
  host.until("grep -q 'ct state new' repo/rules.nft");
  host.ok("nft 'add set ip filter s { type ipv4_addr; }'");
  host.until("grep -q 'set s' repo/rules.nft");
  host.ok("nft add element ip filter s '{ 192.0.2.1 }'");
  host.until("grep -q '192.0.2.1' repo/rules.nft");
  const auto newest = json::parse(host.ok("rewall log -n 1 --json"))[0];
  REQUIRE(newest["commands"].size() == 1);
  CHECK(newest["commands"][0].get<std::string>().starts_with("nft"));
  host.ok("iptables -A INPUT -p udp -j DROP");
  host.until("grep -q udp repo/rules.nft || grep -q 'l4proto 17' repo/rules.nft");
  host.ok("nft flush chain ip filter INPUT; nft delete set ip filter s");
  host.until("! test -e repo/rules.nft");
}

TEST_CASE("where native tables cannot be loaded a boot brings the rest") {
  const Host host;
  host.ok(
      "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; nft add table inet x; rewall init; nft flush ruleset; "
      "mkdir few; ln -sf /usr/sbin/* /usr/bin/* few; rm few/nft");
  const auto said = host.sh("PATH=$PWD/few; rewall restore --boot");
  INFO(said.err);
  CHECK(has(said.err, "the native nft tables"));
  CHECK(has(host.rules(), "--dport 22 -j ACCEPT"));
}
