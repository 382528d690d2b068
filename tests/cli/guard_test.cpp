// The guard on hosts with real processes: whatever happens to those who change the firewall, what was there
// comes back unless somebody confirms.
#include <algorithm>
#include <memory>
#include <vector>

#include "support/corpus.h"
#include "support/guarded_host.h"

using namespace rewall;
using nlohmann::json;

namespace {

/// Docker's rules for one published port, as its own tests expect them in an IPv4 host.
constexpr const char* kDocker =
    "moby__daemon__libnetwork__drivers__bridge__internal__iptabler__testdata__TestIptabler__hairpin=false,"
    "internal=false,icc=false,masq=true,snat=false,gwm=nat,b~2";

}  // namespace

TEST_CASE("when nobody confirms, the old ruleset comes back byte for byte") {
  const GuardedHost host;
  const auto before = host.live();
  const auto old = host.hash("HEAD");
  // By the clock: nothing is looked at meanwhile that a slow machine would see too late.
  const auto said = host.sh("rewall --json restore --for 5s open");
  REQUIRE(said.status == 0);
  const auto answer = json::parse(said.out);
  CHECK(answer["changed"] == true);
  CHECK(answer["restored"] == host.hash("open"));
  CHECK(answer["guard"]["restores"] == old);
  CHECK(answer["guard"]["command"] == "rewall --json restore --for 5s open");
  CHECK(answer["guard"]["overdue"] == false);
  CHECK(has(said.err, "unless you run 'rewall -C " + host.repository() + " confirm'"));
  host.until_gone();
  CHECK(host.live() == before);
  const auto newest = host.newest();
  CHECK(newest["trigger"] == "rollback");
  CHECK(newest["restores"] == old);
  CHECK(newest["commands"] == json::array({"rewall --json restore --for 5s open"}));
  CHECK(host.hash("HEAD~1^{tree}") == host.hash("open^{tree}"));
  CHECK(host.hash("HEAD^{tree}") == host.hash("old^{tree}"));
  CHECK(host.status()["guard"].is_null());
  host.ok("git -C repo fsck --strict");
}

TEST_CASE("a slow program in post-restore.d is no guard that is armed") {
  const GuardedHost host;
  host.ok(
      "rewall config hooks.path $PWD/etc; mkdir -p etc/post-restore.d; printf '#!/bin/sh\\n"
      "echo >$(pwd)/begun; exec sleep 60\\n' >etc/post-restore.d/10-slow");
  host.ok(
      "sed -i \"s,.(pwd),$PWD,\" etc/post-restore.d/10-slow; rewall try --for 10m -- ./break; "
      "chmod 755 etc/post-restore.d/10-slow");
  const auto guard = host.guard();
  host.time_is_up();
  host.until("test -e begun");
  const auto said = host.sh("rewall status").out;
  INFO(said);
  CHECK_FALSE(has(said, "another repository"));
  CHECK(has(said, "guard    none is armed; "));
  host.ok("chmod 644 etc/post-restore.d/10-slow; rewall restore --for 10m open; rewall confirm");
  host.ok("kill -9 " + guard.process);
}

TEST_CASE("the guard's process has nothing of who started it, and a timer that no clock moves") {
  const GuardedHost host;
  host.ok("exec 9>other; rewall restore --for 59s open");
  const auto guard = host.guard();
  const std::string proc = "/proc/" + guard.process + "/";
  // The sixth word from the state on is the session, the fifth the terminal (proc(5)).
  CHECK(host.ok("sed 's/.*) //' " + proc + "stat | cut -d' ' -f4,5") == guard.process + " 0\n");
  CHECK(host.ok("readlink " + proc + "cwd") == "/\n");
  CHECK(host.ok("for d in " + proc + "fd/*; do readlink $d; done | sed 's/^socket.*/socket:/' | sort") ==
        "/dev/null\n/dev/null\n/dev/null\n" + host.repository() +
            "/.git/rewall/guard.lock\nanon_inode:[signalfd]\nanon_inode:[timerfd]\nsocket:\n");
  CHECK(host.ok("tr '\\0' '\\n' <" + proc + "environ | cut -d= -f1 | sort") == "HOME\nLC_ALL\nPATH\n");
  // Its one timer is of CLOCK_BOOTTIME (7) and ends when the state file says, which is of that clock too: so
  // a clock that is set moves nothing, and no suspended machine outsleeps it.
  CHECK(host.ok("cat " + proc + "fdinfo/* | grep clockid") == "clockid: 7\n");
  host.until("grep -q 'it_value: ([1-9]' " + proc + "fdinfo/*");
  const auto deadline = std::stod(host.ok("sed -n 's/^deadline //p' repo/.git/rewall/guard")) / 1000;
  const auto left = std::stod(host.ok("sed -n 's/^it_value: (\\([0-9]*\\), \\([0-9]*\\))/\\1 \\2/p' " + proc +
                                      "fdinfo/* | awk '{ printf \"%.3f\", $1 + $2 / 1e9 }'"));
  const auto up = std::stod(host.ok("cat /proc/uptime"));
  CHECK(left <= 59);
  // It was asked for the time that is left a little before the clock was read.
  CHECK(up + left >= deadline - 0.1);
  CHECK(up + left < deadline + 20);
  // What ends a session ends no guard.
  for (const char* number : {"HUP", "INT", "QUIT", "TERM", "TSTP", "PIPE"}) {
    INFO(number);
    host.ok("kill -" + std::string(number) + " " + guard.process);
    CHECK(host.ok("sed 's/.*) //' " + proc + "stat | cut -c1") != "Z\n");
  }
  const auto before = host.hash("old^{tree}");
  host.time_is_up();
  host.until_gone();
  host.nothing_left_of(guard);
  CHECK(host.hash("HEAD^{tree}") == before);
  CHECK(host.ok("rewall diff old LIVE").empty());
}

