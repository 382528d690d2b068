// Somebody else changes the firewall in the middle of a restore: what they did is in LIVE or in the history,
// never lost.
#include "support/host.h"

using namespace rewall;

namespace {

/// Stops a restore when all is staged, by a hook, and has `script` run there; `rest` tells of the first time.
void in_the_middle(const Host& host, const std::string& script) {
  host.ok("rewall config hooks.path $PWD/etc");
  host.ok("install -D -m 755 /dev/stdin etc/pre-restore.d/meanwhile <<'END'\n#!/bin/sh -e\ncd " +
          shell_quote(host.folder().string()) + "\n" + script + "\nEND\n");
}

/// The same when the journal is written and LIVE was looked at for the last time: the restore fills a set
/// then.
std::string at_the_last_moment(const Host& host, const std::string& script) {
  host.ok("mkdir -p bin; install -m 755 /dev/stdin bin/ipset <<'END'\n#!/bin/sh -e\ncd " +
          shell_quote(host.folder().string()) +
          "\nif [ \"$1\" = restore ] && [ -e repo/.git/rewall/journal ] && [ ! -e done ]; then\n"
          "touch done\n" +
          script + "\nfi\nexec /usr/sbin/ipset \"$@\"\nEND\n");
  return "PATH=$PWD/bin:$PATH; ";
}

constexpr const char* kOnce = "test ! -e done || exit 0; touch done; ";

const std::string kBefore =
    "ipset create allowed hash:ip; ipset add allowed 192.0.2.1; "
    "iptables -A INPUT -m set --match-set allowed src -j ACCEPT; ip6tables -A INPUT -s 2001:db8::1 -j "
    "ACCEPT; "
    "rewall init; iptables -P INPUT DROP; ip6tables -P INPUT DROP; ipset add allowed 192.0.2.2; rewall "
    "snapshot";

/// True when a snapshot between the two that were restored from and to has the text in its files.
bool in_history(const Host& host, const std::string& text) {
  return host.sh("git -C repo grep -q -F -e " + shell_quote(text) + " HEAD~1").status == 0;
}

}  // namespace

TEST_CASE("what somebody adds while a restore is planned is in the history") {
  const Host host;
  host.ok(kBefore);
  const auto meanwhile = [&](const std::string& script, const std::string& text) {
    INFO(script);
    in_the_middle(host, kOnce + script);
    host.ok("rm -f done; rewall restore HEAD~1");
    CHECK(host.ok("ls done") == "done\n");
    CHECK(in_history(host, text));
    // As the first snapshot was, all of it.
    CHECK(host.ok("git -C repo diff --stat $(git -C repo rev-list HEAD | tail -1) HEAD").empty());
    CHECK(host.ok("rewall status; rewall restore --dry-run HEAD >/dev/null; ls -A repo/.git/rewall")
              .find("journal") == std::string::npos);
    host.ok("chmod -x etc/pre-restore.d/meanwhile; rewall undo; rewall redo");
    host.ok("rewall restore $(git -C repo rev-list HEAD | tail -2 | head -1)");
  };
  meanwhile("iptables -A INPUT -s 198.51.100.66 -j DROP", "198.51.100.66");
  meanwhile("ip6tables -t mangle -A FORWARD -s 2001:db8::66 -j DROP", "2001:db8::66");
  meanwhile("ipset add allowed 198.51.100.67", "198.51.100.67");
  meanwhile("ipset create others hash:net; ipset add others 198.51.100.0/24", "others");
  meanwhile("iptables-legacy -A INPUT -s 198.51.100.68 -j DROP", "198.51.100.68");
}

TEST_CASE("what somebody adds in tables that are restored alone, or are not, stays or is in the history") {
  const Host host;
  host.ok(kBefore);
  in_the_middle(host, kOnce + std::string("ip6tables -A INPUT -s 2001:db8::66 -j DROP; "
                                          "iptables -A INPUT -s 198.51.100.66 -j DROP"));
  host.ok("rewall restore --family ipv4 HEAD~1");
  CHECK(has(host.ok("ip6tables-save"), "2001:db8::66"));
  CHECK_FALSE(has(host.rules(), "198.51.100.66"));
  CHECK(in_history(host, "198.51.100.66"));
  host.ok("rewall status");
}

TEST_CASE("whoever changes the firewall at the last moment is seen by the kernel's generation") {
  const Host host;
  host.ok(kBefore);
  const auto path = at_the_last_moment(host, "iptables -A INPUT -s 198.51.100.66 -j DROP");
  host.ok(path + "rewall restore HEAD~1");
  CHECK(host.ok("ls done") == "done\n");
  CHECK(in_history(host, "198.51.100.66"));
  CHECK_FALSE(has(host.rules(), "198.51.100.66"));
  CHECK(has(host.rules(), ":INPUT ACCEPT"));
  CHECK(host.ok("ipset list -n; ls repo/.git/rewall | grep -c journal || true") == "allowed\n0\n");
  host.ok("rewall status");
}

