#include <catch2/catch.hpp>
#include <string>

#include "support/host.h"
#include "support/skip.h"

using namespace rewall;

namespace {

/// A person's rule, three changes of fail2ban's parts, another rule of the person, one more of fail2ban's.
void make_history(const Host& host) {
  host.ok("rewall init; iptables -A INPUT -p tcp --dport 80 -j ACCEPT; rewall snapshot");
  host.ok(
      "iptables -N f2b-sshd; iptables -I INPUT -p tcp --dport 22 -j f2b-sshd; rewall snapshot;"
      "for n in 1 2; do iptables -A f2b-sshd -s 203.0.113.$n -j REJECT; rewall snapshot; done");
  host.ok("iptables -A INPUT -p tcp --dport 443 -j ACCEPT; rewall snapshot");
  host.ok("iptables -D f2b-sshd 1; rewall snapshot");
}

}  // namespace

TEST_CASE("log folds what changed foreign parts alone, and nothing is thrown away") {
  const Host host;
  make_history(host);
  CHECK(has(host.ok("git -C repo log -n 1"), "Rewall-Foreign: fail2ban"));
  CHECK(host.ok("git -C repo log | grep -c Rewall-Foreign") == "4\n");

  CHECK(host.ok("rewall log --oneline | sed -E 's/^[0-9a-f]{10} //; s/oldest .*/oldest then)/'") ==
        "filter/f2b-sshd: -1 from 203.0.113.1/32 REJECT reject-with icmp-port-...\n"
        "filter/INPUT: +1 tcp dport 443 ACCEPT\n"
        "3 snapshots by fail2ban only (oldest then)\n"
        "filter/INPUT: +1 tcp dport 80 ACCEPT\n"
        "first snapshot: 0 rules in 0 tables\n");
  CHECK(host.ok("rewall log | grep -cE '^ {12}[a-z0-9 ]{14}  3 snapshots by fail2ban only \\(oldest [a-z0-9 "
                "]+\\)$'") == "1\n");
  CHECK(host.ok("rewall log --all | wc -l") == "7\n");
  // A folded run is one line of those that are wanted.
  CHECK(host.ok("rewall log -n 3 | wc -l; rewall log -n 3 | tail -n 1 | grep -c 'fail2ban only'") ==
        "3\n1\n");
  CHECK(host.ok("rewall log -n 4 --oneline | tail -n 1 | cut -d' ' -f2-") ==
        "filter/INPUT: +1 tcp dport 80 ACCEPT\n");
  CHECK(host.ok("rewall log -n 3 --all | wc -l; rewall log -n 0") == "3\n");
  // The last thing that is told of may be a folded run.
  const std::string ageless = " | sed -E 's/just now|[0-9]+ seconds? ago/then/'";
  CHECK(host.ok("rewall log --oneline HEAD~2" + ageless) ==
        host.ok("rewall log --oneline | tail -n 3" + ageless));
  CHECK(has(host.ok("rewall log --oneline HEAD~2 --chain f2b-sshd"), "by fail2ban only (oldest "));

  CHECK(host.ok("rewall log --json | python3 -c 'import json,sys;"
                "print([len(s[\"foreign\"]) for s in json.load(sys.stdin)])'") == "[1, 0, 1, 1, 1, 0, 0]\n");
  CHECK(host.ok("rewall log --json -n 3 | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))'") ==
        "3\n");
}

TEST_CASE("show and diff tell of foreign parts in a line for each owner") {
  const Host host;
  make_history(host);
  host.ok("ipset create f2b-web hash:ip; ipset add f2b-web 203.0.113.9; ipset add f2b-web 203.0.113.8");
  const std::string folded =
      "ip filter INPUT\n  + 3     -p tcp --dport 443 -j ACCEPT\n\nfail2ban  +4 ~1 in 3 places\n";
  CHECK(host.ends(1, "rewall diff HEAD~5 LIVE") == folded);
  CHECK(host.ends(1, "rewall diff HEAD~5 HEAD~1") ==
        "ip filter INPUT\n  + 3     -p tcp --dport 443 -j ACCEPT\n\nfail2ban  +3 ~1 in 2 places\n");
  const auto unfolded = host.ends(1, "rewall diff --foreign HEAD~5 LIVE");
  CHECK(has(unfolded, "ip filter f2b-sshd  chain added\n  + 1     -s 203.0.113.2/32 -j REJECT"));
  CHECK(has(unfolded, "set f2b-web  set added"));
  CHECK_FALSE(has(unfolded, "fail2ban"));
  CHECK(host.ends(1, "rewall diff --stat HEAD~5 LIVE") ==
        " ip filter INPUT | +1\n fail2ban        | +4 ~1\n 5 changes in 4 places: +5 ~1\n");
  // Exact text is no place to leave something out.
  CHECK(has(host.ends(1, "rewall diff --commands HEAD~5 HEAD"), "iptables -A f2b-sshd"));
  CHECK(has(host.ends(1, "rewall diff --text HEAD~5 HEAD"), "+-A f2b-sshd"));

  CHECK(has(host.ok("rewall show"), "foreign  fail2ban\n"));
  CHECK(has(host.ok("rewall show"), "\nfail2ban  -1 in 1 place\n"));
  CHECK(has(host.ok("rewall show --foreign"), "  - 1     -s 203.0.113.1/32 -j REJECT"));
  CHECK(has(host.ok("rewall show LIVE"), "\nfail2ban  +2 in 1 place\n"));

  const std::string owners =
      " | python3 -c 'import json,sys; print([c[\"foreign\"] for c in json.load(sys.stdin)[\"changes\"]])'";
  CHECK(host.ok("rewall diff --json HEAD~5 HEAD" + owners) == "['fail2ban', None, 'fail2ban', 'fail2ban']\n");
  CHECK(host.ok("rewall diff --json --foreign HEAD~5 HEAD" + owners) ==
        "['fail2ban', None, 'fail2ban', 'fail2ban']\n");
  CHECK(host.ok("rewall show --json HEAD~1" + owners) == "[None]\n");
  CHECK(host.ok("rewall show --json" + owners) == "['fail2ban']\n");
}