TEST_CASE("a boot clock that runs on while the machine sleeps ends the guard, the monotonic one does not") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall restore --for 10m open");
  const auto guard = host.guard();
  host.ok("kill -9 " + guard.process);
  host.until("test ! -s /proc/" + guard.process + "/cmdline");
  // The same process again, on a machine that has slept for an hour: CLOCK_BOOTTIME is an hour ahead.
  const std::string again = shell_quote(REWALL_PROGRAM) + " -C " + host.repository() + " guard " + guard.id;
  host.ok("timeout -s KILL 2 unshare -T --monotonic 3600 --fork --kill-child " + again + "; test $? = 137");
  CHECK(host.armed());
  CHECK(host.live() != before);
  host.ok("unshare -T --boottime 3600 --fork " + again);
  CHECK(host.live() == before);
  CHECK(host.newest()["trigger"] == "rollback");
  host.nothing_left_of(guard);
}

namespace {

struct Death {
  std::string what{};
  std::string action{};
  int status = 0;          ///< of what the terminal ran
  std::string then = "";   ///< words behind the command: with some, a shell stays and is what dies
  std::string later = "";  ///< what happens when the countdown stands on the terminal
};

const std::vector<Death> kDeaths{{"Ctrl-C", "type:\x03", 130},
                                 {"SIGHUP", "signal:HUP", 129},
                                 {"SIGTERM", "signal:TERM", 143},
                                 {"SIGKILL", "signal:KILL", 137},
                                 {"the terminal is closed", "close", 129},
                                 {"the shell is killed", "signal:KILL", 137, "; :"}};

/// Lets each death happen on a host of its own when `words` stand on the terminal, and waits for all guards.
void die(const std::vector<Death>& deaths, const std::string& command, const std::string& words) {
  std::vector<std::unique_ptr<GuardedHost>> hosts;
  std::vector<GuardedHost::Armed> guards;
  std::string before;
  for (const auto& death : deaths) {
    INFO(death.what);
    auto& host = *hosts.emplace_back(std::make_unique<GuardedHost>());
    before = host.live();
    const auto shown =
        host.ends(death.status, "python3 terminal.py " +
                                    shell_quote((death.then.empty() ? "exec " : "") +
                                                std::string(REWALL_PROGRAM " ") + command + death.then) +
                                    " " + shell_quote(words) + " " + shell_quote(death.action) +
                                    (death.later.empty() ? "" : " 'Reverting in ' " + death.later));
    INFO(shown);
    REQUIRE(host.armed());
    guards.push_back(host.guard());
    CHECK(host.live() != before);
  }
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    INFO(deaths[i].what);
    hosts[i]->time_is_up();
    hosts[i]->until_gone();
    CHECK(hosts[i]->live() == before);
    hosts[i]->nothing_left_of(guards[i]);
    CHECK(hosts[i]->newest()["trigger"] == "rollback");
  }
}

}  // namespace

TEST_CASE("whatever becomes of rewall while it counts down, the old ruleset comes back") {
  die(kDeaths, "restore --for 10m open", "Reverting in ");
}

TEST_CASE("whatever becomes of rewall while the command that is tried runs, the old ruleset comes back") {
  auto deaths = kDeaths;
  // The command dies of it, and rewall stays.
  deaths[0].status = 1;
  deaths[0].later = "answer:quit";
  die(deaths, "try --for 10m -- sh -c './break; echo bro\"\"ken; exec sleep 4'", "broken");
}

