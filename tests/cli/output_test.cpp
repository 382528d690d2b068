#include <regex>

#include "support/host.h"

using namespace rewall;

namespace {

// A line of words on a terminal: what is shown there.
std::string on_terminal(const Host& host, const std::string& line) {
  return host.sh("script -qc " + shell_quote(line) + " /dev/null </dev/null").out;
}

const std::string kProgram = REWALL_PROGRAM;

}  // namespace

TEST_CASE("a table that no kernel has is refused with the nearest that one has") {
  const Host host;
  host.ok("iptables -P INPUT DROP; rewall init");
  const auto said = host.ends(2, "rewall log --table fliter");
  CHECK(has(said, "unknown table 'fliter'"));
  CHECK(has(said, "did you mean 'filter'?"));
  CHECK(has(host.ends(2, "rewall restore --table fliter HEAD"),
            "did you mean 'filter'? a table of nft has its family before its name: 'inet fw'\n"));
  CHECK(has(host.ends(2, "rewall restore --table NAT HEAD"), "unknown table 'NAT'"));
  CHECK(has(host.ends(2, "rewall log --table xyz"), "raw, mangle, nat, filter, security"));
  CHECK_FALSE(host.ok("rewall log --table filter --oneline").empty());
}

TEST_CASE("facts that could not be written are an error, a reader that went away is none") {
  const Host host;
  host.ok("iptables -P INPUT DROP; rewall init; iptables -P INPUT ACCEPT");
  for (const char* command : {"rewall checkout HEAD", "rewall log", "rewall status", "rewall log --json",
                              "rewall nothing --json", "rewall --help", "rewall --version"}) {
    INFO(command);
    CHECK(has(host.ends(2, std::string(command) + " >/dev/full"),
              "rewall: error: standard output: No space left on device\n"));
    CHECK(has(host.ends(2, std::string(command) + " >&-"), "standard output: Bad file descriptor"));
  }
  CHECK(host.ok("git -C repo status --short; git -C repo fsck").empty());
  CHECK(host.ok("rewall log | true; echo ${PIPESTATUS[0]}") == "0\n");
  CHECK(host.ok("rewall diff | true; echo ${PIPESTATUS[0]}") == "1\n");
}

TEST_CASE("a pipe that is full for now is waited for") {
  const Host host;
  host.ok(
      "rewall init; { printf '*filter\n'; for i in {1..9000}; do printf ':CHAIN%s - [0:0]\n' $i; done; "
      "echo COMMIT; } | iptables-restore; rewall snapshot");
  const auto read = host.ok(
      "python3 -c 'import os,subprocess,sys,time\n"
      "r,w=os.pipe()\n"
      "os.set_blocking(w,False)\n"
      "p=subprocess.Popen(sys.argv[1:],stdout=w)\n"
      "os.close(w)\n"
      "time.sleep(1)\n"
      "n=0\n"
      "while b:=os.read(r,65536): n+=len(b)\n"
      "print(n,p.wait())' " +
      kProgram + " checkout HEAD");
  CHECK(read == host.ok("rewall checkout HEAD | wc -c | tr '\\n' ' '; echo 0"));
}

TEST_CASE("the pager is a trusted program with a clean environment, and Ctrl-C is for it alone") {
  const Host host;
  host.ok(
      "iptables -P INPUT DROP; rewall init; mkdir evil; chmod 777 evil; printf '#!/bin/sh\\necho evil\\n' "
      ">evil/less; chmod 755 evil/less");
  const auto shown = on_terminal(host, "PATH=$PWD/evil:$PATH " + kProgram + " log");
  CHECK_FALSE(has(shown, "evil"));
  CHECK(has(shown, "first snapshot"));

  const auto environment = on_terminal(
      host, "LESS=S LC_TIME=C BASH_ENV=x SECRET=x LESSOPEN=x REWALL_PAGER=env " + kProgram + " log");
  for (const char* variable : {"LESSSECURE=1\r\n", "LESS=S\r\n", "LC_TIME=C\r\n", "PATH=", "TERM=dumb\r\n"}) {
    CHECK(has(environment, variable));
  }
  for (const char* variable : {"SECRET", "BASH_ENV", "LESSOPEN"}) CHECK_FALSE(has(environment, variable));
  CHECK(has(on_terminal(host, "REWALL_PAGER=env " + kProgram + " log"), "LESS=FRX\r\n"));

  host.ok(
      "printf '#!/bin/bash\\nkill -INT $PPID; kill -QUIT $PPID; sleep 0.3; kill -0 $PPID && cat\\n"
      "(kill -INT $BASHPID; echo deaf)\\n' >patient; chmod 755 patient");
  const auto waited = on_terminal(host, "REWALL_PAGER=$PWD/patient " + kProgram + " log; echo status $?");
  CHECK(has(waited, "first snapshot"));
  CHECK(has(waited, "status 0"));
  CHECK_FALSE(has(waited, "deaf"));
}

