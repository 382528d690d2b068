// `rewall watch`: every change of the kernel's firewall in the history, with who made it.

#include <catch2/catch.hpp>

#include "support/fail2ban.h"
#include "support/watched_host.h"

using namespace rewall;
using nlohmann::json;

TEST_CASE("every change of both families and the sets is recorded once") {
  const WatchedHost host("rewall config watch.poll 100ms");
  CHECK(host.change("iptables -A INPUT -p tcp --dport 443 -j ACCEPT")["subject"] ==
        "filter/INPUT: +1 tcp dport 443 ACCEPT");
  const auto one = host.newest();
  CHECK(one["trigger"] == "watch");
  CHECK(one["backend"] == "nft");
  CHECK(host.change("iptables -N mine")["subject"] == "filter/mine: chain added");
  CHECK(host.change("iptables -A mine -s 192.0.2.1 -j DROP")["subject"] ==
        "filter/mine: +1 from 192.0.2.1/32 DROP");
  CHECK(host.change("ip6tables -A INPUT -p tcp --dport 80 -j ACCEPT")["subject"] ==
        "ip6 filter/INPUT: +1 tcp dport 80 ACCEPT");
  CHECK(host.change("iptables -P FORWARD DROP")["subject"] == "filter/FORWARD: policy ACCEPT -> DROP");
  CHECK(host.change("iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE")["subject"] ==
        "nat/POSTROUTING: +1 out eth0 MASQUERADE");
  CHECK(host.change("iptables -E mine yours")["summary"]["chain-renamed"] == 1);
  CHECK(host.change("iptables -I yours -j LOG")["summary"]["added"] == 1);
  CHECK(host.change("iptables -R yours 1 -j RETURN")["summary"].size() > 0);
  CHECK(host.change("iptables -F yours")["summary"]["removed"] == 2);
  CHECK(host.change("iptables -X yours")["summary"]["chain-removed"] == 1);
  CHECK(host.change("iptables -t nat -F")["summary"]["removed"] == 1);
  CHECK(host.change("ipset create s hash:ip")["summary"]["set-added"] == 1);
  CHECK(host.change("ipset add s 192.0.2.9")["summary"]["members"] == 1);
  CHECK(host.change("ipset destroy s")["summary"]["set-removed"] == 1);
  // A table is gone with all that it held: said.
  CHECK(host.change("ip6tables -F; nft delete table ip6 filter")["summary"]["removed"] == 1);
  // What is no change of the ruleset is none: counters.
  const int before = host.snapshots();
  host.ok("iptables -Z; sleep 0.5");
  CHECK(host.snapshots() == before);
  host.is_recorded();
  // The work tree and the generation are kept: an unchanged firewall is known without reading it.
  CHECK(host.ok("git -C repo status --porcelain").empty());
  CHECK(host.ok("PATH=/nowhere:/usr/bin; rewall -q status >/dev/null; echo $?") == "0\n");
  CHECK_FALSE(has(host.ok("cat watch.err"), "cannot record"));
}

TEST_CASE("each of many changes is a state in the history, none is missed, none invented") {
  const WatchedHost host("rewall config watch.settle 5ms; iptables -N mine; rewall snapshot");
  const int changes = 120;
  const int before = host.snapshots();
  // The next change comes when the one before is in the history.
  host.ok("tip=repo/.git/$(sed 's/^ref: //' repo/.git/HEAD); for i in $(seq " + std::to_string(changes) +
          "); do h=$(cat $tip); iptables -A mine -p udp --dport $i -j ACCEPT; n=0; while test $h = $(cat "
          "$tip); do "
          "sleep 0.01; n=$((n + 1)); test $n -lt 3000 || exit 1; done; done");
  host.stop("TERM");
  CHECK(host.snapshots() == before + changes);
  std::string wanted;
  for (int i = changes; i > 0; --i)
    wanted += "+-A mine -p udp -m udp --dport " + std::to_string(i) + " -j ACCEPT\n";
  CHECK(host.ok("git -C repo log -p -n " + std::to_string(changes) +
                " --format= | grep '^[-+]' | grep -v '^+++\\|^---'") == wanted);
  host.is_recorded();
}