TEST_CASE("whatever a command does, on either backend and to foreign parts, is taken back whole") {
  const auto folder = corpus();
  const auto dump = folder / "dumps" / kDocker;
  const GuardedHost host(
      "sed 's/^-A \\(FORWARD\\|PREROUTING\\|OUTPUT\\|POSTROUTING\\) /-I \\1 /' " +
      shell_quote(dump.string()) +
      " | iptables-restore "
      "--noflush; iptables -N f2b-sshd; iptables -A f2b-sshd -s 203.0.113.1 -j REJECT; iptables -A f2b-sshd "
      "-j RETURN; iptables -I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd; ipset create f2b-web "
      "hash:ip timeout 86400; iptables -I INPUT -m set --match-set f2b-web src -j REJECT; "
      "iptables-legacy -A INPUT -s 192.0.2.99 -j DROP; ip6tables-legacy -t mangle -P FORWARD DROP; "
      "ip6tables -t raw -A PREROUTING -p tcp --dport 9 -j NOTRACK; ipset create nets hash:net family inet6; "
      "ipset add nets 2001:db8::/48; ip6tables -A INPUT -m set --match-set nets src -j LOG --log-prefix 'a "
      "b'");
  const auto before = host.live();
  REQUIRE(has(before, "-A DOCKER "));
  REQUIRE(has(before, "f2b-sshd -s 203.0.113.1/32"));
  REQUIRE(has(before, "192.0.2.99"));
  host.ok(
      "install -m 755 /dev/stdin worst <<'END'\n#!/bin/sh\n"
      "for p in iptables ip6tables iptables-legacy ip6tables-legacy; do\n"
      "for t in filter nat mangle raw security; do $p -t $t -F; $p -t $t -X; done\n"
      "for c in INPUT FORWARD OUTPUT; do $p -P $c DROP; done\n"
      "$p -t mangle -P PREROUTING DROP; $p -t security -A OUTPUT -j DROP; $p -N mine; done\n"
      "ipset destroy; ipset create bad list:set; ipset create other hash:net,port\nEND\n");
  const auto shown = host.sh("rewall try --for 10m -- ./worst 2>&1");
  INFO(shown.out);
  REQUIRE(shown.status == 0);
  const auto guard = host.guard();
  CHECK_FALSE(has(host.live(), "f2b"));
  CHECK(has(host.live(), "list:set"));
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  host.nothing_left_of(guard);
  CHECK(host.hash("HEAD^{tree}") == host.hash("old^{tree}"));
  CHECK(json::parse(host.ok("rewall log -n 2 --json"))[1]["trigger"] == "try");
}

TEST_CASE("what is banned while an ordinary restore is guarded stays banned when it is taken back") {
  const GuardedHost host(
      "iptables -N f2b-sshd; iptables -A f2b-sshd -j RETURN; iptables -I INPUT -p tcp -m "
      "multiport --dports 22 -j f2b-sshd; ipset create f2b-web hash:ip timeout 86400; "
      "iptables -I INPUT -m set --match-set f2b-web src -j REJECT");
  auto before = host.rules();
  host.ok("iptables -A INPUT -p tcp --dport 8080 -j ACCEPT; rewall snapshot; rewall restore --for 10m old");
  host.ok("iptables -I f2b-sshd -s 203.0.113.9 -j REJECT; ipset add f2b-web 203.0.113.8 timeout 5000");
  host.time_is_up();
  host.until_gone();
  const auto after = host.rules();
  CHECK(has(after, "--dport 8080"));
  CHECK(has(after, "-A f2b-sshd -s 203.0.113.9/32 -j REJECT"));
  CHECK(has(host.ok("ipset save f2b-web"), "add f2b-web 203.0.113.8 timeout "));
  CHECK(host.newest()["trigger"] == "rollback");
}

TEST_CASE("a guard that is confirmed while the command runs is not said to be armed") {
  const GuardedHost host;
  const auto said = host.ends(0, "rewall try --for 10m -- sh -c './break; " REWALL_PROGRAM
                                 " confirm; iptables -A OUTPUT -p tcp --dport 25 -j DROP'");
  INFO(said);
  CHECK_FALSE(host.armed());
  CHECK(has(said, "no guard is armed: while the command ran, its guard was confirmed by "));
  CHECK_FALSE(has(said, "GUARD ARMED"));
  CHECK(has(host.ok("iptables-save"), "--dport 25"));
  host.ok("rewall -q status");
}

