// The guard's worst days: its process is killed, the machine is restarted, the disk is full, the repository
// is gone, the old ruleset cannot be had.
#include <memory>
#include <vector>

#include "support/guarded_host.h"

using namespace rewall;
using nlohmann::json;

namespace {

/// Kills the guard's process as nobody should.
void kill_guard(const GuardedHost& host) {
  const auto process = host.guard().process;
  host.ok("kill -9 " + process);
  host.until("test ! -s /proc/" + process + "/cmdline");
}

/// What a restart of the machine leaves: another boot, no rules, no sets, nothing below /run.
void restart(const GuardedHost& host) {
  const auto guard = host.guard();
  kill_guard(host);
  host.ok(
      "sed -i 's/^place [^ ]* /place 00000000-1111-2222-3333-444444444444 /' repo/.git/rewall/guard; "
      "rm -r /run/rewall/guard-" +
      guard.id +
      "; for p in iptables ip6tables; do for t in filter nat mangle; do $p -t $t -F; $p -t $t -X; done; "
      "for c in INPUT FORWARD OUTPUT; do $p -P $c ACCEPT; done; done; ipset destroy");
}

}  // namespace

TEST_CASE("when the guard's process was killed the next rewall finishes the job, and status says so") {
  const GuardedHost host;
  const auto before = host.live();
  const auto overdue = [&] {
    host.ok("rewall try --for 1m -- ./break");
    kill_guard(host);
    CHECK(host.live() != before);
    CHECK(host.armed());
  };
  overdue();
  const auto said = host.sh(host.later("-q --json status"));
  const auto guard = json::parse(said.out)["guard"];
  CHECK(said.status == 1);  // LIVE was what HEAD says, and the guard was overdue
  CHECK(guard["overdue"] == true);
  CHECK(guard["seconds_left"] == 0);
  CHECK(guard["restores"] == host.hash("old"));
  CHECK(host.live() == before);
  CHECK(host.status()["guard"].is_null());
  CHECK(host.newest()["trigger"] == "rollback");
  for (const auto& [command, status] : {std::pair<std::string, int>{"status", 1},
                                        {"log -n 1", 0},
                                        {"snapshot", 0},
                                        {"diff", 0},
                                        {"diff old LIVE", 0},
                                        {"confirm", 3},
                                        {"restore --boot", 0},
                                        {"try --for 1m -- true", 0}}) {
    INFO(command);
    overdue();
    const auto words = host.ends(status, host.later(command));
    INFO(words);
    CHECK(host.live() == before);
    if (command.starts_with("try"))
      host.ok(host.later("confirm"));
    else
      CHECK_FALSE(host.armed());
    if (command == "status") CHECK(has(words, "overdue, and its process is gone"));
  }
}

TEST_CASE("a machine that is restarted boots into the old ruleset") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall try --for 10m -- ./break");
  const auto guard = host.guard();
  SECTION("the old one") {
    restart(host);
    // Nobody but the boot, or a person, decides.
    CHECK(has(host.ends(1, "rewall status"), "before a restart of the machine"));
    CHECK(host.live() != before);
    CHECK(host.status()["guard"]["overdue"] == true);
    host.ok("rewall restore --boot");
    CHECK(host.live() == before);
    CHECK(host.newest()["trigger"] == "boot");
    CHECK(host.newest()["restores"] == host.hash("old"));
  }
  SECTION("rollback does as well") {
    restart(host);
    host.ok("rewall rollback");
    CHECK(host.live() == before);
  }
  SECTION("the old one cannot be read: the one before it") {
    host.ok("rewall tag good open");
    restart(host);
    host.ok(
        "o=$(git -C repo rev-parse old:rules.v4); o=repo/.git/objects/${o%${o#??}}/${o#??}; chmod u+w $o; "
        "echo >$o");
    const auto said = host.sh("rewall restore --boot");
    INFO(said.err);
    CHECK(said.status == 9);
    CHECK(has(said.err, "the older snapshot "));
    CHECK(has(said.err, "rules.v4"));
    CHECK_FALSE(has(host.live(), "-A "));
  }
  CHECK_FALSE(host.armed());
  host.ok("test ! -e /run/rewall/guard-" + guard.id);
  // Without a guard a boot is HEAD's.
  host.ok("rewall snapshot; iptables -F; iptables -P INPUT ACCEPT");
  const auto head = host.ok("cat repo/rules.v4");
  host.ok("rewall restore --boot");
  CHECK(host.ok("rewall diff HEAD LIVE").empty());
}