TEST_CASE("what somebody does to a set at the last moment is in the history") {
  const Host host;
  host.ok(kBefore);
  // A member comes and another one goes: such a set is filled aside and swapped.
  host.ok("ipset del allowed 192.0.2.1; ipset add allowed 192.0.2.3; rewall snapshot; rewall tag second");
  const auto meanwhile = [&](const std::string& script, const std::string& wanted, bool here) {
    INFO(script);
    const auto path = at_the_last_moment(host, script);
    host.ok(path + "rewall restore $(git -C repo rev-list HEAD | tail -1)");
    CHECK(host.ok("ls done") == "done\n");
    CHECK(in_history(host, wanted) == here);
    CHECK(
        host.ok(
            "ipset list -n; ipset save allowed | grep add; ls repo/.git/rewall | grep -c journal || true") ==
        "allowed\nadd allowed 192.0.2.1\n0\n");
    host.ok("git -C repo diff --exit-code $(git -C repo rev-list HEAD | tail -1) HEAD; rewall status");
    host.ok("rm done; rewall restore second");
    CHECK(host.ok("ipset save allowed | grep -c add") == "2\n");
  };
  meanwhile("ipset add allowed 198.51.100.66", "198.51.100.66", true);
  meanwhile("ipset del allowed 192.0.2.2", "192.0.2.2", false);
  meanwhile(
      "ipset create other hash:ip; ipset add other 198.51.100.68; ipset swap other allowed; "
      "ipset destroy other",
      "198.51.100.68", true);
}

TEST_CASE("what somebody does at the last moment to a set that loses a member stays, and is in the history") {
  const Host host;
  host.ok(kBefore + "; rewall tag second");
  const auto meanwhile = [&](const std::string& script, const std::string& members) {
    INFO(script);
    const auto path = at_the_last_moment(host, script);
    const auto said = host.ends(0, path + "rewall restore $(git -C repo rev-list HEAD | tail -1)");
    INFO(said);
    CHECK(host.ok("ls done") == "done\n");
    CHECK(has(said, "somebody changed the firewall meanwhile (set allowed: ") == (members != "192.0.2.1"));
    const std::string listed = " | sed -n 's/^add allowed //p' | sort | xargs echo | tr -d '\\n'";
    CHECK(host.ok("ipset save" + listed) == members);
    CHECK(host.ok("git -C repo show HEAD:ipset" + listed) == members);
    host.ok("rewall status; test ! -e repo/.git/rewall/journal; rm done; rewall restore second");
    CHECK(host.ok("ipset save" + listed) == "192.0.2.1 192.0.2.2");
  };
  meanwhile("ipset add allowed 198.51.100.66", "192.0.2.1 198.51.100.66");
  meanwhile("ipset del allowed 192.0.2.2", "192.0.2.1");
}

TEST_CASE(
    "a set that somebody swaps at the last moment is restored all the same, and theirs is in the history") {
  const Host host;
  host.ok(kBefore + "; rewall tag second");
  const auto path = at_the_last_moment(
      host,
      "ipset create other hash:ip; ipset add other 198.51.100.68; ipset swap other allowed; "
      "ipset destroy other");
  const auto said = host.ends(0, path + "rewall restore $(git -C repo rev-list HEAD | tail -1)");
  INFO(said << host.ok("git -C repo log -p --format='%h %s%n%b' -- ipset"));
  CHECK(host.ok("ls done") == "done\n");
  CHECK(host.ok("ipset save allowed | grep add") == "add allowed 192.0.2.1\n");
  CHECK(has(host.ok("git -C repo log -p -- ipset"), "+add allowed 198.51.100.68"));
  host.ok(
      "git -C repo diff --exit-code $(git -C repo rev-list HEAD | tail -1) HEAD; rewall status; "
      "test ! -e repo/.git/rewall/journal");
}

TEST_CASE("a legacy rule at the last moment is not lost") {
  const Host host;
  host.ok(
      "ipset create allowed hash:ip; iptables-legacy -A INPUT -s 192.0.2.1 -j ACCEPT; rewall init; "
      "iptables-legacy -P INPUT DROP; ipset add allowed 192.0.2.2; rewall snapshot");
  const auto path = at_the_last_moment(host, "iptables-legacy -A INPUT -s 198.51.100.66 -j DROP");
  host.ok(path + "rewall restore HEAD~1");
  CHECK(host.ok("ls done") == "done\n");
  CHECK(in_history(host, "198.51.100.66"));
  CHECK(has(host.ok("iptables-legacy-save"), ":INPUT ACCEPT"));
  host.ok("rewall status");
}

TEST_CASE("a firewall that is changed during each plan is left as it is, with exit status 3") {
  const Host host;
  host.ok(kBefore);
  const auto first = host.ok("git -C repo rev-parse HEAD");
  SECTION("nft") {
    in_the_middle(host, "iptables -A INPUT -s 198.51.100.66 -j DROP");
    CHECK(has(host.ends(3, "rewall restore HEAD~1"), "kept changing"));
    CHECK(host.ok("iptables -S INPUT | grep -c 198.51.100.66") == "3\n");
  }
  SECTION("legacy") {
    in_the_middle(host, "iptables-legacy -A INPUT -s 198.51.100.66 -j DROP");
    CHECK(has(host.ends(3, "rewall restore HEAD~1"), "kept changing"));
    CHECK(host.ok("iptables-legacy -S INPUT | grep -c 198.51.100.66") == "3\n");
  }
  SECTION("sets") {
    in_the_middle(host, "n=$(ipset list allowed | wc -l); ipset add allowed 198.51.100.$n");
    CHECK(has(host.ends(3, "rewall restore HEAD~1"), "kept changing"));
    CHECK(host.ok("ipset list allowed | grep -c 198.51.100") == "3\n");
  }
  CHECK(has(host.rules(), ":INPUT DROP"));
  CHECK(has(host.ok("ip6tables-save"), ":INPUT DROP"));
  CHECK(host.ok("ipset list -n; ls repo/.git/rewall | grep -c journal || true") == "allowed\n0\n");
  host.ok("git -C repo merge-base --is-ancestor " + first.substr(0, 40) + " HEAD");
}