TEST_CASE("many changes at once are few snapshots, and the last state is among them") {
  const WatchedHost host("rewall config watch.settle 2s; rewall config watch.latest 5s");
  host.ok("for i in $(seq 300); do iptables -A INPUT -p udp --dport $i -j ACCEPT; done");
  host.until("rewall -q status");
  host.is_recorded();
  CHECK(host.snapshots() > 1);
  CHECK(host.snapshots() < 100);
  // More than anybody would read is counted.
  const auto commands = host.ok("git -C repo log --format=%B | grep -c '^Rewall-Command: iptables'");
  CHECK(std::stoi(commands) <= 300);
}

TEST_CASE("what rewall does itself is recorded once, by the person who did it") {
  const WatchedHost host;
  host.change("iptables -A INPUT -p tcp --dport 443 -j ACCEPT");
  const int before = host.snapshots();
  host.ok("rewall restore HEAD~1");
  CHECK(host.snapshots() == before + 1);
  host.ok("rewall undo; sleep 0.5");
  CHECK(host.snapshots() == before + 2);
  CHECK(host.newest()["trigger"] == "undo");
  const auto after = host.change("iptables -A INPUT -p tcp --dport 80 -j ACCEPT");
  CHECK(after["trigger"] == "watch");
  CHECK(after["subject"] == "filter/INPUT: +1 tcp dport 80 ACCEPT");
  CHECK(after["commands"].size() <= 1);
}

TEST_CASE("what other programs own is collected, and never mixed with what people do") {
  const WatchedHost host(
      "iptables -N f2b-sshd; iptables -A INPUT -p tcp -j f2b-sshd; iptables -A f2b-sshd -j RETURN; rewall "
      "snapshot; rewall config watch.foreign 10m");
  const int before = host.snapshots();
  host.ok(
      "iptables -I f2b-sshd -s 192.0.2.1 -j REJECT; sleep 0.3; iptables -I f2b-sshd -s 192.0.2.2 -j REJECT; "
      "sleep 0.3");
  CHECK(host.snapshots() == before);
  // What waits goes first.
  host.ok("iptables -A INPUT -p tcp --dport 80 -j ACCEPT");
  host.until_snapshots(before + 2);
  auto log = json::parse(host.ok("rewall log -n 2 --json"));
  CHECK(log[0]["subject"] == "filter/INPUT: +1 tcp dport 80 ACCEPT");
  CHECK(log[0]["foreign"].empty());
  CHECK(log[1]["subject"] == "filter/f2b-sshd: +2");
  CHECK(log[1]["foreign"] == json::array({"fail2ban"}));
  // Its time comes without anything else.
  host.stop("TERM");
  host.ok("rewall config watch.foreign 5s");
  host.begin();
  host.ok(
      "iptables -I f2b-sshd -s 192.0.2.3 -j REJECT; sleep 0.3; iptables -D f2b-sshd 1; "
      "iptables -I f2b-sshd -s 192.0.2.4 -j REJECT");
  host.until_snapshots(before + 3);
  CHECK(host.newest()["foreign"] == json::array({"fail2ban"}));
  // Told to end, it leaves nothing unrecorded.
  host.ok("iptables -I f2b-sshd -s 192.0.2.5 -j REJECT; sleep 0.3");
  host.stop("TERM");
  CHECK(host.snapshots() == before + 4);
  host.is_recorded();
}

TEST_CASE("a real fail2ban bans and unbans what it reads in a log, and its snapshots are marked") {
  const WatchedHost host("rewall config watch.foreign 500ms");
  const Fail2ban fail2ban(host);
  const int before = host.snapshots();
  host.ok(
      "for i in 1 2 3 4 5 6; do echo \"$(date '+%b %d %H:%M:%S') host sshd[99]: Failed password for invalid "
      "user "
      "x from 203.0.113.7 port 4000$i ssh2\" >>log; done");
  host.until("git -C repo show HEAD:rules.v4 | grep -q 203.0.113.7");
  auto banned = host.newest();
  CHECK(banned["foreign"] == json::array({"fail2ban"}));
  CHECK(banned["trigger"] == "watch");
  CHECK(has(host.ok("git -C repo log -n 1 --format=%B"), "\nRewall-Command: iptables"));
  fail2ban.run("set sshd unbanip 203.0.113.7");
  host.until("! git -C repo show HEAD:rules.v4 | grep -q 203.0.113.7");
  CHECK(host.newest()["foreign"] == json::array({"fail2ban"}));
  CHECK(host.snapshots() >= before + 2);
  // People look at what people did.
  CHECK_FALSE(has(host.ok("rewall log"), "203.0.113.7"));
  CHECK(has(host.ok("rewall log"), "fail2ban only"));
  CHECK(has(host.ok("rewall log --all"), "203.0.113.7"));
  host.is_recorded();
}

