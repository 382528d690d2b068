#include <fstream>

#include "ops/host/doctor_remotes.h"
#include "support/host.h"

namespace rewall {
namespace {

/// Of each check of that name: "ok" or "bad", what it says, and the hint.
std::string check(const Host& host, const std::string& name, const std::string& before = "true") {
  return host
      .sh(before + "; rewall doctor --json | python3 -c 'import json, sys\nfor c in json.load(sys.stdin):\n" +
          " if c[\"check\"] == \"" + name +
          "\": print(\"ok\" if c[\"ok\"] else \"bad\", c[\"message\"], c[\"hint\"])'")
      .out;
}

/// What a check says of a host where nothing is amiss.
bool is_well(const Host& host, const std::string& name) {
  const auto said = check(host, name);
  UNSCOPED_INFO(said);
  return has(said, "ok ") && !has(said, "bad ");
}

/// A hint "rewall ..." names the repository.
bool is_bad(const Host& host, const std::string& name, const std::string& message, std::string hint,
            const std::string& before = "true") {
  if (hint.starts_with("rewall ")) hint.insert(6, " -C " + host.repository());
  const auto said = check(host, name, before);
  UNSCOPED_INFO(name << ": " << said);
  return said.starts_with("bad ") && has(said, message) && has(said, hint);
}

/// Everything that a command could change.
std::string state(const Host& host) {
  return host.rules() + host.ok("find repo -printf '%p %m %U %s %T@\\n' | sort");
}

}  // namespace

TEST_CASE("doctor without a repository says how to get one") {
  const Host host;
  CHECK(is_bad(host, "repository", "no repository at", "init"));
  CHECK(is_well(host, "programs"));
  CHECK(is_well(host, "privilege"));
  CHECK(is_well(host, "capture"));
  const auto text = host.ends(1, "rewall doctor");
  CHECK(has(text, "BAD  repository"));
  CHECK(has(text, "ok   capture"));
  CHECK_FALSE(std::filesystem::exists(host.repository()));
}

TEST_CASE("doctor finds nothing against a good repository, and changes nothing") {
  const Host host;
  host.load_guide_firewall();
  host.ok("rewall init -q; rewall tag good");
  const auto before = state(host);
  for (const auto* name : {"programs", "privilege", "capture", "backends", "modes", "space", "repository",
                           "history", "work tree", "good", "journal", "guard"}) {
    INFO(name);
    CHECK(is_well(host, name));
  }
  CHECK(state(host) == before);
  CHECK(check(host, "unrecorded").empty());
  CHECK(check(host, "remote").starts_with("ok no remote: "));
  CHECK(is_bad(host, "watch", "not running", "rewall"));
  host.ok("exec 2>&1; (exec " REWALL_PROGRAM
          " -C repo watch >/dev/null) & "
          "until rewall doctor | grep -q '^ok   watch'; do sleep 0.1; done; kill $!; wait $!");
  host.ends(1, "rewall doctor");
}

TEST_CASE("on a full disk doctor asks for space before all else") {
  const Host host;
  const auto said =
      host.ends(1,
                "mkdir small; unshare -m bash -c 'mount -t tmpfs -o size=6m small small && chmod 700 "
                "small && rewall() { " REWALL_PROGRAM
                " -C small/repo \"$@\"; }; rewall -q init; dd if=/dev/zero of=small/big status=none; "
                "rewall doctor; exit 1'");
  CHECK(has(said, "free some space, which 'rewall -C "));
  CHECK(has(said, " gc' needs too: df -h "));
}

TEST_CASE("doctor sees that the file system is read-only, and gc sends there") {
  const Host host;
  const auto said =
      host.ends(1,
                "rewall -q init; unshare -m bash -c 'mount --bind repo repo && mount -o remount,bind,ro repo "
                "&& cd . && "
                "rewall() { " REWALL_PROGRAM " -C repo \"$@\"; }; rewall gc 2>&1; rewall doctor; exit 1'");
  CHECK(has(said, "/repo doctor' shows more\n"));
  CHECK(has(said, "BAD  space "));
  CHECK(has(said, "on a read-only file system"));
}

TEST_CASE("doctor names the packages of programs that are missing") {
  const Host host;
  host.ok("mkdir few; ln -s /usr/sbin/iptables* /usr/sbin/ip6tables* few");
  const auto* const few = "PATH=$PWD/few:$PWD/none; python3() { /usr/bin/python3 \"$@\"; }";
  CHECK(is_bad(host, "programs", "not installed: ipset, git", "apt install ipset git", few));
  host.ok(
      "rm few/ip6tables*restore few/*multi few/*-nft* few/*-legacy*; ln -s /usr/sbin/ipset /usr/bin/git few");
  CHECK(is_bad(host, "programs", "not installed: ", "apt install iptables", few));
}

TEST_CASE("doctor sees what is not recorded, and both backends") {
  const Host host;
  host.ok("iptables-nft -A INPUT -j LOG; rewall init -q; ebtables-nft -A INPUT -j mark --mark-set 1");
  CHECK(is_bad(host, "unrecorded", "bridge filter", "nft list ruleset"));
  host.ok("ebtables-nft -F; mkdir few; ln -sf /usr/sbin/* /usr/bin/* few; rm few/nft");
  CHECK(is_bad(host, "unrecorded", "bridge filter", "apt install nftables", "PATH=$PWD/few"));
  CHECK(is_well(host, "backends"));
  host.ok("iptables-legacy -A INPUT -j LOG");
  CHECK(is_bad(host, "backends", "nft and legacy both have rules", "try --for 10m -- sh SCRIPT"));
  host.ok("nft add rule ip filter INPUT meta mark set numgen random mod 2");
  CHECK(has(check(host, "nft-words"), "recorded in the words of nft"));
  host.ok("iptables-nft -A INPUT -m recent --set");
  CHECK(is_bad(host, "capture", "table ip filter", "nft -a list chain ip filter INPUT"));
}

TEST_CASE("doctor mends each thing that a capture notes by its own command") {
  const Host host;
  host.ok("rewall init -q; iptables -A INPUT -m comment --comment 'a\nb' -j LOG");
  CHECK(is_bad(host, "unrecorded", "a line break in a comment", "take the line break out"));
  host.ok("iptables -F; iptables-legacy -A INPUT -j LOG");
  CHECK(has(check(host, "unrecorded", "rewall() { " REWALL_PROGRAM " --backend nft \"$@\"; }"),
            "without --backend nft they are recorded"));
  host.ok("iptables-legacy -F; mkdir few; ln -sf /usr/sbin/* /usr/bin/* few; rm few/ipset");
  CHECK(is_bad(host, "unrecorded", "ipset is not installed", "apt install ipset", "PATH=$PWD/few"));
}

TEST_CASE("doctor misses CAP_NET_RAW") {
  const Host host;
  host.ok("rewall init -q");
  const auto said =
      host.sh("setpriv --bounding-set=-net_raw --inh-caps=-net_raw " REWALL_PROGRAM " doctor").out;
  CHECK(has(said, "BAD  privilege   can change the firewall, but has no CAP_NET_RAW"));
  CHECK(is_well(host, "privilege"));
}

TEST_CASE("doctor sees a host that was renamed, and a machine that is a copy") {
  const Host host;
  host.ok("rewall init -q");
  CHECK(is_well(host, "name"));
  host.ok("git -C repo branch -m hosts/localhost");
  auto said = check(host, "name");
  CHECK(has(said, "bad this machine is named "));
  host.ok(said.substr(said.find("git -C")));
  CHECK(is_well(host, "name"));
  // Another name may be meant.
  host.ok("git -C repo branch -m hosts/web1");
  said = check(host, "name");
  CHECK(has(said, "ok this machine is named "));
  CHECK(has(said, " branch -m hosts/web1 hosts/"));

  if (host.sh("test -s /etc/machine-id").status != 0) return;
  CHECK(is_well(host, "machine"));
  CHECK_FALSE(has(host.ok("cat repo/.git/rewall/machine"), host.ok("cat /etc/machine-id")));
  host.ok("echo 0123456789abcdef0123456789abcdef >repo/.git/rewall/machine");
  CHECK(is_bad(host, "machine", "is this a copy of it?", "branch -m hosts/web1 hosts/NAME"));
  host.ok("rewall snapshot -q --allow-empty");
  said = check(host, "machine");
  CHECK(has(said, "bad "));
  // The hint, as it is printed.
  auto copy = said.substr(said.find("a copy: ") + 8);
  REQUIRE(has(copy, "NAME"));
  copy.replace(copy.find("NAME"), 4, "web9");
  const std::string then = "; then, and where it is the same machine: ";
  REQUIRE(has(copy, then));
  host.ok(copy.substr(0, copy.find(then)));
  CHECK(host.ok("git -C repo log -1 --format=%D | tr -d ' '") == "HEAD->hosts/web9\n");
  host.ok(copy.substr(copy.find(then) + then.size()));
  CHECK(is_well(host, "machine"));
}

TEST_CASE("doctor sees modes and owners that let others in") {
  const Host host;
  host.ok("rewall init -q; rewall config lock.wait 10s");
  host.ok("chmod g+w repo/.git/rewall/config");
  CHECK(is_bad(host, "modes", ".git/rewall/config: others can write to it (mode 0620)", "chmod -R go-w"));
  host.ok("chmod 600 repo/.git/rewall/config; chmod o+w repo/.git");
  CHECK(is_bad(host, "modes", "repo/.git: others can write", "chmod -R go-w"));
  CHECK(is_bad(host, "repository", "repo/.git: others can write", "chmod -R go-w"));
  host.ok("chmod 700 repo/.git; chown 12345 repo/rules.v4");
  CHECK(is_bad(host, "modes", "repo/rules.v4: belongs to user 12345", "chown -R 0:0 "));
  host.ok("chown 0 repo/rules.v4; chmod 755 repo");
  CHECK(is_bad(host, "modes", "others can read it (mode 0755)", "chmod 700 "));
  host.ok("chmod 700 repo");
  CHECK(is_well(host, "modes"));
  const auto said = host.sh("chmod 711 .; setpriv --reuid 65534 --clear-groups " REWALL_PROGRAM " doctor");
  CHECK(said.status == 1);
  CHECK(has(said.out, "BAD  privilege"));
  CHECK(has(said.out, "BAD  repository"));
}

TEST_CASE("doctor sees a history that cannot be read, a work tree that is not it, and no tag") {
  const Host host;
  host.ok("iptables -A INPUT -j LOG; rewall init -q");
  CHECK(is_bad(host, "good", "no 'good' tag yet", "rewall tag good"));
  host.ok("echo '# mine' >>repo/rules.v4; rm repo/ipset");
  const auto said = check(host, "work tree");
  CHECK(has(said, "bad differs from HEAD: ipset, rules.v4"));
  host.ok(said.substr(said.find("git -C")));
  CHECK(is_well(host, "work tree"));
  host.ok(empty_object("HEAD:rules.v4"));
  CHECK(is_bad(host, "history", "rules.v4", "rewall log"));
}

TEST_CASE("doctor sees what a killed restore and a dead guard left, and leaves it") {
  const Host host;
  host.ok("iptables -A INPUT -j LOG; rewall init -q");
  const auto head = host.ok("git -C repo rev-parse HEAD");
  const auto tree = host.ok("git -C repo rev-parse HEAD^{tree}");
  std::ofstream(host.folder() / "repo/.git/rewall/journal")
      << "rewall journal 1\nbefore " << head << "wanted " << tree
      << "backends nft\nlooks-at auto\nbegan 1700000000 0\nprocess 1\ntrigger restore\nend\n";
  std::ofstream(host.folder() / "repo/.git/rewall/guard")
      << "rewall guard 1\nid a\nbefore " << head
      << "backends nft\nlooks-at auto\nplace gone 1\narmed 1700000000 0\nlength 1\ndeadline 1\nend\n";
  host.ok("chmod 600 repo/.git/rewall/*");
  const auto before = state(host);
  CHECK(is_bad(host, "journal", "a restore was interrupted", "rewall status"));
  CHECK(is_bad(host, "guard", "overdue", "rewall rollback"));
  CHECK(has(check(host, "journal", "exec 9<repo/.git/rewall/journal; flock 9"), "ok a restore is running"));
  CHECK(state(host) == before);
}

TEST_CASE("doctor asks the remotes, and is not held up by one that hangs") {
  const Host host;
  host.ok("rewall init -q; git init -q --bare far; git -C repo push -q $PWD/far HEAD");
  host.ok(
      "cd repo; git remote add far ../far; git fetch -q far 'refs/heads/hosts/*:refs/remotes/far/hosts/*'");
  CHECK(check(host, "remote") == "ok far answers None\n");
  CHECK(check(host, "backlog") == "ok far has every snapshot None\n");
  CHECK(is_well(host, "privacy"));

  // The last push is no nearer than the snapshot.
  host.ok(
      "rm -r repo/.git/logs/refs/remotes; git -C repo -c user.name=a -c user.email=a@b commit -q "
      "--allow-empty -m x --date '2 days ago'");
  CHECK(is_bad(host, "backlog", "far lacks 1 snapshot, the oldest taken 2 days ago", "rewall push far"));
  host.ok("rm -r far");
  CHECK(is_bad(host, "remote", "far (../far): ", "git init --bare"));

  host.ok("git -C repo remote set-url far git://a:secret@127.0.0.1/far; ip link set lo up");
  CHECK(is_bad(host, "privacy", "contains a password", "set-url far"));
  const auto said = host.ends(1, "rewall doctor");
  CHECK(has(said, "***"));
  CHECK_FALSE(has(said, "secret"));
  host.ok("git -C repo remote set-url far git://127.0.0.1/far; rewall config network.timeout 2s");
  CHECK(is_bad(host, "remote", "far (git://127.0.0.1/far): gave no answer within 2 s", "network.timeout 30m",
               "python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 9418)); open(\"up\", "
               "\"w\"); a = [s.accept() for i in range(9)]' & "
               "server=$!; trap 'kill $server' EXIT; until [ -e up ]; do sleep 0.05; done"));
}

TEST_CASE("doctor sees a clock that is behind the history") {
  const Host host;
  host.ok(
      "rewall init -q; git -C repo -c user.name=a -c user.email=a@b commit -q --allow-empty -m x --date "
      "2099-01-01T12:00:00Z");
  CHECK(is_bad(host, "clock", "before the newest snapshot, 2099-01-01T12:00:00", "set-ntp"));
}

TEST_CASE("an address says who can read along") {
  struct Case {
    const char* url;
    RemoteAddress::Way way;
    const char* host;
    bool password;
    bool forge;
  };
  using Way = RemoteAddress::Way;
  for (const auto& [url, way, host, password, forge] :
       {Case{"git@github.com:me/fw.git", Way::ssh, "github.com", false, true},
        Case{"ssh://git@ssh.GitHub.com:443/me/fw.git", Way::ssh, "ssh.github.com", false, true},
        Case{"git+ssh://git@codeberg.org/me/fw", Way::ssh, "codeberg.org", false, true},
        Case{"https://me:token@gitlab.com/me/fw.git", Way::https, "gitlab.com", true, true},
        Case{"https://git.sr.ht/~me/fw", Way::https, "git.sr.ht", false, true},
        Case{"https://ghp_16C7e42F292c6912E771@github.com/me/fw", Way::https, "github.com", true, true},
        Case{"https://me@github.com/me/fw", Way::https, "github.com", false, true},
        Case{"ssh://firewalls-of-all-our-hosts@host/fw", Way::ssh, "host", false, false},
        Case{"https://notgithub.com/me/fw", Way::https, "notgithub.com", false, false},
        Case{"https://github.com.example.org/me/fw", Way::https, "github.com.example.org", false, false},
        Case{"http://backup.example.org:8080/fw", Way::plain, "backup.example.org", false, false},
        Case{"git://[2001:db8::1]:9418/fw", Way::plain, "[2001:db8::1]", false, false},
        Case{"host:fw.git", Way::ssh, "host", false, false},
        Case{"/srv/github.com/fw.git", Way::folder, "", false, false},
        Case{"./a:b", Way::folder, "", false, false},
        Case{"file:///srv/fw.git", Way::folder, "", false, false}}) {
    INFO(url);
    const auto address = parse_remote_address(url);
    CHECK(address.way == way);
    CHECK(address.host == host);
    CHECK(address.has_password == password);
    CHECK(is_public_forge(address.host) == forge);
  }
}

}  // namespace rewall