TEST_CASE("every command that changes LIVE can be guarded") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok(
      "sed '/dport 22/d' repo/rules.v4 >less; install -m 755 /dev/stdin ed <<'END'\n#!/bin/sh\n"
      "sed -i 's/dport 22/dport 2222/' \"$1\"\nEND\n");
  for (const std::string command :
       {"restore --for 10m open", "undo --for 10m", "apply --for 10m less", "edit --yes --for 10m"}) {
    INFO(command);
    host.ends(1, "EDITOR=$PWD/ed rewall " + command + " --dry-run");
    CHECK_FALSE(host.armed());
    host.ok("EDITOR=$PWD/ed rewall " + command);
    const auto guard = host.guard();
    CHECK(host.live() != before);
    host.time_is_up();
    host.until_gone();
    CHECK(host.live() == before);
    host.nothing_left_of(guard);
    CHECK(host.newest()["trigger"] == "rollback");
    host.ok("git -C repo update-ref HEAD old");  // an undo is of the newest snapshot
  }
  CHECK(has(host.ends(0, "rewall restore --for 1m"), "nothing changed, so no guard is armed"));
  CHECK_FALSE(host.armed());
  CHECK(has(host.ends(2, "rewall restore --for 0s open"), "the time must be longer than zero"));
  CHECK(has(host.ends(2, "rewall try --for soon"), "--for"));
  CHECK(host.live() == before);
}

TEST_CASE("a guard with --backend says that it takes back nothing of the other backend") {
  const GuardedHost host;
  const auto said =
      host.sh("rewall --backend nft try --yes --for 10m -- iptables-legacy -A INPUT -s 192.0.2.50 -j DROP");
  INFO(said.out << said.err);
  CHECK(said.status == 0);
  CHECK(has(said.err, "takes back what changes in the nft backend, and nothing else"));
  host.time_is_up();
  host.until_gone();
  CHECK(has(host.ok("iptables-legacy -S INPUT"), "192.0.2.50"));
  CHECK(has(host.ends(3, "rewall rollback"), "the old ruleset (snapshot " + host.hash("old").substr(0, 10) +
                                                 ", of the nft backend alone) was put in force"));
  host.ok("iptables-legacy -F INPUT");
}

TEST_CASE("a second guard is refused with the name of the first, and nothing is run") {
  const GuardedHost host;
  host.ok("SUDO_USER=ann SSH_CONNECTION='192.0.2.7 50000 192.0.2.1 22' rewall restore --for 1m open");
  const auto changed = host.live();
  const auto guard = host.guard();
  host.ok("git -C repo show old:rules.v4 >more");
  for (const std::string command :
       {"try --for 1m -- touch ran", "try", "restore --for 1m old", "undo --for 1m", "apply --for 1m more"}) {
    INFO(command);
    const auto said = host.ends(3, "rewall " + command);
    INFO(said);
    CHECK(has(said, "a guard is armed already: the guard of "));
    CHECK(has(said, "192.0.2.7"));
    CHECK(has(said, "(rewall restore --for 1m open), "));
    CHECK(has(said, " left"));
    CHECK(has(said, "\nhint: "));
    CHECK(host.live() == changed);
    CHECK(host.guard().id == guard.id);
  }
  host.ok("test ! -e ran");
  // Two at once: one is armed, and only its command runs.
  host.ok("rewall rollback");
  host.nothing_left_of(guard);
  host.ok(
      "for i in 1 2 3; do (rewall try --for 1m -- sh -c \"echo $i >>ran\" >said$i 2>&1; echo $? >>ended) & "
      "done; wait");
  CHECK(host.ok("sort ended") == "0\n3\n3\n");
  CHECK(host.ok("wc -l <ran") == "1\n");
  host.ok("rewall confirm");
}

TEST_CASE("a change that is confirmed stays, is recorded, and with guard.tagGood is good") {
  const GuardedHost host;
  SECTION("restore") {
    host.ok("rewall restore --for 10m open");
  }
  SECTION("try with a command") {
    host.ok("rewall try --for 10m -- ./break");
  }
  SECTION("try alone, the change by hand") {
    host.ok("rewall config guard.tagGood true; rewall try --for 10m; ./break");
  }
  const auto guard = host.guard();
  const auto changed = host.live();
  const auto confirmed = host.sh("rewall --json confirm -m 'works well'");
  REQUIRE(confirmed.status == 0);
  // Nothing is left that could take it back when the time is up.
  host.nothing_left_of(guard);
  CHECK(json::parse(confirmed.out)["hash"].get<std::string>() == host.hash("HEAD"));
  CHECK(host.ok("rewall diff HEAD LIVE").empty());
  CHECK(host.live() == changed);
  CHECK(has(host.ends(3, "rewall confirm"), "no guard is armed"));
  CHECK(has(host.ends(3, "rewall rollback"), "no guard is armed: "));
  if (host.ok("rewall config guard.tagGood") == "true\n") {
    CHECK(host.hash("good") == host.hash("HEAD"));
    CHECK(host.newest()["subject"] == "works well");
  } else {
    host.ends(128, "git -C repo rev-parse --verify -q good || exit 128");
  }
}