TEST_CASE("what happened while nobody watched is recorded when it begins") {
  const WatchedHost host;
  host.stop("KILL");
  CHECK(json::parse(host.sh("rewall -q --json status").out)["watch"] == false);
  host.ok("iptables -A INPUT -p tcp --dport 443 -j ACCEPT; ip6tables -P INPUT DROP");
  host.begin();
  host.until_snapshots(2);
  CHECK(host.newest()["author"].get<std::string>().starts_with("unknown <"));
  CHECK(host.newest()["commands"].empty());
  host.is_recorded();
  // Told to end, it ends with what it has heard in the history.
  host.ok("rewall config watch.settle 1h; rewall config watch.latest 1h");
  host.signal("HUP");
  host.until("grep -q 'read again' watch.err || sleep 0.3");
  host.ok("iptables -A INPUT -p tcp --dport 80 -j ACCEPT");
  host.stop("TERM");
  INFO(host.ok("cat watch.err"));
  CHECK(host.snapshots() == 3);
  host.is_recorded();
}

TEST_CASE("a second watch is refused, and one for cron records once") {
  const WatchedHost host;
  const auto said = host.ends(3, "rewall watch");
  CHECK(has(said, "another 'rewall watch' is running (process " + host.process() + ")"));
  host.stop("INT");
  CHECK(host.ok("rewall watch --once").empty());
  host.ok("iptables -A INPUT -p tcp --dport 443 -j ACCEPT");
  CHECK(has(host.ok("rewall watch --once"), " filter/INPUT: +1 tcp dport 443 ACCEPT\n"));
  CHECK(host.newest()["trigger"] == "watch");
  CHECK(host.newest()["actor"].is_null());
  CHECK(has(host.ends(5, "rewall -C nowhere watch"), "init'"));
}

TEST_CASE("more notifications than the socket holds are no loss") {
  const WatchedHost host;
  host.ok(
      "(echo '*filter'; for c in $(seq 400); do echo \":chain-$c - [0:0]\"; for i in $(seq 100); do echo "
      "\"-A chain-$c -s 10.0.0.$i/32 -p tcp -m tcp --dport $c -j ACCEPT\"; done; done; echo COMMIT) >many");
  host.signal("STOP");
  host.ok(
      "iptables-restore --noflush many; iptables -F; iptables-restore --noflush many; "
      "iptables -A INPUT -p tcp --dport 443 -j ACCEPT");
  host.signal("CONT");
  host.until("rewall -q status");
  host.is_recorded();
  CHECK(host.change("iptables -A chain-7 -j LOG")["subject"] == "filter/chain-7: +1 LOG");
}

TEST_CASE("a program that is gone, a full disk and a locked repository are waited for, and nothing is lost") {
  const WatchedHost host("true", "mkdir bin; ln -s /usr/bin/* /usr/sbin/* bin 2>/dev/null; PATH=$PWD/bin");
  const int before = host.snapshots();
  SECTION("a program that is gone") {
    host.ok("mv bin aside; iptables -A INPUT -p tcp --dport 443 -j ACCEPT");
    host.until("grep -q 'cannot record a change, trying again' watch.err");
    CHECK(host.snapshots() == before);
    host.ok("mv aside bin");
  }
  SECTION("a repository that another holds") {
    host.ok(
        "rewall config lock.wait 100ms; flock repo/.git/rewall/lock sh -c 'touch held; for i in $(seq 2400); "
        "do "
        "test -e go && break; sleep 0.05; done' >/dev/null 2>&1 </dev/null &");
    host.until("test -e held");
    host.ok("iptables -A INPUT -p tcp --dport 443 -j ACCEPT");
    host.until("grep -q 'cannot record a change, trying again' watch.err");
    CHECK(host.snapshots() == before);
    host.ok("touch go");
  }
  host.until("rewall -q status");
  CHECK(host.snapshots() == before + 1);
  CHECK(host.newest()["subject"] == "filter/INPUT: +1 tcp dport 443 ACCEPT");
  host.is_recorded();
}

