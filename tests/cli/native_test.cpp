#include <nlohmann/json.hpp>

#include "support/guarded_host.h"

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
  // From nothing, too, with the rules that iptables made byte for byte.
  const auto bytes = host.ok("nft --debug=netlink list table ip filter 2>&1 | grep '\\[' | grep -v counter");
  host.ok("nft flush ruleset; rewall restore HEAD");
  CHECK(host.table() == mixed);
  CHECK(host.ok("nft --debug=netlink list table ip filter 2>&1 | grep '\\[' | grep -v counter") == bytes);
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
            "table ip filter is in the words of nft and stays as it is"));
  CHECK(host.table() == mixed);
  CHECK(has(host.rules(), "-A POSTROUTING -j RETURN"));
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
  CHECK(host.ok(bytes) == before);
  // And between two in nft's words.
  host.ok("iptables -A DOCKER -s 192.0.2.1 -j DROP; rewall restore mixed");
  CHECK(has(host.table(), "192.0.2.1"));
  host.ok("rewall restore --exact mixed");
  CHECK_FALSE(has(host.table(), "DOCKER"));
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