TEST_CASE("what others change before the guard fires is taken back too, and is in the history") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall restore --for 10m open");
  const auto guard = host.guard();
  host.ok(
      "iptables -A INPUT -s 192.0.2.50 -j DROP; iptables -t raw -P OUTPUT DROP; ip6tables -N mine; "
      "ipset create mine hash:net; ipset add mine 198.51.100.0/24; ipset create bad hash:net family inet6; "
      "iptables-legacy -A INPUT -s 192.0.2.51 -j DROP");
  const auto theirs = host.live();
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  host.nothing_left_of(guard);
  const auto kept =
      host.ok("git -C repo show HEAD~1:rules.v4 HEAD~1:ipset HEAD~1:rules.v6 HEAD~1:rules.v4.legacy");
  for (const char* words :
       {"192.0.2.50", "192.0.2.51", "add mine 198.51.100.0/24", ":mine -", "family inet6"}) {
    INFO(words);
    CHECK(has(kept, words));
  }
}

TEST_CASE("whoever goes on changing the firewall does not keep the guard from putting the old one back") {
  const GuardedHost host;
  host.ok("rewall try --for 10m -- ./break");
  host.ok(
      "(while test -e repo/.git/rewall/guard; do iptables -t mangle -A OUTPUT -j LOG; iptables -t mangle -D "
      "OUTPUT -j LOG; done) "
      ">/dev/null 2>&1 </dev/null &");
  host.until("iptables -t mangle -S OUTPUT | grep LOG");
  host.time_is_up();
  host.until_gone();
  // All but what is their own.
  const auto live = host.live();
  INFO(live << host.sh("git -C repo log -2").out);
  for (const char* words : {"-A INPUT -m set --match-set bad src -j DROP", "-o eth0 -j MASQUERADE",
                            "add bad 192.0.2.66", "-A FORWARD -s 2001:db8::/32 -j DROP"})
    CHECK(has(live, words));
  CHECK_FALSE(has(live, "-j MARK"));
}

TEST_CASE("a repository that is damaged or gone when time is up is no matter") {
  const std::string object = "; o=repo/.git/objects/${o%${o#??}}/${o#??}; chmod u+w $o; ";
  const std::vector<std::string> harms{
      "o=$(git -C repo rev-parse old:rules.v4)" + object + "rm $o",
      "o=$(git -C repo rev-parse HEAD)" + object + "echo x >$o",
      "rm -r repo/.git/objects repo/.git/refs repo/.git/HEAD",
      "chmod 777 repo",
      "echo >repo/.git/rewall/guard",
      "rm -r repo",
      "rm -r repo/.git/rewall",
      "rewall config lock.wait 300ms; flock repo/.git/rewall/lock sleep 30 >/dev/null 2>&1 </dev/null &"};
  std::vector<std::unique_ptr<GuardedHost>> hosts;
  std::vector<GuardedHost::Armed> guards;
  std::string before;
  for (const auto& harm : harms) {
    auto& host = *hosts.emplace_back(std::make_unique<GuardedHost>());
    before = host.live();
    host.ok("rewall try --for 10m -- ./break");
    guards.push_back(host.guard());
    CHECK(host.live() != before);
    // The process knows the deadline before the file may be gone.
    host.time_is_up(5000);
    host.until("grep -q 'it_value: ([0-9],' /proc/" + guards.back().process + "/fdinfo/*");
    host.ok(harm);
  }
  for (std::size_t i = 0; i < harms.size(); ++i) {
    INFO(harms[i]);
    hosts[i]->nothing_left_of(guards[i]);
    CHECK(hosts[i]->live() == before);
  }
}

