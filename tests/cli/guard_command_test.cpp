// The command of `rewall try` that is still running when its guard fires: whatever became of `rewall try`,
// the command does not change the firewall after the old ruleset is back.
#include <string>

#include "support/guarded_host.h"

using namespace rewall;

namespace {

/// A host with `./slow`, which writes its number to `pid` and changes the firewall as soon as there is a file
/// `go`; SIGHUP and SIGTERM do not end it.
class HostWithCommand : public GuardedHost {
 public:
  HostWithCommand() {
    ok("install -m 755 /dev/stdin slow <<'END'\n#!/bin/bash\ntrap '' HUP TERM\n./break\necho $$ >pid.new; mv "
       "pid.new pid\nwhile ! test -e go; do sleep 0.05; done\niptables -N late\nEND\n");
  }
  /// Runs `rewall try` beside, until its command is at work.
  void begin(const std::string& command) const {
    ok("setsid " REWALL_PROGRAM " try --for 10m -- " + command + " >said 2>&1 </dev/null & echo $! >try");
    until("test -s pid");
  }
  /// The same, and `rewall try` is killed then: its command runs on. Its guard.
  Armed begin_and_kill(const std::string& command) const {
    begin(command);
    auto armed = guard();
    kill_try();
    CHECK(runs());
    return armed;
  }
  /// The command ended without having changed anything behind the way back to `rules`.
  void nothing_came_behind(const std::string& rules, const Armed& guard) const {
    CHECK_FALSE(runs());
    ok("touch go");
    CHECK(live() == rules);
    nothing_left_of(guard);
    CHECK(noted(guard).empty());
  }
  void kill_try() const { ok("kill -KILL $(cat try)"); }
  void until_ended() const { until("! grep -qsa . /proc/$(cat pid)/cmdline"); }
  bool runs() const { return sh("grep -qsa . /proc/$(cat pid)/cmdline").status == 0; }
  std::string process() const { return std::string(trim(ok("cat pid"))); }
  /// The files that say which command runs.
  std::string noted(const Armed& guard) const {
    return ok("ls repo/.git/rewall/guards/" + guard.id + ".command /run/rewall/command-" + guard.id +
              " 2>/dev/null || :");
  }
};

}  // namespace

TEST_CASE("a command that outlives rewall is ended before the guard puts the old ruleset back") {
  const HostWithCommand host;

  const auto rules = host.live();
  const auto guard = host.begin_and_kill("./slow");
  CHECK(host.live() != rules);
  host.time_is_up();
  host.until_gone();
  host.nothing_came_behind(rules, guard);
  const auto said = host.ends(3, "rewall rollback");
  CHECK(
      has(said, "was put in force; its command was still running and was ended (process " + host.process()));
}

TEST_CASE("a command that outlives rewall is ended before rollback puts the old ruleset back") {
  const HostWithCommand host;

  const auto rules = host.live();
  const auto guard = host.begin_and_kill("./slow");
  const auto process = host.process();
  const auto said = host.sh("rewall rollback");
  CHECK(said.status == 0);
  CHECK(has(said.err, "its command was still running and was ended (process " + process));
  host.nothing_came_behind(rules, guard);
}

TEST_CASE("a command that rolls itself back goes on") {
  const HostWithCommand host;
  const auto rules = host.live();
  host.sh("rewall try --yes --for 10m -- bash -c 'iptables -N early; " REWALL_PROGRAM
          " rollback; touch after'");
  CHECK(host.live() == rules);
  CHECK(host.sh("test -e after").status == 0);
}

TEST_CASE(
    "a command is ended with its children, also where it has ended itself or has a session of its own") {
  for (const std::string command :
       {// The first process dies of what the others ignore.
        "bash -c './slow & wait'", "bash -c './slow & trap - TERM; sleep 0.3; kill -KILL $$'",
        "bash -c 'setsid ./slow; :'", "bash -c '(./slow; :) | cat'"}) {
    INFO(command);
    const HostWithCommand host;
    const auto before = host.live();
    host.begin(command);
    host.kill_try();
    if (has(command, "KILL $$")) host.until("! pgrep -f '[s]leep 0.3; kill'");
    host.time_is_up();
    host.until_gone();
    CHECK_FALSE(host.runs());
    CHECK(host.live() == before);
  }
}

