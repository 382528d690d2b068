#include "support/host.h"

using namespace rewall;

namespace {

/// The files of the folder that are what HEAD says, by their bytes.
void check_in_sync(const Host& host) {
  host.ok("cmp repo/rules.v4 boot/rules.v4; cmp repo/rules.v6 boot/rules.v6");
  host.ok("test ! -e boot/ipsets || cmp repo/ipset boot/ipsets");
}

}  // namespace

TEST_CASE("export.path keeps the files that netfilter-persistent loads as HEAD is") {
  const Host host;
  host.ok(
      "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -P FORWARD DROP; rewall init; mkdir boot; "
      "rewall config export.path $PWD/boot; rewall snapshot");
  check_in_sync(host);
  CHECK(host.ok("stat -c '%a %u %n' boot/*") == "640 0 boot/rules.v4\n640 0 boot/rules.v6\n");
  const auto first = host.ok("stat -c '%i %Y' boot/*");
  host.ok("rewall snapshot");
  CHECK(host.ok("stat -c '%i %Y' boot/*") == first);

  host.ok("ipset create a hash:ip; iptables -A INPUT -m set --match-set a src -j DROP; rewall snapshot");
  check_in_sync(host);
  CHECK(has(host.ok("cat boot/ipsets"), "create a hash:ip"));
  host.ok("rewall restore HEAD~1");
  check_in_sync(host);
  host.ok("rewall try --for 1h -- iptables -P INPUT DROP");
  CHECK(has(host.ok("cat boot/rules.v4"), ":INPUT DROP"));
  host.ok("rewall rollback");
  check_in_sync(host);
  CHECK(host.ok("ls -A boot") == "ipsets\nrules.v4\nrules.v6\n");

  // No rules are a table without rules: what is loaded replaces what is there.
  host.ok("iptables -F; ip6tables -P FORWARD ACCEPT; rewall snapshot");
  host.ok("iptables -P INPUT DROP; iptables-restore <boot/rules.v4; ip6tables-restore <boot/rules.v6");
  CHECK(has(host.ok("rewall status"), "matches HEAD"));
  host.ok("rewall config export.path ''; iptables -P INPUT DROP; rewall snapshot");
  CHECK_FALSE(has(host.ok("cat boot/rules.v4"), "DROP"));
}

TEST_CASE("an export keeps what somebody wrote there, once") {
  const Host host;
  host.ok(
      "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init; mkdir boot; iptables-save >boot/rules.v4; "
      "printf '*filter\\n:INPUT DROP\\nCOMMIT\\n' >boot/rules.v6; rewall config export.path $PWD/boot");
  // iptables-save's own text of the same rules is no loss.
  const auto said = host.ends(0, "rewall snapshot");
  CHECK(has(said, "/boot/rules.v6: not what rewall wrote there: kept as rules.v6.old-1\n"));
  CHECK(host.ok("cat boot/rules.v6.old-1") == "*filter\n:INPUT DROP\nCOMMIT\n");
  CHECK(host.ok("ls -A boot") == "rules.v4\nrules.v6\nrules.v6.old-1\n");

  host.ok(
      "iptables -P FORWARD DROP; rewall snapshot; iptables-save >boot/rules.v4; iptables -P FORWARD ACCEPT");
  CHECK_FALSE(has(host.ends(0, "rewall snapshot"), "kept as"));
  host.ok("echo broken >boot/rules.v4");
  CHECK(has(host.ends(0, "rewall snapshot"), "kept as rules.v4.old-1\n"));
  host.ok("echo mine >boot/rules.v4");
  CHECK(has(host.ends(0, "rewall snapshot"), "kept as rules.v4.old-2\n"));
  host.ok("cmp repo/rules.v4 boot/rules.v4");
  CHECK(host.ok("cat boot/rules.v4.old-1 boot/rules.v4.old-2") == "broken\nmine\n");
}

TEST_CASE("an export that cannot be is a warning, and the snapshot is made") {
  const Host host;
  host.ok("rewall init; rewall config export.path $PWD/boot; iptables -P FORWARD DROP");
  CHECK(has(host.ends(0, "rewall snapshot"), "/boot: No such file or directory\n"));
  host.ok("mkdir -m 777 boot; iptables -P FORWARD ACCEPT");
  CHECK(has(host.ends(0, "rewall snapshot"), "/boot: users other than root can write to it\n"));
  CHECK(host.ok("ls -A boot").empty());
  CHECK(host.ok("git -C repo rev-list --count HEAD") == "3\n");
  CHECK(has(host.ends(2, "rewall config export.path boot"), "export.path: 'boot' is not an absolute path"));

  // Half of a file, or none, is never there.
  host.ok(
      "chmod 755 boot; rewall snapshot; cp -r boot before; iptables -P FORWARD DROP; mkdir "
      "boot/rules.v6.dir; "
      "mv boot/rules.v6 boot/rules.v6.was; mv boot/rules.v6.dir boot/rules.v6");
  CHECK(has(host.ends(0, "rewall snapshot"), "/boot/rules.v6: "));
  host.ok("cmp boot/rules.v4 before/rules.v4; test \"$(ls -A boot | wc -l)\" = 3");
}

TEST_CASE("an export to a full disk leaves the files that were there") {
  const Host host;
  host.ok(
      "rewall init; mkdir boot; rewall config export.path $PWD/boot; export -f rewall; unshare -m bash -ec '"
      "mount -t tmpfs -o size=12k,mode=755 none boot; rewall snapshot; cat boot/* >was; "
      "{ echo \"*filter\"; for i in {1..99}; do echo \"-A INPUT -s 192.0.2.$i -j DROP\"; done; echo COMMIT; "
      "} "
      "| iptables-restore; head -c 1M /dev/zero >boot/other || true; rewall snapshot 2>said; "
      "cat boot/rules.v4 boot/rules.v6 | cmp - was; ls -A boot >names'");
  CHECK(has(host.ok("cat said"), "/boot/rules.v4: cannot write: No space left on device"));
  CHECK(host.ok("cat names") == "other\nrules.v4\nrules.v6\n");
}