TEST_CASE("what a guard put back without the history is recorded as its return as soon as it can be") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall try --for 10m -- ./break");
  const auto old = host.hash("old");
  const auto tried = host.hash("HEAD");
  std::string harm =
      "o=$(git -C repo rev-parse HEAD:rules.v4); mv repo/.git/objects/${o%${o#??}}/${o#??} lost";
  std::string mend =
      "o=$(git -C repo rev-parse HEAD:rules.v4); mv lost repo/.git/objects/${o%${o#??}}/${o#??}";
  std::string next = "snapshot";
  SECTION("a file of HEAD cannot be read") {
    next = GENERATE("snapshot", "undo --dry-run", "status", "diff HEAD~0 LIVE", "import before.v4");
  }
  SECTION("another process holds the lock for ever") {
    harm =
        "rewall config lock.wait 300ms; (exec flock -F repo/.git/rewall/lock sleep 600 >/dev/null 2>&1 "
        "</dev/null) & "
        "until ! flock -n repo/.git/rewall/lock true; do sleep 0.05; done";
    mend =
        "kill $(cat /proc/locks | awk -v i=\":$(stat -c %i repo/.git/rewall/lock)$\" '$6 ~ i { print $5 }')";
  }
  SECTION("a foreign chain came meanwhile, and stays") {
    host.ok(
        "iptables -N f2b-sshd; iptables -A f2b-sshd -s 198.51.100.7 -j REJECT; iptables -I INPUT -j "
        "f2b-sshd");
  }
  SECTION("it went back by itself") {
    harm +=
        "; rewall --no-pager -q diff old LIVE >/dev/null; iptables-restore <before.v4; ip6tables-restore "
        "<before.v6; ipset add bad 192.0.2.66; ipset add bad 192.0.2.67";
  }
  host.ok("git -C repo show old:rules.v4 >before.v4; git -C repo show old:rules.v6 >before.v6");
  host.ok("iptables -A OUTPUT -d 192.0.2.50 -j DROP");  // what nobody recorded
  host.ok(harm);
  host.time_is_up();
  host.until_gone();
  host.ok(mend);
  INFO(next);
  const auto said = host.sh("rewall " + next);
  INFO(said.out << said.err << host.sh("git -C repo log --format='%h %s%n%b'").out);
  CHECK(has(said.err, "is recorded now as snapshot "));
  if (next == "undo --dry-run") CHECK(has(said.err, "taking back " + old.substr(0, 10)));
  host.ok("rewall -q snapshot");
  const auto back = json::parse(host.ok("rewall log --json"))[next.starts_with("import") ? 2 : 0];
  CHECK(back["trigger"] == "rollback");
  CHECK(back["restores"] == old);
  CHECK(back["commands"] == json::array({"rewall try --for 10m -- ./break"}));
  // What was tried, and what stood when the guard fired, is in the history too.
  CHECK(host.ok("git -C repo merge-base --is-ancestor " + tried + " HEAD; echo $?") == "0\n");
  host.ok("rewall -q diff HEAD LIVE");
  host.ok("test -z \"$(ls -d /run/rewall/unrecorded-*/note 2>/dev/null | xargs -r grep -l $PWD)\"");
}

TEST_CASE("a disk that fills up between arming and firing is no matter") {
  const GuardedHost host;
  const auto before = host.live();
  // The mounts live in a mount namespace of its own and go with it and the guard's process.
  const auto said = host.ok(
      "unshare -m bash -c 'mkdir small; mount -t tmpfs -o size=1m none small; cp -a repo small; "
      "mount -t tmpfs none /run; "
      "r() { " REWALL_PROGRAM
      " -C small/repo \"$@\"; }; r try --for 10m -- ./break || exit 10; "
      "g=$(cut -d\" \" -f1 small/repo/.git/rewall/guard.lock); kill -STOP $g; ./leave 0 small/repo; "
      "dd if=/dev/zero of=small/fill bs=1k status=none 2>/dev/null; iptables -A INPUT -s 192.0.2.50 -j DROP; "
      "kill -CONT $g; for i in $(seq 1000); do test -e small/repo/.git/rewall/guard || break; sleep 0.1; "
      "done; "
      "iptables-save | grep -q \"match-set bad src\" || exit 11; test ! -e small/repo/.git/rewall/guard || "
      "exit 12; "
      "rm small/fill; r status || exit 13; git -C small/repo log -1 --format=%B | grep -q \"Trigger: "
      "rollback\" || exit 14; r snapshot && git -C small/repo fsck --strict && "
      "echo kept: && cat /run/rewall/unrecorded-*/rules.v4'");
  INFO(said);
  CHECK(host.live() == before);
  CHECK(has(said.substr(said.find("kept:")), "192.0.2.50"));
}

namespace {

/// In a mount namespace of its own: `r` is rewall; `read_only` and `writable` say what the disk of repo is.
std::string on_a_disk(const std::string& words) {
  return "unshare -m bash -c 'mount --make-rprivate /; r() { " REWALL_PROGRAM
         " -C repo \"$@\"; }; read_only() { mount --bind repo repo && mount -o remount,bind,ro repo; }; "
         "writable() { mount -o remount,bind,rw repo; }; stays() { iptables -C INPUT -s 192.0.2.50 -j DROP; "
         "}; " +
         words + "'";
}

}  // namespace