TEST_CASE("any expression may look at any message") {
  const Host host;
  host.ok(
      "rewall init; m=$(head -c 120000 /dev/zero | tr '\\0' a); "
      "git -C repo -c user.name=x -c user.email=x@example.org commit -q --allow-empty -F - <<<\"$m\"");
  CHECK(host.ok("rewall log --grep '(a|b)*c'").empty());
  CHECK(host.ok("rewall log --oneline --grep '^(A|b)+$'").size() > 100'000);
  CHECK(has(host.ok("rewall log --grep '^FIRST +snap'"), "first snapshot"));
  CHECK(has(host.ends(2, "rewall log --grep '(a'"), "'(a' is no regular expression"));
}

TEST_CASE("checkout leaves no rules of another revision behind, and nothing else is touched") {
  const Host host;
  host.ok(
      "iptables -P INPUT DROP; rewall init; mkdir d; touch d/rules.v4.legacy d/rules.v6.legacy d/ipset; "
      "echo mine | tee d/expect d/other; rewall checkout HEAD -o d");
  CHECK(host.ok("ls d") == "expect\nipset\nother\nrules.v4\nrules.v6\n");
  CHECK(host.ok("cat d/expect d/other") == "mine\nmine\n");
}

TEST_CASE("checkout of a single file prints its family") {
  const Host host;
  host.ok(
      "printf '*filter\\n:INPUT DROP [0:0]\\n:FORWARD ACCEPT [0:0]\\n:OUTPUT ACCEPT [0:0]\\nCOMMIT\\n' "
      ">rules.v6");
  CHECK(has(host.ok("rewall checkout file:rules.v6"), ":INPUT DROP"));
  CHECK(has(host.ok("rewall checkout --family ipv4 file:rules.v6"), ":INPUT DROP"));
  host.ok("rewall checkout file:rules.v6 -o d");
  CHECK(host.ok("ls d") == "rules.v6\n");
}

TEST_CASE("a bad setting in the file is passed over with a warning, and can be mended") {
  const Host host;
  host.ok("rewall init; git config -f repo/.git/rewall/config lock.wait soon");
  const auto listed = host.ends(0, "rewall config --list");
  CHECK(has(listed, "lock.wait=30s"));
  CHECK(has(listed, "soon"));
  CHECK(has(host.ok("rewall config lock.wait 10s --json"),
            R"({"key":"lock.wait","value":"10s","changed":true})"));
  CHECK(host.ends(0, "rewall config lock.wait") == "10s\n");
}

TEST_CASE("checkout says on a terminal that it only prints") {
  const Host host;
  host.ok("iptables -N x; rewall init; rewall tag good");
  const auto shown = on_terminal(host, kProgram + " checkout good");
  CHECK(has(shown, "COMMIT"));
  CHECK(has(shown, "printed only; to put it in force: rewall "));
  CHECK(has(shown, "restore good\r\n"));
  CHECK_FALSE(has(on_terminal(host, kProgram + " checkout LIVE"), "printed only"));
  CHECK_FALSE(has(host.ends(0, "rewall checkout good"), "printed only"));
}

TEST_CASE("a command that waits for another rewall says so on a terminal") {
  const Host host;
  host.ok("rewall init");
  const std::string held = "(flock 9; exec sleep 2.5) 9<>repo/.git/rewall/lock & sleep 0.2; ";
  CHECK(
      has(on_terminal(host, held + kProgram + " snapshot"), "waiting for another process, which works in "));
  CHECK_FALSE(has(host.ends(0, held + "rewall snapshot"), "waiting for "));
  CHECK_FALSE(has(on_terminal(host, kProgram + " snapshot"), "waiting for "));
}

TEST_CASE("status and the work tree name a lock of git that is in the way") {
  const Host host;
  host.ok("rewall init; iptables -N x");
  const auto branch = std::string(trim(host.ok("git -C repo symbolic-ref HEAD")));
  CHECK(has(host.ends(1, "rewall status"), "snapshot' records it"));
  host.ok("touch -d '1 minute ago' repo/.git/" + branch + ".lock");
  const auto said = host.ends(1, "rewall status");
  CHECK_FALSE(has(said, "records it"));
  CHECK(has(said, "a lock of git keeps it from being recorded"));
  CHECK(has(said, "when no git is at work here: rm " + host.repository() + "/.git/" + branch + ".lock\n"));
  host.ok("rm repo/.git/" + branch + ".lock; touch repo/.git/index.lock");
  CHECK(has(host.ends(0, "rewall snapshot"),
            "; when no git is at work here: rm " + host.repository() + "/.git/index.lock"));
}

TEST_CASE("no control bytes reach a terminal, and a file gets them as they are") {
  const Host host;
  const std::string evil =
      "a\x1b[31mb\xc2\x9b"
      "c\xe2\x80\xae"
      "d";
  host.ok("rewall init; iptables -A INPUT -m comment --comment '" + evil + "' -j DROP");
  for (const char* words :
       {" --no-pager checkout LIVE", " --no-pager diff --commands", " --no-pager diff", " diff --json"}) {
    INFO(words);
    const auto shown = on_terminal(host, kProgram + words);
    CHECK(has(shown, "[31mb"));
    for (const char* bytes : {"\x1b", "\xc2\x9b", "\xe2\x80\xae"}) CHECK_FALSE(has(shown, bytes));
  }
  CHECK(has(host.ok("rewall checkout LIVE"), evil));
  const auto json = host.sh("rewall diff --json").out;
  CHECK(has(json, R"(a\u001b[31mb\u009bc\u202ed)"));
}

TEST_CASE("a trailer made by hand is escaped") {
  const Host host;
  host.ok(
      "rewall init; printf 'by hand\\n\\nRewall-Trigger: \\033[31mt\\nRewall-Backend: \\033[31mnft\\n"
      "Rewall-Tools: \\033[31mx\\nRewall-Actor: \\033[31my\\n' | git -C repo -c user.name=x "
      "-c user.email=x@example.org commit -q --allow-empty -F -");
  for (const char* words : {"rewall status", "rewall status; rewall status", "rewall show", "rewall log"}) {
    INFO(words);
    const auto said = host.sh(words);
    CHECK_FALSE(has(said.out + said.err, "\x1b"));
    CHECK_FALSE(said.out.empty());
  }
}

TEST_CASE("empty names and odd numbers are refused in plain words") {
  const Host host;
  host.ok("rewall init");
  host.ends(2, "rewall tag ''");
  host.ends(2, "rewall tag '' HEAD");
  host.ends(2, "rewall tag -d ''");
  host.ends(2, "rewall config ''");
  for (const char* number : {"-1", "x", "1x", "99999999999999999999999"}) {
    INFO(number);
    const auto said = host.ends(2, std::string("rewall log -n ") + number);
    CHECK(has(said, "'" + std::string(number) + "' is not a number of snapshots"));
    CHECK(said.size() < 150);
  }
  CHECK(host.ok("rewall log -n 0").empty());
}

TEST_CASE("the remote that status speaks of is origin, where there is one") {
  const Host host;
  host.ok("rewall init; git -C repo remote add backup /nowhere");
  CHECK(has(host.sh("rewall status --json").out, R"("name":"backup")"));
  host.ok("git -C repo remote add origin /nowhere");
  CHECK(has(host.sh("rewall status --json").out, R"("name":"origin")"));
}

TEST_CASE("output that cannot be written does not change what a command that did its work says of it") {
  for (const char* where : {">/dev/full", ">&-"}) {
    const Host host;
    host.ok(
        "rewall init; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot; "
        "rewall checkout HEAD | sed s/22/23/ >rules");
    for (const std::string command :
         {"restore HEAD~1", "undo", "redo", "undo --json", "apply rules",
          "try --for 10m -- iptables -A INPUT -j "
          "LOG",
          "rollback", "restore --for 10m HEAD~1", "confirm", "snapshot --allow-empty", "tag here"}) {
      INFO(command << " " << where);
      const auto before = host.rules();
      const auto said = host.ends(0, "rewall " + command + " " + where);
      const bool changes =
          command != "confirm" && command != "snapshot --allow-empty" && command != "tag here";
      CHECK((host.rules() != before) == changes);
      if (command != "tag here") CHECK(has(said, "the command did its work, but its output is lost"));
    }
    CHECK(host.sh("rewall restore --dry-run HEAD~2 " + std::string(where)).status <= 1);
    host.ends(2, std::string("rewall log ") + where);
  }
}

TEST_CASE("a command that changed LIVE ends with what is in force, and the way back that works") {
  const Host host;
  host.ok(
      "rewall init; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot; "
      "rewall checkout HEAD >rules");
  const auto last_line = [&](const std::string& command) {
    const auto err = host.sh("rewall " + command).err;
    const auto lines = split_lines(err);
    return lines.empty() ? "" : std::string(lines.back());
  };
  // Runs the command that the line names behind `word`.
  const auto follow = [&](const std::string& line, const std::string& word) {
    const auto at = line.find(word);
    INFO(line);
    REQUIRE(at != std::string::npos);
    const auto command = line.substr(at + word.size());
    host.ok(command.substr(0, command.find(';')));
  };
  const auto in_force = [&] {
    return "rewall: in force: " +
           std::string(trim(host.ok("git -C repo log -1 --format='%h %s' --abbrev=10")));
  };
  const auto before = host.rules();
  for (const std::string command : {"restore HEAD~1", "undo", "apply - </dev/null"}) {
    INFO(command);
    if (command.starts_with("apply")) host.ok("iptables-save -t filter | grep -v dport >rules");
    const auto line = last_line(command.starts_with("apply") ? "apply rules" : command);
    CHECK(line.starts_with(in_force()));
    CHECK(host.rules() != before);
    follow(line, "; go back: ");
    CHECK(host.rules() == before);
  }
  // It names the repository where that is not the default one.
  CHECK(has(last_line("undo"), "; go back: rewall -C " + host.repository() + " redo"));
  host.ok("rewall redo");

  SECTION("nothing changed") {
    const auto outcome = host.sh("rewall restore HEAD");
    CHECK(outcome.out.empty());
    CHECK(has(outcome.err, "nothing to do: the live rules already match "));
    CHECK_FALSE(has(outcome.err, "in force"));
    CHECK(has(host.ok("rewall restore HEAD --json"), R"("changed":false)"));
  }
  SECTION("LIVE is restored") {
    CHECK(has(host.ends(0, "rewall restore LIVE"), "nothing to do: the live rules are already as wanted\n"));
  }
  SECTION("a guard is armed") {
    const auto line = host.sh("rewall restore --for 10m HEAD~1 2>&1 | grep 'in force'").out;
    CHECK(has(line, "in force, unless the guard reverts it: "));
    SECTION("and it is kept") {
      follow(line, "; keep it: ");
      CHECK(host.rules() != before);
    }
    SECTION("or not") {
      follow(std::string(trim(line)), "; go back: ");
      CHECK(host.rules() == before);
    }
  }
  SECTION("it was rolled back") {
    host.ok("rewall restore --for 10m HEAD~1");
    const auto tried = host.rules();
    const auto line = last_line("rollback");
    CHECK(line.starts_with(in_force()));
    follow(line, "; to try the change again: ");
    CHECK(host.rules() == tried);
    host.ok("rewall rollback");
  }
}

TEST_CASE("an error says in JSON that a command that only looked left LIVE alone") {
  const Host host;
  host.ok("rewall init");
  for (const char* command :
       {"show nope", "restore nope", "apply nope", "log --nope", "snapshot nope", "undo"}) {
    INFO(command);
    CHECK(has(host.sh("rewall --json " + std::string(command)).out, R"("live":"untouched")"));
  }
}

TEST_CASE("where no thread and no process can be had, a command fails and says nothing of a changed LIVE") {
  const Host host;
  host.ok("rewall init; iptables -A INPUT -j ACCEPT; chmod 755 .; chown -R 4242:4242 .");
  const auto before = host.rules();
  for (const char* command : {"status", "snapshot", "restore --dry-run HEAD", "restore HEAD", "undo"}) {
    INFO(command);
    const auto said =
        host.ends(8,
                  "export ASAN_OPTIONS=detect_leaks=0; setpriv --reuid=4242 --regid=4242 --clear-groups "
                  "--inh-caps=+net_admin,+net_raw --ambient-caps=+net_admin,+net_raw prlimit --nproc=1 " +
                      kProgram + " " + command);
    CHECK(has(said, "cannot be started: "));
    CHECK_FALSE(std::regex_search(said, std::regex("LIVE is (?!untouched)")));
  }
  CHECK(host.rules() == before);
}

TEST_CASE("help is clean and narrow") {
  const Host host;
  CHECK(has(host.ok("rewall --help"), "Usage: rewall [OPTIONS] COMMAND\n"));
  CHECK(has(host.ok("rewall diff --help"), "Usage: rewall diff [OPTIONS] [REV [REV]]\n"));
  CHECK(has(host.ok("rewall tag --help"), "Usage: rewall tag [OPTIONS] [NAME [REV]]\n"));
  CHECK(has(host.ok("rewall import --help"), "Usage: rewall import [OPTIONS] FILE...\n"));
  CHECK(has(host.ok("rewall checkout --help"), "Usage: rewall checkout [OPTIONS] REV\n"));
  CHECK(has(host.ok("rewall log --help"), "LIVE"));
  CHECK(has(host.ok("rewall fleet --help"), "log: show at most N snapshots"));
  for (const char* command : {"", "init", "snapshot", "status", "import", "log", "show", "diff", "blame",
                              "checkout", "restore", "undo", "redo", "tag", "config"}) {
    INFO(command);
    const auto help = host.ok("rewall " + std::string(command) + " --help");
    for (const char* noise : {"Excludes", "REQUIRED", "0x", "NONNEGATIVE", ":{", "\n\n\n", " \n"}) {
      CHECK_FALSE(has(help, noise));
    }
    for (const auto line : split_lines(help)) {
      INFO(line);
      CHECK(line.size() <= 80);
    }
  }
}
