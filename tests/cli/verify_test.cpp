#include "support/host.h"

namespace rewall {
namespace {

/// Two snapshots: an empty firewall, and one that iptables cannot make.
void record_unloadable(const Host& host) {
  host.ok("rewall init -q; printf '*filter\\n-A INPUT -m nosuchmatch -j DROP\\nCOMMIT\\n' >rules.v4");
  host.ok("rewall import -q rules.v4");
}

}  // namespace

TEST_CASE("verify --stage finds the snapshot that cannot be restored") {
  const Host host;
  record_unloadable(host);
  host.ok("rewall verify");
  CHECK(has(host.ok("rewall verify --stage"), "1 snapshot can be restored"));
  const auto said = host.ends(1, "rewall verify --stage HEAD");
  CHECK(has(said, "FAIL  restore"));
  CHECK(has(said, "cannot be restored: "));
  CHECK(has(said, "nosuchmatch"));
  CHECK_FALSE(has(said, "can be restored\n"));
}

TEST_CASE("verify counts no snapshot among those that can be read or restored that is damaged") {
  const Host host;
  host.ok("rewall init -q; rewall tag first; iptables -N x; rewall snapshot -q; rewall tag second; " +
          empty_object("HEAD:rules.v4"));
  auto said = host.ends(1, "rewall verify --all --stage");
  CHECK(has(said, "ok    snapshots   1 snapshot can be read\n"));
  CHECK(has(said, "FAIL  tags        the tag 'second': "));
  CHECK_FALSE(has(said, "the tag 'first'"));
  CHECK_FALSE(has(said, "tags can be restored"));
  said = host.ends(1, "rewall verify --stage HEAD~1..");
  CHECK_FALSE(has(said, "can be read\n"));
  CHECK_FALSE(has(said, "can be restored\n"));
}

TEST_CASE("doctor tells that HEAD cannot be restored") {
  const Host host;
  host.ok("rewall init -q");
  CHECK(has(host.sh("rewall doctor").out, "can be restored"));
  host.ok(
      "cd repo; printf '*filter\\n-A INPUT -m nosuchmatch -j DROP\\nCOMMIT\\n' >rules.v4; git add rules.v4; "
      "git -c user.name=a -c user.email=a@example.org commit -q -m 'by hand'");
  const auto said = host.ends(1, "rewall doctor");
  CHECK(has(said, "BAD  restore"));
  CHECK(has(said, "nosuchmatch"));
}

TEST_CASE("a comment with a line break is recorded, said, and comes back as it was recorded") {
  const Host host;
  host.ok("rewall init -q");
  host.ok(
      "iptables -A INPUT -s 10.0.0.1 -m comment --comment 'hi\n-A INPUT -s 203.0.113.66/32 -j ACCEPT' -j "
      "DROP");
  CHECK(has(host.ok("rewall snapshot 2>&1"), "a line break in a comment or log prefix is recorded as '?'"));
  CHECK(host.ok("grep -c '^-A' repo/rules.v4") == "1\n");
  host.ok("rewall status; iptables -F; rewall restore --yes HEAD; rewall status; rewall restore --yes HEAD");
  CHECK(host.ok("iptables -S INPUT") ==
        "-P INPUT ACCEPT\n-A INPUT -s 10.0.0.1/32 -m comment --comment \"hi?-A INPUT -s 203.0.113.66/32 -j "
        "ACCEPT\" -j DROP\n");
}

}  // namespace rewall