TEST_CASE("a HEAD that is no ruleset is not taken for an empty one: changes wait until it is mended") {
  const WatchedHost host;
  host.ok(
      "cd repo; printf '*filter\nnonsense\n' >rules.v4; git -c user.name=x -c user.email=x@example.org "
      "commit "
      "-qam hand");
  host.ok("iptables -A INPUT -p tcp --dport 443 -j ACCEPT");
  host.until("grep -q 'cannot record a change, trying again: HEAD:rules.v4:2:' watch.err");
  CHECK(has(host.ok("cat watch.err"), "was not made by rewall"));
  CHECK(host.snapshots() == 2);
  host.ok("git -C repo reset -q --hard HEAD~1");
  host.until("rewall -q status");
  CHECK(host.snapshots() == 2);
  CHECK(host.newest()["subject"] == "filter/INPUT: +1 tcp dport 443 ACCEPT");
}

TEST_CASE("a disk that is full is waited for") {
  const Host host;
  // The mount lives in a mount namespace of its own and goes with it.
  const auto said = host.ok(
      "unshare -m bash -c 'mkdir small; mount -t tmpfs -o size=1m none small; r() { " REWALL_PROGRAM
      " -C small/repo \"$@\"; }; r init -q >/dev/null || r -q init; r config watch.settle "
      "20ms; " REWALL_PROGRAM
      " -C small/repo watch >out 2>err </dev/null & sleep 0.2; until r -q --json status | grep -q "
      "\"watch\\\":true\"; do "
      "sleep 0.05; done; sleep 0.5; dd if=/dev/zero of=small/fill bs=1k status=none 2>/dev/null; "
      "iptables -A INPUT -p tcp --dport 443 -j ACCEPT; "
      "for i in $(seq 1200); do grep -q \"trying again\" err && break; sleep 0.05; done; "
      "test $(git -C small/repo rev-list --count HEAD) = 1 || exit 11; rm small/fill; "
      "for i in $(seq 1200); do test $(git -C small/repo rev-list --count HEAD) = 2 && break; sleep 0.05; "
      "done; "
      "r -q status >/dev/null || exit 12; git -C small/repo fsck --strict 2>&1 || exit 13; kill %1; wait; "
      "cat err'");
  CHECK(has(said, "No space left on device"));
}

TEST_CASE("its manager hears of it, and so does node_exporter") {
  const WatchedHost host(
      "rewall config watch.metrics $PWD/rewall.prom; cat >manager.py <<'END'\n"
      "import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.bind('notify')\n"
      "while True:\n  text = s.recv(4096).decode()\n  open('told', 'a').write(text)\n"
      "  if 'STOPPING=1' in text: break\nEND\n"
      "python3 manager.py >/dev/null 2>&1 </dev/null & until test -S notify; do sleep 0.05; done",
      "NOTIFY_SOCKET=notify WATCHDOG_USEC=200000");
  host.until("grep -q READY=1 told && grep -q WATCHDOG=1 told");
  const auto made = host.change("iptables -A INPUT -p tcp --dport 443 -j ACCEPT");
  host.until("grep -q 'STATUS=.* filter/INPUT: +1 tcp dport 443 ACCEPT' told");
  host.until("grep -q '^rewall_watch_snapshots_total 1$' rewall.prom");
  CHECK(has(host.ok("cat rewall.prom"), "\n# TYPE rewall_watch_snapshots_total counter\n"));
  CHECK(has(host.ok("cat rewall.prom"), "\nrewall_watch_unrecorded_since_timestamp_seconds 0\n"));
  CHECK(has(host.ok("cat watch.out"),
            made["hash"].get<std::string>().substr(0, 10) + " filter/INPUT: +1 tcp dport 443 ACCEPT\n"));
  host.stop("TERM");
  host.until("grep -q STOPPING=1 told");
}