TEST_CASE("a guard that fires on a read-only disk fires once, and its ending is written when it can be") {
  const GuardedHost host;
  const auto said = host.ok(on_a_disk(
      "r try --for 10m -- ./break || exit 10; ./leave 3000; read_only || exit 11; "
      "until iptables-save | grep -q \"match-set bad src\"; do sleep 0.1; done; "
      "until ls /run/rewall/over-$(sed -n \"s/^id //p\" repo/.git/rewall/guard); do sleep 0.1; done; "
      "iptables -A INPUT -s 192.0.2.50 -j DROP; "
      "r status 2>&1; stays || exit 12; r rollback 2>&1 && exit 13; r confirm 2>&1 && exit 14; stays || exit "
      "15; "
      "r restore HEAD 2>&1 || exit 16; iptables -A INPUT -s 192.0.2.50 -j DROP; r status >/dev/null 2>&1; "
      "stays || "
      "exit 17; writable; r -q snapshot; stays || exit 18; test ! -e repo/.git/rewall/guard || exit 19; "
      "ls repo/.git/rewall/guards/*.fired || exit 20; "
      "! ls /run/rewall | grep over-$(cd repo/.git/rewall/guards; basename *.fired .fired)"));
  INFO(said);
  CHECK(has(said, "fired at "));
  CHECK_FALSE(has(said, "armed, and"));
  CHECK_FALSE(has(said, "is overdue"));
}

TEST_CASE("on a read-only disk a person can take the change back, and keep it") {
  const GuardedHost host;
  const auto before = host.live();
  const std::string answer = GENERATE("rollback", "confirm");
  INFO(answer);
  const auto said = host.ok(on_a_disk(
      "r try --for 10m -- ./break || exit 10; iptables-save >broken; read_only || exit 11; r " + answer +
      " 2>&1; echo \"answered $?\"; r status 2>&1; iptables-save >after; writable; r status >/dev/null 2>&1; "
      "ls repo/.git/rewall/guards"));
  INFO(said);
  CHECK_FALSE(has(said, "ARMED"));
  if (answer == "rollback") {
    CHECK(host.live() == before);
    CHECK(has(said, "answered 0"));
    CHECK(has(said, ".rolled-back"));
  } else {
    CHECK(host.sh("grep -v '^[#:]' broken | diff - <(grep -v '^[#:]' after)").status == 0);
    CHECK(has(said, "answered 5"));
    CHECK(has(said, "confirmed, the guard is gone; but nothing can be recorded"));
    CHECK(has(said, ".confirmed"));
  }
}

TEST_CASE("another repository in the place of a guard's own does not end the guard") {
  const std::string other = GENERATE(
      "rewall -q init", "git clone -q damaged repo && chmod 700 repo repo/.git", "rewall -q clone damaged");
  INFO(other);
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall try --for 10m -- ./break");
  const auto guard = host.guard();
  // The process knows the deadline before the file is gone.
  host.time_is_up(9000);
  host.until("grep -q 'it_value: ([0-9],' /proc/" + guard.process + "/fdinfo/*");
  host.sh("mv repo damaged; " + other);
  CHECK(has(host.sh("rewall status").out, "of a repository that stood here before, is armed"));
  const auto said = host.sh("rewall try --for 1m -- true");
  INFO(said.out << said.err);
  CHECK(said.status != 0);
  host.until("! test -e /proc/" + guard.process);
  CHECK(host.live() == before);
}