TEST_CASE("rewall that waits for its command hears that the guard ended it") {
  const HostWithCommand host;
  const auto before = host.live();
  host.begin("./slow");
  const auto guard = host.guard();
  CHECK(has(host.noted(guard), "/run/rewall/command-"));
  host.time_is_up();
  host.until_gone();
  host.until("grep -q 'while the command ran, its guard fired' said", "cat said");
  CHECK(has(host.ok("cat said"), "its command was still running and was ended"));
  CHECK_FALSE(host.runs());
  CHECK(host.live() == before);
  CHECK(host.noted(guard).empty());
}

TEST_CASE("a command that somebody confirmed, and what it left running when it ended, go on") {
  const HostWithCommand host;
  host.begin("./slow");
  host.ok("rewall confirm");
  host.ok("sleep 0.3");
  CHECK(host.runs());
  host.ok("touch go");
  host.until_ended();
  CHECK(has(host.ok("iptables -S"), "-N late"));
  host.ok("rm go pid; iptables -X late; rewall snapshot");
  // The command has ended, and its child has not.
  const auto now = host.live();
  host.ok(
      "rewall try --yes --for 10m -- bash -c './slow >/dev/null 2>&1 & while ! test -e pid; do sleep 0.05; "
      "done'");
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == now);
  CHECK(host.runs());
  // Neither has a daemon anything to fear, which left the session of the command and has no parent there.
  host.ok("kill -KILL $(cat pid); rm pid");
  host.begin("bash -c '(setsid ./slow >/dev/null 2>&1 &); sleep 1000'");
  host.kill_try();
  host.time_is_up();
  host.until_gone();
  CHECK(host.runs());
  host.ok("kill -KILL $(cat pid)");
}

TEST_CASE("a process that has the number of the command by now is nobody's to end") {
  const HostWithCommand host;
  host.begin("./slow");
  host.kill_try();
  host.ok("kill -KILL $(cat pid)");
  host.ok(
      "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >other; sleep 0.1; for f in "
      "repo/.git/rewall/guards/*.command /run/rewall/command-" +
      host.guard().id +
      "; do sed -i \"s/^process .*/process $(cat "
      "other)/\" $f; done");
  const auto noted = host.ok("cat repo/.git/rewall/guards/*.command");
  CHECK(has(noted, "process "));
  CHECK(has(noted, "started "));
  host.time_is_up();
  host.until_gone();
  host.ok("kill -0 $(cat other)");
  CHECK_FALSE(has(host.ends(3, "rewall rollback"), "its command"));
}

TEST_CASE("the guard's job that a command itself comes to do is done, and the command is ended") {
  const HostWithCommand host;
  const auto before = host.live();
  host.ok(
      "install -m 755 /dev/stdin overdue <<'END'\n#!/bin/bash\n./break\nkill -KILL $(cut -d' ' -f1 "
      "repo/.git/rewall/guard.lock)\necho $$ >pid\nwhile ! test -e go; do sleep 0.05; done\n" REWALL_PROGRAM
      " status\niptables -N late\nEND\n");
  host.begin("./overdue");
  host.kill_try();
  host.time_is_up();
  host.ok("sleep 1.1; touch go");
  host.until_gone();
  host.until_ended();
  CHECK(host.live() == before);
}

TEST_CASE("a guard that is due does not wait long for whoever holds the history") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall config lock.wait 10m; rewall try --yes --for 10m -- ./break");
  host.ok(
      "setsid flock repo/.git/rewall/lock sleep 1000 >/dev/null 2>&1 </dev/null & echo $! >holder; sleep "
      "0.2");
  const auto due = host.time_is_up();
  host.until_gone();
  const auto took = std::stoll(host.ok("awk '{ printf \"%d\", $1 * 1000 }' /proc/uptime")) - due;
  INFO(took);
  CHECK(took < 12000);
  CHECK(host.live() == before);
  // What it did is recorded as soon as it can be.
  host.ok("pkill -KILL -s $(cat holder); rewall status || :");
  CHECK(host.newest()["trigger"] == "rollback");
  CHECK(host.newest()["restores"] == host.hash("old"));
}

TEST_CASE("a boot's restore that somebody runs while a guard is armed is no restart of the machine") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall try --yes --for 10m -- ./break");
  const auto guard = host.guard();
  const auto said = host.ends(0, "rewall restore --boot");
  CHECK_FALSE(has(said, "went down"));
  CHECK(has(said, "was armed: it is taken back now, and its guard has ended"));
  CHECK(host.live() == before);
  host.nothing_left_of(guard);
  const auto late = host.ends(3, "rewall confirm");
  CHECK_FALSE(has(late, "restart"));
  CHECK(has(late, "was rolled back by root"));
  CHECK(has(late, "(rewall restore --boot) at "));
  CHECK(host.status()["last_guard"]["how"] == "rolled-back");
}
