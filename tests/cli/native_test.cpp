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

TEST_CASE("a table of iptables in the words of nft is refused, and LIVE is untouched") {
  const Host host;
  host.ok(
      "nft add table inet x; rewall init; printf 'table ip filter {\\n\\tchain INPUT {\\n\\t\\ttype filter "
      "hook "
      "input priority filter; policy drop;\\n\\t}\\n}\\n' >y.nft; : >empty.nft");
  for (const char* command : {"import y.nft", "apply y.nft", "diff file:y.nft"})
    CHECK(has(host.ends(2, std::string("rewall ") + command), "table ip filter is one of iptables"));
  host.ends(2, "rewall apply empty.nft");
  host.ends(2, "rewall apply --family ipv4 y.nft");
  CHECK(host.ok("nft list ruleset") == "table inet x {\n}\n");
  // Where only the host's nft can say what stands there, nothing is recorded.
  host.ok(
      "nft add table ip filter; nft 'add chain ip filter INPUT { type filter hook input priority 5; policy "
      "drop; }'");
  host.ends(8, "rewall snapshot");
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