TEST_CASE("without an ssh connection nothing proves that new connections work") {
  const GuardedHost host;
  host.ok("unset SSH_CONNECTION; rewall restore --for 1m open");
  for (const char* around : {"", "SSH_CONNECTION='192.0.2.7 50001 192.0.2.1 22' ", "setsid -w "}) {
    const auto said = host.ends(3, "unset SSH_CONNECTION; " + std::string(around) +
                                       REWALL_PROGRAM " -C repo confirm --new-session 2>&1");
    INFO(said);
    CHECK(has(said, "not known to be of an ssh connection that began after the guard was armed"));
    CHECK(host.armed());
  }
  host.ok("rewall confirm");
  // The command for the new login is that which leads here.
  const auto said =
      host.ok("export SSH_CONNECTION='192.0.2.7 50000 192.0.2.1 2222'; rewall -q try --for 1m 2>&1");
  CHECK(has(said,
            "from a new login, which proves that it works: ssh -o ControlPath=none -p 2222 root@192.0.2.1 "
            "'rewall -C " +
                host.repository() + " confirm --new-session'"));
  host.ok("rewall confirm");
}

TEST_CASE("try and confirm say what is in force and how to go back") {
  const GuardedHost host;
  const auto tried = host.ok("rewall try --for 10m -- ./break 2>&1");
  CHECK(has(tried, "in force, unless the guard reverts it: "));
  CHECK(has(tried, "rollback"));
  const auto kept = host.ok("rewall confirm 2>&1");
  CHECK(has(kept, "in force: "));
  CHECK(has(kept, "go back: rewall -C " + host.repository() + " undo"));
  CHECK(has(host.ok("rewall undo --for 10m; rewall confirm 2>&1"), " redo"));
  // Undo would take back what is older than the guard.
  CHECK_FALSE(has(host.ok("rewall try --for 10m -- true; rewall confirm 2>&1"), "go back"));
}

TEST_CASE("try says of a command that changed nothing that it did") {
  const GuardedHost host;
  const auto old = host.hash("HEAD").substr(0, 10);
  CHECK(has(host.ok("rewall try --for 10m -- true 2>&1"),
            "'true' changed nothing: the live rules match " + old + " as before it; the guard stays armed"));
  host.ok("rewall rollback");
  CHECK(has(host.ends(1, "rewall try --for 10m -- false"),
            "'false' failed (exit 1), and the live rules match " + old + " as before it"));
}

TEST_CASE("more time moves the deadline, and the process obeys") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall restore --for 8s open");
  const auto guard = host.guard();
  const auto deadline = [&] {
    return std::stoll(host.ok("sed -n 's/^deadline //p' repo/.git/rewall/guard"));
  };
  const auto first = deadline();
  const auto answer = json::parse(host.ok("rewall -q --json confirm --extend 1m"));
  CHECK(answer["changed"] == false);
  CHECK(deadline() == first + 60000);
  host.until("test $(awk '{ printf \"%d\", $1 * 1000 }' /proc/uptime) -gt " + std::to_string(first + 300));
  CHECK(host.armed());
  CHECK(host.live() != before);
  host.ok("rewall confirm --extend 1h");
  const auto left = host.status()["guard"]["seconds_left"].get<int>();
  CHECK(left > 3500);
  CHECK(left <= 3668);
  CHECK(host.guard().process == guard.process);
  host.ok("rewall rollback");
  CHECK(host.live() == before);
  host.nothing_left_of(guard);
  CHECK(host.newest()["trigger"] == "rollback");
}

TEST_CASE("without a proven way back nothing is armed, run or changed") {
  const GuardedHost host;
  const auto before = host.live();
  const auto refused = [&](const std::string& command, const std::string& words) {
    const auto said = host.ends(3, command);
    INFO(said);
    CHECK(has(said, words));
    CHECK(has(said, "LIVE is untouched"));
    CHECK(host.live() == before);
    CHECK_FALSE(host.armed());
    host.ok("test ! -e ran");
  };
  const std::string object =
      "o=$(git -C repo rev-parse old:rules.v4); o=repo/.git/objects/${o%${o#??}}/${o#??}; ";
  SECTION("the old ruleset has the content of a file that is damaged") {
    // Another object's bytes: well made, and wrong.
    host.ok("cp repo/rules.v4 kept; iptables -F; rewall snapshot; iptables-restore <kept; " + object +
            "n=$(git -C repo rev-parse old:rules.v6); chmod u+w $o; cat "
            "repo/.git/objects/${n%${n#??}}/${n#??} >$o");
    refused("rewall try --for 1s -- touch ran", "the way back is not sure");
  }
  SECTION("HEAD is not there") {
    host.ok(object + "rm $o");
    host.ends(5, "rewall try --for 1s -- touch ran");
    CHECK(host.live() == before);
    CHECK_FALSE(host.armed());
    host.ok("test ! -e ran");
  }
  SECTION("the kernel's programs do not take it") {
    host.ok(
        "mkdir bin; install -m 755 /dev/stdin bin/iptables-nft-restore <<'END'\n#!/bin/sh\necho no >&2; exit "
        "1\nEND\n");
    refused("PATH=$PWD/bin:$PATH; export PATH; rewall try --for 1s -- touch ran", "the way back is not sure");
  }
  SECTION("the guard's process does not start") {
    host.ok("cp " REWALL_PROGRAM
            " it; mkdir -p etc/pre-restore.d; install -m 755 /dev/stdin "
            "etc/pre-restore.d/x <<'END'\n#!/bin/sh\nrm it\nEND\nrewall config hooks.path $PWD/etc");
    refused("./it restore --for 1s open", "its process does not start");
  }
}