TEST_CASE("the old ruleset is refused: the tag good, then lockdown, and the words are loud") {
  const GuardedHost host;
  const auto before = host.live();
  // Nothing of it can be read when time is up: neither its objects nor its copy.
  const std::string destroy =
      "o=$(git -C repo rev-parse old:rules.v4); rm -f repo/.git/objects/${o%${o#??}}/${o#??}; "
      "rm -r /run/rewall/guard-$(sed -n 's/^id //p' repo/.git/rewall/guard); ./leave 0";
  const std::string watched =
      "python3 terminal.py 'exec " REWALL_PROGRAM " try --for 10m -- ./break' 'Reverting in ' ";
  SECTION("good") {
    host.ok("rewall tag good open");
    const auto shown = host.ends(3, watched + shell_quote("run:" + destroy));
    INFO(shown);
    CHECK(has(shown, "the tag good is in force; it could not be the old ruleset (snapshot "));
    host.ok("rewall diff good LIVE");
    CHECK(host.newest()["trigger"] == "rollback");
  }
  SECTION("lockdown") {
    const auto shown = host.ends(3, "export SSH_CONNECTION='192.0.2.7 50000 192.0.2.1 2022'; " + watched +
                                        shell_quote("run:" + destroy));
    INFO(shown);
    CHECK(has(shown, "the template lockdown is in force; it could not be the old ruleset (snapshot "));
    CHECK(has(shown, "; it could not be the tag good"));
    const auto rules = host.rules();
    CHECK(has(rules, ":INPUT DROP"));
    CHECK(has(rules, "-A INPUT -p tcp -m multiport --dports 22,2022 -j ACCEPT\n"));
    // It is told as long as it is in force, with what leads out of it.
    const auto status = host.status();
    CHECK(status["lockdown"]["before"] == host.hash("open"));
    CHECK(status["reasons"] == json::array({"history-damaged", "lockdown"}));
    const auto out = " restore " + host.hash("open").substr(0, 10);
    CHECK(has(
        host.ends(1, "rewall status"),
        "problem  the history is damaged (history-damaged); the template lockdown is in force (lockdown)\n"));
    CHECK(has(host.ends(1, "rewall status"), out + "' restores snapshot "));
    const auto undone = host.ends(3, "rewall undo");
    CHECK(has(undone, "nothing to undo: the template lockdown is in force"));
    CHECK(has(undone, out));
    // The same template, by the host's own programs.
    host.ok(
        "rewall template render lockdown --set ssh_ports=22,2022 >by-hand; rewall snapshot; rewall tag here");
    const auto live = host.live();
    host.ok("ipset destroy; iptables-restore <by-hand; ip6tables-restore <by-hand");
    CHECK(host.live() == live);
    host.ok("iptables -A INPUT -j LOG; rewall snapshot");
    CHECK(host.status()["lockdown"].is_null());
    CHECK_FALSE(has(host.ends(1, "rewall status"), "LOCKDOWN"));
  }
  CHECK_FALSE(host.armed());
  CHECK(host.live() != before);
}

TEST_CASE("rules that cannot be had without ipset are said, and lockdown is not") {
  const GuardedHost host;
  host.ok("unshare -m bash -c '" REWALL_PROGRAM
          " try --for 10m -- sh -c \"iptables -F\" && mount --bind /dev/null /usr/sbin/ipset; ./leave 0; "
          "for i in $(seq 1000); do test -e repo/.git/rewall/guard || break; sleep 0.1; done'");
  CHECK_FALSE(host.armed());
  CHECK(has(host.rules(), "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"));
  CHECK(has(host.rules(), "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"));
}

TEST_CASE("a script that leaves tables which neither iptables nor nft can say is taken back") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok(
      "install -m 755 /dev/stdin native <<'END'\n#!/bin/sh\nnft flush ruleset\n"
      "nft add table ip filter\nnft add chain ip filter INPUT '{ type filter hook input priority 0; policy "
      "drop; }'\n"
      "nft add rule ip filter INPUT tcp dport '{ 22, 80 }' accept\niptables -A INPUT -m recent --set\nEND\n");
  const auto said = host.sh("rewall try --for 10m -- ./native");
  INFO(said.out << said.err);
  CHECK(said.status == 8);
  CHECK(has(said.err, "the guard is armed"));
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
}

TEST_CASE("rewall that is killed in the middle of a guarded restore leaves the guard to take it back") {
  const GuardedHost host;
  const auto before = host.live();
  // The kernel has carried out the transaction, and its answer is not read any more: that is the message
  // behind the last that goes out with sendmsg(2), as an earlier restore of the same shows.
  const std::string restore =
      "-e signal=none -e trace=sendmsg,recvmsg " REWALL_PROGRAM " restore --for 10m open";
  host.ok("for i in 1 2; do strace -qq -o log " + restore + "; rewall rollback; done");
  const auto answer =
      host.ok("awk '/^sendmsg/ { at = n } /^recvmsg/ { n++ } END { printf \"%d\", at + 1 }' log");
  host.ends(137, "ASAN_OPTIONS=detect_leaks=0 strace -qq -o log -e inject=recvmsg:signal=KILL:when=" +
                     answer + " " + restore);
  CHECK(host.live() != before);
  REQUIRE(host.armed());
  const auto guard = host.guard();
  host.ok("test -e repo/.git/rewall/journal");
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  host.nothing_left_of(guard);
  host.ok("test ! -e repo/.git/rewall/journal; rewall status");
}

