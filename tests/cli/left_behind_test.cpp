// What kills leave behind, and what people wrote where rewall writes.
#include "support/host.h"

using namespace rewall;

TEST_CASE(
    "half-written files and the locks of dead gits are removed when they are old, whatever their name") {
  const Host host;
  host.ok(
      "rewall -q init; b=$(git -C repo symbolic-ref HEAD); cd repo/.git; "
      "touch rewall/thing.new-aB3xYz rewall/host.new-aB3xYz HEAD.new-aB3xYz ../rules.v4.new-aB3xYz "
      "rewall/young.new-aB3xYz "
      "rewall/mine $b.lock packed-refs.lock");
  SECTION("young ones stay: somebody may be writing") {
    host.ok(
        "rewall -q status; rewall tag x >/dev/null 2>&1; ls repo/.git/rewall/young.new-aB3xYz "
        "repo/.git/packed-refs.lock");
    const auto said = host.ends(1, "rewall doctor");
    CHECK(has(said, "/repo/.git/packed-refs.lock"));
    CHECK(has(said, "rm "));
    host.ok("iptables -A INPUT -j ACCEPT");
    const auto refused = host.ends(5, "rewall snapshot");
    INFO(refused);
    CHECK(has(refused, ".lock: a lock of git"));
    // The hint helps.
    host.ok("rm repo/.git/$(git -C repo symbolic-ref HEAD).lock; rewall -q snapshot");
  }
  SECTION("old ones") {
    host.ok(
        "cd repo/.git; touch -d '11 minutes ago' rewall/*.new-* *.new-* ../*.new-* *.lock "
        "refs/heads/hosts/*.lock rewall/mine");
    host.ok(
        "iptables -A INPUT -j ACCEPT; rewall -q snapshot; cd repo/.git; "
        "! ls rewall/*.new-* *.new-* ../*.new-* *.lock refs/heads/hosts/*.lock 2>/dev/null; ls rewall/mine");
  }
}

TEST_CASE("an edit of the work tree by hand is kept beside the file that replaces it, and that is said") {
  const Host host;
  host.ok(
      "iptables -A INPUT -j ACCEPT; rewall -q init; printf '# mine\\n' >>repo/rules.v4; iptables -A INPUT -j "
      "LOG");
  CHECK(has(host.ends(0, "rewall snapshot"), "rules.v4 was edited by hand: kept as rules.v4.edited-1"));
  CHECK(has(host.ok("cat repo/rules.v4.edited-1"), "# mine"));
  CHECK_FALSE(has(host.ok("cat repo/rules.v4"), "# mine"));
  // What git has already needs no copy.
  host.ok(
      "git -C repo checkout -q HEAD~1 -- rules.v4; iptables -A INPUT -j RETURN; rewall -q snapshot; "
      "test ! -e repo/rules.v4.edited-2");
}

TEST_CASE("the export leaves foreign parts to their owners, and comments of people in a copy") {
  const Host host;
  host.ok(
      "mkdir out; rewall -q init; rewall config export.path $PWD/out; "
      "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -N f2b-sshd; iptables -A f2b-sshd -s "
      "198.51.100.7 -j REJECT; "
      "iptables -I INPUT -p tcp --dport 22 -j f2b-sshd; iptables -t nat -N DOCKER; "
      "iptables -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination "
      "172.17.0.2:80; "
      "iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER; rewall -q snapshot");
  auto exported = host.ok("cat out/rules.v4");
  CHECK(has(exported, "--dport 22 -j ACCEPT"));
  CHECK_FALSE(has(exported, "f2b-sshd"));
  CHECK_FALSE(has(exported, "DOCKER"));
  host.ok("unshare -n iptables-restore out/rules.v4");
  // What foreign programs change is no edit of a person.
  host.ok("iptables -A f2b-sshd -s 198.51.100.8 -j REJECT; rewall -q snapshot; test ! -e out/rules.v4.old-1");
  // What iptables-save writes is none either; a comment is.
  host.ok(
      "iptables-save >out/rules.v4; sed -i '/f2b-sshd\\|DOCKER\\|PREROUTING/d' out/rules.v4; "
      "iptables -A INPUT -j LOG; rewall -q snapshot; test ! -e out/rules.v4.old-1");
  host.ok("sed -i '1i # ask the network team first' out/rules.v4; iptables -A INPUT -j RETURN");
  CHECK(has(host.ends(0, "rewall snapshot"), "kept as rules.v4.old-1"));
  CHECK(has(host.ok("cat out/rules.v4.old-1"), "# ask the network team first"));
}