TEST_CASE("what a command does after its change was taken back is taken back too") {
  const GuardedHost host;
  const auto before = host.live();
  const auto said = host.ends(3, "rewall try --for 10m -- sh -c './break; " REWALL_PROGRAM
                                 " -q rollback; iptables-save >between; ./break'");
  CHECK(has(said, "; what the command did after that was taken back too"));
  CHECK(has(host.ok("cat between"), "--match-set bad src"));
  CHECK(host.live() == before);
  CHECK(has(host.ok("git -C repo show HEAD~1:rules.v4"), "--set-xmark"));
  // One that is confirmed while it runs is not.
  host.ok("rewall try --for 1m -- sh -c 'rewall() { " REWALL_PROGRAM
          " \"$@\"; }; ./break; rewall confirm; iptables -A "
          "OUTPUT -j LOG'");
  CHECK(has(host.rules(), "-A OUTPUT -j LOG"));
  CHECK_FALSE(host.armed());
}

TEST_CASE("a change that somebody confirmed stays, whatever became of other guards meanwhile") {
  const GuardedHost host;
  for (const std::string port : {"25", "26"})
    host.ok("printf '*filter\\n:INPUT ACCEPT\\n-A OUTPUT -p tcp --dport " + port +
            " -j DROP\\nCOMMIT\\n' >other" + port);
  const auto said = host.ends(
      0,
      "rewall try --for 10m -- sh -c './break; r=" REWALL_PROGRAM
      "; $r -q confirm; $r -q apply --family ipv4 --for 10m --yes other25; $r -q confirm; echo done' 2>&1");
  CHECK(has(said, "no guard is armed: while the command ran, its guard was confirmed by "));
  CHECK(has(host.rules(), "--dport 25"));
  // The first was taken back; what somebody else did after that is not the command's.
  const auto late =
      host.ends(3, "rewall try --for 10m -- sh -c './break; r=" REWALL_PROGRAM
                   "; $r -q rollback; $r -q apply --family ipv4 --yes other26; echo done' 2>&1");
  CHECK(has(late, "while the command ran, its guard was rolled back by "));
  CHECK(has(late, "what the command did after that is in force: others changed the firewall since"));
  CHECK(has(host.rules(), "--dport 26"));
}

TEST_CASE("whoever comes late is told what the guard did") {
  const GuardedHost host;
  const auto old = host.hash("HEAD");
  host.ok("rewall restore --for 10m open");
  const auto open = host.hash("HEAD");
  host.time_is_up();
  host.until_gone();
  for (const std::string command : {"confirm", "rollback"}) {
    const auto said = host.ends(3, "rewall " + command);
    INFO(said);
    CHECK(has(said, "no guard is armed: the guard of "));
    CHECK(has(said, "(rewall restore --for 10m open) fired at "));
    CHECK(has(said, "the old ruleset (snapshot " + old.substr(0, 10) + ") was put in force"));
    CHECK(has(said, "in force is now snapshot " + host.hash("HEAD").substr(0, 10)));
  }
  CHECK(has(host.ok("rewall status"), "(rewall restore --for 10m open) fired at "));
  const auto last = host.status()["last_guard"];
  CHECK(last["how"] == "fired");
  CHECK(last["by"].is_null());
  CHECK(last["tried"] == open);
  CHECK(last["restores"] == old);
  host.ok("rewall try --for 10m; rewall confirm");
  CHECK(host.status()["last_guard"]["how"] == "confirmed");
  CHECK(has(host.status()["last_guard"]["by"].get<std::string>(), "root"));
}

TEST_CASE("a guard whose file somebody removed has no ending, and try says so") {
  const GuardedHost host;
  const auto said = host.ends(1, "rewall try --for 10m -- sh -c './break; rm repo/.git/rewall/guard' 2>&1");
  CHECK(has(said, "nobody noted how the guard of the command ended"));
  CHECK(has(host.rules(), "--set-xmark"));
}