TEST_CASE("a bridge that docker's chains name elsewhere makes docker's rules docker's in a diff") {
  const Host host;
  host.ok("iptables -N DOCKER; iptables -A DOCKER -d 172.18.0.2 ! -i br-lan -o br-lan -j ACCEPT");
  host.ok("rewall init; iptables -A FORWARD -i br-lan ! -o br-lan -j ACCEPT; rewall snapshot");
  CHECK(host.ends(1, "rewall diff HEAD~1 HEAD") == "docker  +1 in 1 place\n");
  CHECK(has(host.ok("rewall show"), "foreign  docker\n"));
}

TEST_CASE("files are compared by the owners that are known without a repository") {
  const Host host;
  host.ok(
      "printf '*filter\\n:INPUT ACCEPT\\n:f2b-a - [0:0]\\nCOMMIT\\n' >a.v4; printf '*filter\\n:INPUT "
      "DROP\\nCOMMIT\\n' >b.v4");
  CHECK(host.ends(1, "rewall diff file:a.v4 file:b.v4") ==
        "ip filter INPUT  policy ACCEPT -> DROP\n\nfail2ban  ~1 in 1 place\n");
}

namespace {

/// What stands behind `words`, to the end of their line.
std::string line_after(const std::string& text, const std::string& words) {
  const auto begin = text.find(words) + words.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

TEST_CASE("a log goes on behind what cannot be read, and names a way out that works") {
  const Host host;
  host.ok(
      "rewall init; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot -m second; rewall tag "
      "good; "
      "iptables -A INPUT -p tcp --dport 80 -j ACCEPT; rewall snapshot -m third; "
      "iptables -A INPUT -p tcp --dport 443 -j ACCEPT; rewall snapshot -m fourth");
  const auto hash = [&](const std::string& name) {
    return std::string(trim(host.ok("git -C repo rev-parse " + name)));
  };
  const auto live = host.rules();
  const auto third = hash("HEAD~1");
  SECTION("the newest") {
    const auto fourth = hash("HEAD");
    host.ok(empty_object(fourth));
    const auto outcome = host.sh("rewall log --oneline");
    CHECK(outcome.status == 5);
    CHECK(has(outcome.out, third.substr(0, 10) + " third\n"));
    CHECK(split_lines(outcome.out).size() == 3);
    CHECK(has(outcome.err, "the newest snapshot cannot be read: "));
    CHECK(has(outcome.err, fourth));
    CHECK_FALSE(has(outcome.err, "rewall log"));

    const auto restored = host.sh("rewall restore good");
    CHECK(restored.status == 0);
    CHECK(has(restored.err, "NOT RECORDED: snapshot " + fourth));
    CHECK(has(restored.err, "rewall: in force: snapshot " + hash("good").substr(0, 10) + ", not recorded"));
    CHECK(host.ok("iptables -S INPUT | grep -c dport") == "1\n");
    CHECK(has(host.ends(3, "rewall restore --for 1m " + third.substr(0, 10)), "no guard can be armed"));
    CHECK(has(host.ends(3,
                        "iptables-save | sed 's/^COMMIT/-A INPUT -p tcp --dport 9 -j ACCEPT\\nCOMMIT/' >web; "
                        "rewall apply --expire 1h web"),
              "nothing can expire"));
    CHECK(has(host.ends(0, "rewall restore good"), "nothing to do"));
    host.ok(line_after(restored.err, "; go back: "));
    CHECK(host.rules() == live);

    host.ok("git -C " + line_after(outcome.err, "git -C "));
    // What could not be recorded before is recorded first.
    CHECK(has(host.ok("rewall snapshot 2>&1"), "what was put in force at "));
    CHECK(host.ok("rewall diff").empty());
    CHECK(has(host.ok("git -C repo rev-list HEAD~1"), third));
    CHECK(has(host.ok("git -C repo log -1 --format=%B"), "Rewall-Trigger: restore"));
  }
  SECTION("one between") {
    host.ok(empty_object(third));
    const auto outcome = host.sh("rewall log --oneline");
    CHECK(outcome.status == 5);
    CHECK(split_lines(outcome.out).size() == 3);
    CHECK(has(outcome.out, " fourth\n"));
    CHECK(has(outcome.out, " second\n"));
    CHECK(has(outcome.err, third));
    CHECK(has(host.sh("rewall verify").out, third));
    host.ok("rewall restore good");
    host.ok("rewall log -n 1");
  }
}

TEST_CASE("a restore goes on where git cannot move the branch, and keeps LIVE in files") {
  const Host host;
  host.ok("rewall init; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot");
  const auto head = host.ok("git -C repo rev-parse HEAD");
  host.ok(
      "iptables -A INPUT -p tcp --dport 80 -j ACCEPT; touch repo/.git/$(git -C repo symbolic-ref HEAD).lock");
  const auto live = host.rules();
  const auto restored = host.sh("rewall restore HEAD~1 --json");
  CHECK(restored.status == 0);
  CHECK(has(restored.out, R"("hash":null,"subject":null,"changed":true)"));
  CHECK(host.ok("iptables -S INPUT") == "-P INPUT ACCEPT\n");
  CHECK(host.ok("git -C repo rev-parse HEAD") == head);
  host.ok(line_after(restored.err, "; go back: "));
  CHECK(host.rules() == live);
  host.ok("rm repo/.git/$(git -C repo symbolic-ref HEAD).lock; rewall snapshot");
  CHECK(host.ok("rewall diff").empty());
}

TEST_CASE("a restore needs no room on the disk of the repository, nor the right to write there") {
  const Host host;
  host.ok(
      "mkdir disk; install -m 755 /dev/stdin go <<'END'\n#!/bin/bash\n"
      "rewall() { " REWALL_PROGRAM
      " -C disk/repo \"$@\"; }\n"
      "mount -t tmpfs -o size=4m disk disk || exit 77\n"
      "rewall init -q; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot -q\n"
      "iptables -A INPUT -p tcp --dport 80 -j ACCEPT\n"
      "case $1 in full) dd if=/dev/zero of=disk/fill bs=4k status=none 2>/dev/null;;\n"
      "*) mount -o remount,ro disk;; esac\nrewall restore HEAD~1\nEND\n");
  for (const char* state : {"full", "read-only"}) {
    INFO(state);
    host.ok("iptables -F");
    const auto outcome = host.sh("unshare -m ./go " + std::string(state));
    if (outcome.status == 77) return skip("no file system can be mounted");
    INFO(outcome.out << outcome.err);
    CHECK(outcome.status == 0);
    CHECK(host.ok("iptables -S INPUT") == "-P INPUT ACCEPT\n");
    CHECK(has(outcome.err, "NOT RECORDED: "));
    const auto kept = outcome.err.find("/run/rewall/unrecorded-");
    REQUIRE(kept != std::string::npos);
    const auto folder = outcome.err.substr(kept, outcome.err.find(';', kept) - kept);
    CHECK(host.ok("grep -c dport " + folder + "/rules.v4; rm -r " + folder) == "2\n");
  }
}

TEST_CASE("A..B is two revisions: their difference, and the log of what lies between them") {
  const Host host;
  host.ok(
      "rewall init; for n in 1 2 3; do iptables -N n$n; rewall snapshot -m number-$n; done; iptables-save "
      ">f..v4; "
      "iptables -N live");
  for (const std::string both : {"HEAD~2 HEAD", "HEAD~1 LIVE", "HEAD HEAD", "HEAD~1 file:f..v4"}) {
    INFO(both);
    const auto space = both.find(' ');
    const auto apart = host.sh("rewall diff " + both);
    const auto joined = host.sh("rewall diff " + both.substr(0, space) + ".." + both.substr(space + 1));
    CHECK(apart.status < 2);
    CHECK(joined.status == apart.status);
    CHECK(joined.out == apart.out);
  }
  CHECK(host.sh("rewall diff HEAD~2..").out == host.sh("rewall diff HEAD~2 HEAD").out);
  CHECK(host.ends(2, "rewall diff HEAD...HEAD~1").find("a range is REV or A..B") != std::string::npos);
  CHECK(host.sh("rewall diff file:f..v4").out == host.sh("rewall diff file:f..v4 LIVE").out);
  const auto subjects = [&](const std::string& range) {
    return host.ok("rewall log --oneline " + range + " | grep -o 'number-.*' | tr '\\n' ' '");
  };
  CHECK(subjects("HEAD~2..HEAD") == "number-3 number-2 ");
  CHECK(subjects("HEAD~2..") == "number-3 number-2 ");
  CHECK(subjects("HEAD~3..HEAD~1") == "number-2 number-1 ");
  CHECK(subjects("HEAD..HEAD~1").empty());
  CHECK(subjects("--grep number-2 HEAD~3..HEAD") == "number-2 ");
}