TEST_CASE("a guard of another network namespace is named, and left alone") {
  const GuardedHost host;
  host.ok("rewall restore --for 10m open");
  const auto changed = host.live();
  for (const std::string command : {"confirm", "rollback", "try --for 1m"}) {
    INFO(command);
    CHECK(has(host.ends(5, "unshare -n " REWALL_PROGRAM " " + command), "another network namespace"));
  }
  CHECK(host.armed());
  CHECK(host.live() == changed);
  host.time_is_up();
  host.until_gone();
  host.ok("rewall diff old LIVE");
}

TEST_CASE("without /run, and with a relative path, the guard works all the same") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("unshare -m bash -c 'mount -t tmpfs -o ro none /run; cd ..; " REWALL_PROGRAM
          " -C ${OLDPWD##*/}/repo try --for 10m -- ${OLDPWD##*/}/break'");
  const auto guard = host.guard();
  CHECK(host.live() != before);
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  host.nothing_left_of(guard);
}

TEST_CASE("a command that is not there arms nothing, and one that dies is taken back") {
  const GuardedHost host;
  const auto before = host.live();
  CHECK(has(host.ends(2, "rewall try --for 1m -- no-such-program"),
            "no-such-program: command not found; LIVE is untouched"));
  host.ends(2, "rewall try --for 1m -- ./repo/rules.v4");
  CHECK_FALSE(host.armed());
  const auto said = host.ends(1, "rewall try --for 10m -- sh -c './break; kill -9 $$'");
  CHECK(has(said, "failed (exit 137). What it changed: rewall -C " + host.repository() + " diff "));
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  // rewall within rewall: the outer guard is for both.
  const auto nested = host.ends(0, "rewall try --for 10m -- " REWALL_PROGRAM " restore open");
  CHECK(has(nested, "a guard is armed: it reverts this change too in "));
  CHECK(host.live() != before);
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
}

TEST_CASE("who confirms at the very moment when it fires gets one answer, and it is true") {
  const GuardedHost host;
  const auto before = host.live();
  for (int i = 0; i < 4; ++i) {
    host.ok("rewall restore --for 10m open");
    const auto open = host.live();
    const auto deadline = host.time_is_up(1000);
    host.until("test $(awk '{ printf \"%d\", $1 * 1000 }' /proc/uptime) -gt " +
               std::to_string(deadline - 200 + 100 * i));
    const int status = host.sh("rewall confirm").status;
    INFO(i << ": " << status);
    host.until_gone();
    CHECK((status == 0 || status == 3));
    CHECK(host.live() == (status == 0 ? open : before));
    host.ok("rewall restore old");
  }
}

TEST_CASE("rollback puts the old ruleset in force also where the history cannot be read") {
  const GuardedHost host;
  const auto old = host.live();
  host.ok("rewall try --for 1h --yes -- ./break");
  REQUIRE(host.live() != old);
  host.ok(empty_object("HEAD"));
  const auto said = host.ends(5, "rewall rollback");
  INFO(said);
  CHECK(host.live() == old);
  CHECK(has(said, "is in force, but not recorded"));
}

TEST_CASE("a set whose name no file can hold keeps no guard and no boot from their work") {
  const GuardedHost host;
  const auto before = host.rules();
  const bool legacy = GENERATE(false, true);
  if (legacy) host.ok("iptables-legacy -N beside; rewall snapshot");
  const auto said = host.ends(
      8,
      "rewall try --for 10m --yes -- sh -c \"./break; ipset create 'we ird' hash:ip; iptables-legacy -F\"");
  CHECK(has(said, "the guard is armed and takes the change back"));
  CHECK(host.rules() != before);
  CHECK(has(host.ends(8, "rewall status"), "the guard of root"));
  SECTION("fired") {
    host.time_is_up();
    host.until_gone();
  }
  SECTION("rolled back") {
    host.sh("rewall rollback");
  }
  SECTION("at boot") {
    host.sh("rewall rollback; iptables -F; iptables -P INPUT ACCEPT; rewall restore --boot");
  }
  CHECK(host.rules() == before);
  CHECK(has(host.ok("ipset list -n"), "we ird"));
}