TEST_CASE("the guard's process has no limit, signal or priority of who started it") {
  const GuardedHost host;
  const auto before = host.live();
  const bool may_raise = host.sh("bash -c 'ulimit -f 100 && ulimit -f unlimited'").status == 0;
  const bool may_hurry = host.sh("nice -n 15 bash -c 'renice -n 0 $$'").status == 0;
  // The smallest limits with which rewall itself still works, and what else a starter may hand on.
  host.ok(
      "cat >hinder.py <<'END'\nimport os, resource, signal\n"
      "for n in range(1, 32):\n"
      "    if n not in (signal.SIGKILL, signal.SIGSTOP): signal.signal(n, signal.SIG_IGN)\n"
      "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGALRM, signal.SIGXFSZ})\n"
      "os.nice(15)\nos.umask(0o077)\n" +
      std::string(may_raise ? "resource.setrlimit(resource.RLIMIT_FSIZE, (102400, 102400))\n"
                              "resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))\n"
                              "resource.setrlimit(resource.RLIMIT_CPU, (60, 60))\n"
                            : "") +
      "os.execv('" REWALL_PROGRAM
      "', ['rewall', 'try', '--for', '10m', '--', './break'])\nEND\n"
      "python3 hinder.py");
  const auto guard = host.guard();
  const std::string proc = "/proc/" + guard.process + "/";
  const auto limit = [&](const std::string& name) {
    return std::string(trim(host.ok("sed -n 's/^" + name + "  *\\([^ ]*\\) .*/\\1/p' " + proc + "limits")));
  };
  if (may_raise) {
    CHECK(limit("Max file size") == "unlimited");
    CHECK(limit("Max cpu time") == "unlimited");
    CHECK(std::stoi(limit("Max open files")) >= 1024);
  }
  CHECK(host.ok("awk '/^Umask/ { print $2 }' " + proc + "status") == "0077\n");
  if (may_hurry) CHECK(host.ok("sed 's/.*) //' " + proc + "stat | cut -d' ' -f17") == "0\n");
  // Blocked is what wakes it, SIGUSR1; ignored are HUP, INT, QUIT, PIPE, TERM, TSTP, TTOU and XFSZ.
  CHECK(host.ok("awk '/^SigBlk/ { print $2 }' " + proc + "status") == "0000000000000200\n");
  const auto ignored = std::stoull(host.ok("awk '/^SigIgn/ { print $2 }' " + proc + "status"), nullptr, 16);
  CHECK((ignored & 0x7fffffffU) == 0x1285007);
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  host.nothing_left_of(guard);
}

TEST_CASE("a guard that cannot have what it needs is refused with the name of the limit") {
  const GuardedHost host;
  const auto before = host.live();
  // Without CAP_SYS_RESOURCE no limit can be raised.
  const std::string starter = "setpriv --bounding-set -sys_resource --inh-caps -sys_resource bash -c '";
  const std::string change = "exec " REWALL_PROGRAM " try --for 10m -- touch ran' 2>&1";
  const auto said = host.ends(3, starter + "ulimit -f 100; " + change);
  CHECK(has(said, "the limit of file sizes (ulimit -f, 102400 bytes) cannot be raised"));
  CHECK(has(said, "raise it for whoever starts rewall: ulimit"));
  host.ok("test ! -e ran");
  CHECK_FALSE(host.armed());
  CHECK(host.live() == before);
  host.ok("ulimit -f unlimited; " + starter + change + "; test -e ran; rewall confirm");
}

TEST_CASE("a guard whose process is stopped is overdue, and the next rewall does its work") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall restore --for 10m open");
  const auto guard = host.guard();
  host.ok("kill -STOP " + guard.process);
  CHECK(has(host.ok("rewall status; true"),
            "its process is stopped: after the deadline the next rewall reverts"));
  CHECK(host.armed());
  const auto deadline = host.time_is_up();
  host.until("test $(awk '{ printf \"%d\", $1 * 1000 }' /proc/uptime) -gt " + std::to_string(deadline));
  const auto said = host.ends(1, "rewall status 2>&1");
  CHECK(has(said, "overdue, and its process is stopped"));
  CHECK(has(said, "is overdue and its process was stopped: the old ruleset is put back now"));
  CHECK(host.live() == before);
  host.nothing_left_of(guard);
  CHECK(host.status()["last_guard"]["how"] == "fired");
}

TEST_CASE("a stopped process of a guard that somebody ended stands in the way of no other guard") {
  const GuardedHost host;
  for (const char* command : {"confirm", "rollback"}) {
    host.ok("rewall restore --for 10m open");
    const auto guard = host.guard();
    host.ok("kill -STOP " + guard.process);
    host.ok("rewall " + std::string(command));
    host.nothing_left_of(guard);
    host.ok("rewall restore --for 10m HEAD~1; rewall confirm");
  }
}

