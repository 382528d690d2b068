#include "support/host.h"

using namespace rewall;

namespace {

const std::string kExamples = REWALL_SOURCE_DIR "/hooks/";

void hook(const Host& host, const std::string& name, const std::string& script) {
  host.ok("install -D -m 755 /dev/stdin etc/" + name + " <<'END'\n#!/bin/sh\n" + script + "\nEND\n");
}

}  // namespace

TEST_CASE("a hook refuses a restore, and what it prints is shown escaped") {
  const Host host;
  host.ok("iptables -P INPUT DROP; rewall init; rewall config hooks.path $PWD/etc; iptables -P INPUT ACCEPT");
  hook(host, "pre-restore.d/10-ask", "cat; printf 'not \\033[31mnow\\n' >&2; exit 1");
  const auto refused = host.sh("rewall restore HEAD");
  CHECK(refused.status == 3);
  CHECK(refused.out.empty());
  CHECK(has(refused.err, "rewall: pre-restore.d/10-ask: ip filter INPUT  policy ACCEPT -> DROP\n"));
  CHECK(
      has(refused.err,
          "rewall: error: pre-restore.d/10-ask: exit status 1: not \\x1b[31mnow; LIVE is untouched\nhint: "));
  CHECK(has(host.rules(), ":INPUT ACCEPT"));
  CHECK(host.ok("git -C repo rev-list --count HEAD") == "1\n");
  host.ok("chmod -x etc/pre-restore.d/10-ask; rewall restore HEAD");
  CHECK(has(host.rules(), ":INPUT DROP"));
}

TEST_CASE("hooks after the event may run rewall, and change no exit status") {
  const Host host;
  host.ok("rewall init; rewall config hooks.path $PWD/etc");
  hook(host, "post-snapshot.d/10-mark", std::string(REWALL_PROGRAM) + " tag \"last-$REWALL_TRIGGER\"");
  hook(host, "post-restore.d/10-fail", "exit 9");
  host.ok("iptables -A INPUT -j LOG; rewall snapshot");
  CHECK(host.ok("git -C repo rev-parse last-manual") == host.ok("git -C repo rev-parse HEAD"));
  const auto undone = host.sh("rewall undo");
  CHECK(undone.status == 0);
  CHECK(has(undone.err, "rewall: post-restore.d/10-fail: exit status 9\n"));
  CHECK(host.ok("git -C repo rev-parse last-undo") == host.ok("git -C repo rev-parse HEAD"));
  host.ok("printf '*filter\\n:INPUT DROP\\nCOMMIT\\n' >old; rewall import old");
  CHECK(host.ok("git -C repo rev-parse last-import") == host.ok("git -C repo rev-parse HEAD"));
}

TEST_CASE("the examples do what they say") {
  const Host host;
  host.ok("mkdir bin; printf '#!/bin/sh\\necho \"$@\"; cat\\n' >bin/logger; chmod 755 bin/logger");
  CHECK(host.ok("echo '  + 1  -j LOG' | PATH=$PWD/bin:$PATH REWALL_HASH=1a2b3c4d5e6f "
                "REWALL_SUBJECT='filter/INPUT: +1' "
                "REWALL_TRIGGER=manual REWALL_ACTOR=alice " +
                kExamples + "post-snapshot.d/notify-syslog") ==
        "-t rewall -p authpriv.notice\n1a2b3c4d5e filter/INPUT: +1 (manual, by alice)\n  + 1  -j LOG\n");

  const auto freeze = "sed \"s,/etc/rewall,$PWD,\" " + kExamples + "pre-restore.d/change-freeze | sh";
  host.ok(freeze);
  host.ok("echo 'until monday' >freeze");
  CHECK(has(host.ends(1, freeze), "/freeze exists: until monday\n"));
}

TEST_CASE("a set that packets fill while a restore of rules is planned keeps what it got") {
  const Host host;
  host.ok("iptables -P INPUT DROP; ipset create seen hash:ip timeout 600; rewall init");
  host.ok("rewall config hooks.path $PWD/etc; iptables -P INPUT ACCEPT");
  // Where packets would: between the reading of LIVE and the load, at every attempt another one.
  hook(host, "pre-restore.d/10-packet",
       "echo x >>" + shell_quote((host.folder() / "calls").string()) + "; ipset add seen 192.0.2.$(wc -l <" +
           shell_quote((host.folder() / "calls").string()) + ")");
  host.ok("rewall restore HEAD");
  CHECK(host.ok("wc -l <calls") == "1\n");
  CHECK(has(host.rules(), ":INPUT DROP"));
  CHECK(has(host.ok("ipset save seen"), "add seen 192.0.2.1 timeout "));
  // It comes and goes with the traffic.
  CHECK_FALSE(has(host.ok("cat repo/ipset"), "add seen"));
  CHECK(has(host.ok("rewall status"), "matches HEAD"));
}

TEST_CASE("what a hook leaves in the background is not waited for, and its output is bounded") {
  const Host host;
  host.ok(
      "iptables -P INPUT DROP; rewall init; rewall config hooks.path $PWD/etc; rewall config hooks.deadline "
      "5m; "
      "iptables -P INPUT ACCEPT; rewall snapshot");
  // It holds the output open for longer than the test may take.
  hook(host, "pre-restore.d/10-daemon", "sleep 3600 & echo $! >daemon");
  hook(host, "pre-restore.d/20-talks", "seq 500; yes | head -c 30000000");
  const auto said = host.sh("timeout 120 " REWALL_PROGRAM " restore HEAD~1");
  host.ok("kill $(cat daemon)");
  CHECK(said.status == 0);
  CHECK(has(host.rules(), ":INPUT DROP"));
  CHECK(has(said.err, "pre-restore.d/20-talks: 100\n"));
  CHECK_FALSE(has(said.err, "pre-restore.d/20-talks: 101\n"));
  CHECK(has(said.err, "pre-restore.d/20-talks: and more, which is not shown\n"));
}

TEST_CASE("all hooks of an event have one deadline together, and the message names the one that went on") {
  const Host host;
  host.ok(
      "iptables -P INPUT DROP; rewall init; rewall config hooks.path $PWD/etc; rewall config hooks.deadline "
      "1s; "
      "iptables -P INPUT ACCEPT; rewall snapshot");
  for (int i = 10; i < 16; ++i) hook(host, "pre-restore.d/" + std::to_string(i) + "-slow", "sleep 0.4");
  hook(host, "pre-restore.d/90-last", "touch came");
  const auto said = host.ends(3, "rewall restore HEAD~1");
  CHECK(has(said, "-slow: gave no answer within 1 s; LIVE is untouched"));
  CHECK(has(said, "pre-restore.d/1"));
  host.ok("test ! -e came");
  CHECK(has(host.rules(), ":INPUT ACCEPT"));
}