TEST_CASE("one guard is armed in a network namespace, whatever the repository and the mount namespace") {
  const GuardedHost host;
  host.ok("rewall -C two init; rewall restore --for 10m open");
  const auto guard = host.guard();
  const auto changed = host.live();
  const std::string first = "of the repository " + host.repository();
  for (const std::string around : {"", "unshare -m sh -c 'mount -t tmpfs tmpfs /run; exec \"$@\"' sh "}) {
    const auto said = host.ends(3, around + REWALL_PROGRAM " -C two try --for 10m -- touch ran 2>&1");
    INFO(said);
    CHECK(has(said, "a guard is armed already in this network namespace: the guard of "));
    CHECK(has(said, "(rewall restore --for 10m open), " + first));
    CHECK(has(said, "rewall -C " + host.repository() + " confirm"));
  }
  // A dead process is no ended guard.
  host.ok("kill -9 " + guard.process);
  host.until("! grep -qsa . /proc/" + guard.process + "/cmdline");
  CHECK(has(host.ends(3, "rewall -C two try --for 10m -- touch ran 2>&1"), first));
  host.ok("test ! -e ran");
  CHECK(host.live() == changed);
  host.ok("rewall rollback; rewall -C two snapshot; rewall -C two try --for 10m -- ./break");
  // Nobody but root and the user who arms counts.
  host.ok(
      "rewall -C two confirm; setpriv --reuid 65534 python3 -c 'import socket, time\n"
      "s = socket.socket(socket.AF_UNIX); s.bind(\"\\0rewall/guard/0\"); s.listen(); print(1, flush=True); "
      "time.sleep(60)' >up & liar=$!; while ! test -s up; do sleep 0.05; done; "
      "rewall try --for 10m; s=$?; rewall confirm; kill $liar; exit $s");
}

TEST_CASE("foreign chains that were flushed while a guard was armed come back with the jumps to them") {
  const GuardedHost host(
      "iptables -N f2b-sshd; iptables -A f2b-sshd -s 203.0.113.1 -j REJECT; iptables -A f2b-sshd -j RETURN; "
      "iptables -N f2b-web; iptables -A f2b-web -s 203.0.113.2 -j REJECT; iptables -A f2b-web -j RETURN; "
      "iptables -I INPUT -p tcp --dport 22 -j f2b-sshd; iptables -I INPUT -p tcp --dport 80 -j f2b-web");
  const auto before = host.rules();
  const auto reverted = [&](const std::string& damage) {
    INFO(damage);
    host.ok(
        "iptables -A OUTPUT -p tcp --dport 25 -j DROP; rewall snapshot; git -C repo tag -f more; "
        "iptables -D OUTPUT -p tcp --dport 25 -j DROP; rewall snapshot; rewall restore --for 10m more; " +
        damage);
    host.time_is_up();
    host.until_gone();
    return host.rules();
  };
  CHECK(reverted("iptables -F; iptables -X") == before);
  CHECK(reverted("iptables -F f2b-sshd") == before);
  CHECK(reverted("iptables -F INPUT") == before);
  // A chain that has rules is its owner's: what went of them stays away, and what came stays.
  const auto after =
      reverted("iptables -D f2b-sshd -s 203.0.113.1 -j REJECT; iptables -I f2b-web -s 203.0.113.3 -j DROP");
  CHECK_FALSE(has(after, "203.0.113.1"));
  CHECK(has(after, "-A f2b-web -s 203.0.113.3/32 -j DROP"));
  CHECK(has(after, "203.0.113.2"));
}

TEST_CASE("a guard file that cannot be read is said, and nothing is confirmed by it") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok(
      "rewall restore --for 10m open; cp repo/.git/rewall/guard kept; echo garbage >repo/.git/rewall/guard");
  const auto said = host.ends(1, "rewall status 2>&1");
  INFO(said);
  CHECK(has(said, "guard    cannot be read: "));
  CHECK(has(said, "is armed all the same, and its process reverts the change"));
  CHECK_FALSE(has(said, "of the repository"));
  host.ends(5, "rewall confirm");
  host.ends(5, "rewall try");
  CHECK(host.live() != before);
  // Its process knows what it has to do.
  host.ok("cp kept repo/.git/rewall/guard");
  const auto guard = host.guard();
  CHECK(has(host.ok("rewall rollback 2>&1"), "the guard is disarmed, and its old ruleset is in force"));
  CHECK(host.live() == before);
  host.nothing_left_of(guard);
  // One whose change is gone already is ended all the same, and said to be.
  CHECK(has(host.ok("rewall try --for 10m; rewall rollback 2>&1"), "the guard is disarmed"));
}
