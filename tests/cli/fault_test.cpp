#include <nlohmann/json.hpp>

#include "support/host.h"

using namespace rewall;
using nlohmann::json;

TEST_CASE("without root it says what to do") {
  const Host host;
  CHECK(has(host.ends(6, "chmod 755 .; setpriv --reuid=nobody --regid=nogroup --clear-groups " REWALL_PROGRAM
                         " -C \"$PWD/other\" init"),
            "hint: "));
  host.ok("rewall init");
  CHECK(has(host.ends(6, "setpriv --reuid=nobody --regid=nogroup --clear-groups " REWALL_PROGRAM " status"),
            "root"));
}

TEST_CASE("without iptables the package is named, and nothing is recorded") {
  const Host host;
  const auto said = host.ends(8, "mkdir bin; PATH=$PWD/bin rewall init");
  CHECK(has(said, "package"));
  CHECK(has(said, "iptables"));
  CHECK(host.ends(0, "test ! -e repo").empty());
}

TEST_CASE("a table that neither iptables nor nft can say is named, and nothing is recorded") {
  const Host host;
  host.ok(
      "iptables -A INPUT -m recent --set; rewall init; nft add rule ip filter INPUT tcp dport '{ 22, 80 }' "
      "accept");
  for (const char* command : {"rewall snapshot", "rewall status", "rewall diff", "rewall restore HEAD"}) {
    const auto said = host.ends(8, command);
    CHECK(has(said, "filter"));
    CHECK(has(said, "nft"));
  }
  CHECK(host.ok("git -C repo rev-list --count HEAD") == "1\n");
}

TEST_CASE("what a rules file may hold is read whole or refused with line and word") {
  const Host host;
  host.ok("rewall init");
  const std::string head = "*filter\\n:INPUT ACCEPT [0:0]\\n:FORWARD ACCEPT [0:0]\\n:OUTPUT ACCEPT [0:0]\\n";
  const auto file = [&](const std::string& rest) { host.ok("printf '" + head + rest + "' >rules"); };

  file("-A INPUT -p tcp --dprot 22 -j ACCEPT\\nCOMMIT\\n");
  auto said = host.ends(2, "rewall diff HEAD file:rules");
  CHECK(has(said, "rules:5: "));
  CHECK(has(said, "--dprot"));
  CHECK(has(said, "--dport"));
  host.ends(2, "rewall restore file:rules");

  file("-A INPUT -j DROP\\n");
  CHECK(has(host.ends(2, "rewall diff HEAD file:rules"), "COMMIT"));

  file("-A INPTU -j DROP\\nCOMMIT\\n");
  CHECK(has(host.ends(2, "rewall diff HEAD file:rules"), "rules:5: unknown chain 'INPTU'"));

  file("-A INPUT -j DROP\\000\\nCOMMIT\\n");
  CHECK(has(host.ends(2, "rewall diff HEAD file:rules"), "rules:5: "));

  file("-A INPUT -j DROP\\r\\nCOMMIT\\r\\n");
  CHECK(has(host.ends(1, "rewall diff HEAD file:rules"), "+ 1     -j DROP\n"));

  file("-A INPUT -m comment --comment \"\\377\\033]0;pwned\\007\" -j DROP\\nCOMMIT\\n");
  said = host.ends(1, "rewall --color always diff HEAD file:rules");
  CHECK(has(said, "\\xff\\x1b]0;pwned\\x07"));
  CHECK_FALSE(has(said, "\x1b]"));

  // iptables-restore has a buffer of 10,240 bytes for a line, its end and a zero (iptables-restore.c).
  const std::string begins = "-A INPUT -m comment --comment ";
  const std::string ends = " -j DROP";
  const std::size_t room = 10'240 - 2 - begins.size() - ends.size();
  const auto line_with = [&](std::size_t length) {
    file(begins + std::string(length, 'x') + ends + "\\nCOMMIT\\n");
  };
  line_with(room);
  CHECK(has(host.ends(1, "rewall diff HEAD file:rules"), std::string(room, 'x')));
  line_with(room + 1);
  CHECK(has(host.ends(2, "rewall diff HEAD file:rules"), "rules:5: the line is longer than 10238 bytes"));
  CHECK(has(host.ends(2, "rewall diff HEAD file:none"), "none: cannot read: No such file or directory"));
}

TEST_CASE("escape sequences in a live comment never reach the terminal raw") {
  const Host host;
  host.ok("rewall init; iptables -A INPUT -m comment --comment \"$(printf 'a\\033[2Jb')\" -j DROP");
  for (const char* command : {"rewall diff; rewall snapshot >/dev/null", "rewall show", "rewall log",
                              "rewall diff --text HEAD~1 HEAD", "rewall diff --json HEAD~1 HEAD"}) {
    INFO(command);
    const auto outcome = host.sh(command);
    CHECK_FALSE(has(outcome.out + outcome.err, "\x1b"));
    CHECK_FALSE(outcome.out.empty());
  }
}

TEST_CASE("a restore that names a missing set or module leaves both families untouched") {
  const Host host;
  host.ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -P INPUT DROP; rewall init");
  const auto v4 = host.rules();
  const auto v6 = host.ok("ip6tables-save | grep -v ^#");
  for (const char* rule :
       {"-A INPUT -m set --match-set nowhere src -j DROP", "-A INPUT -m frobnicate --frob 1 -j DROP"}) {
    host.ok(
        "rm -rf f; mkdir f; printf '*filter\\n:INPUT ACCEPT [0:0]\\n:FORWARD ACCEPT [0:0]\\n:OUTPUT ACCEPT "
        "[0:0]\\n"
        "%s\\nCOMMIT\\n' '" +
        std::string(rule) + "' >f/rules.v4; cp repo/rules.v6 f; sed -i s/DROP/ACCEPT/ f/rules.v6");
    const auto said = host.ends(4, "rewall restore file:f");
    INFO(said);
    CHECK(has(said, "f/rules.v4:5"));
    CHECK(has(said, "; LIVE is untouched"));
    CHECK(host.rules() == v4);
    CHECK(host.ok("ip6tables-save | grep -v ^#") == v6);
  }
}

TEST_CASE("a repository that is missing, ours no more, or damaged is refused, and the kernel untouched") {
  const Host host;
  CHECK(has(host.ends(5, "rewall status"), "init"));
  host.ok(
      "iptables -P INPUT DROP; rewall init; iptables -P INPUT ACCEPT; iptables -A INPUT -j LOG; rewall "
      "snapshot");
  const auto rules = host.rules();
  const auto refused = [&](const std::string& harm, const std::string& mend) {
    host.ok(harm);
    for (const char* command : {"rewall status", "rewall snapshot", "rewall restore HEAD~1"}) {
      INFO(harm << ": " << command);
      CHECK(has(host.ends(5, command), "hint: "));
    }
    CHECK(host.rules() == rules);
    host.ok(mend);
    host.ok("rewall status");
  };
  refused("chmod 770 repo", "chmod 700 repo");
  refused("chmod o+w repo/.git/config", "chmod 600 repo/.git/config");
  refused("chown nobody repo", "chown root repo");

  host.ok("rm repo/.git/HEAD");
  CHECK(has(host.ok("rewall status 2>&1"), ".git/HEAD was gone"));
  CHECK(host.ok("git -C repo symbolic-ref HEAD") == "refs/heads/hosts/" + host.ok("hostname"));

  host.ok(
      "object=$(git -C repo rev-parse HEAD:rules.v4); "
      "mv repo/.git/objects/${object%${object#??}}/${object#??} object");
  CHECK(has(host.ends(5, "rewall restore HEAD"), "snapshot"));
  CHECK(host.rules() == rules);
  CHECK(has(host.ok("rewall checkout HEAD~1"), ":INPUT DROP"));
}

TEST_CASE("a full disk records nothing, stops no restore, and what was recorded stays readable") {
  const Host host;
  const std::string setup = "mkdir small; mount -t tmpfs -o size=600k none small; ";
  // The mount lives in a mount namespace of its own and goes with it.
  const auto said = host.ok(
      "unshare -m bash -c '" + setup +
      "r() { " REWALL_PROGRAM
      " -C small/repo \"$@\"; }; r init >/dev/null || exit 10; "
      "iptables -P INPUT DROP; r snapshot >/dev/null || exit 11; "
      "dd if=/dev/zero of=small/fill bs=1k status=none 2>/dev/null; "
      "for i in $(seq 400); do echo \"-A INPUT -s 192.0.2.1/32 -p tcp -m tcp --dport $i -j ACCEPT\"; done "
      "| { echo \"*filter\"; cat; echo COMMIT; } | iptables-restore -n; "
      "r snapshot 2>said; test $? = 5 || exit 12; cat said; "
      "r restore HEAD 2>said || exit 13; cat said; grep -q \"NOT RECORDED\" said || exit 13; "
      "test $(iptables-save | grep -c dport) = 0 || exit 14; "
      "test \"$(r log --oneline | wc -l)\" = 2 || exit 15; r show >/dev/null || exit 16; "
      "git -C small/repo fsck --strict 2>&1 || exit 17; rm small/fill; "
      // What was in force is kept, and comes back by the command that was printed.
      "r restore $(grep -o \"file:/run/rewall/.*\" said | tail -1) >/dev/null || exit 18; "
      "test $(iptables-save | grep -c dport) = 400 || exit 19; "
      // And both are in the history by now: what was there, and the restore.
      "test \"$(r log --oneline | wc -l)\" = 5 || exit 20; "
      "umount small'");
  CHECK(has(said, "No space left on device"));
}

TEST_CASE("a folder that cannot be read to its end stops nothing") {
  const Host host;
  host.ok(
      "iptables -A INPUT -j ACCEPT; rewall -q init; iptables -A INPUT -p tcp -j ACCEPT; rewall -q snapshot; "
      "git init -q --bare r.git; rewall remote add origin $PWD/r.git; rewall -q push");
  // The kernel's folder of a process that is over opens, and cannot be read.
  for (const std::string place :
       {".git/refs/x", ".git/refs/remotes/x", ".git/objects/17", ".git/rewall/guards"}) {
    const auto said = host.sh(
        "unshare --mount bash -c 'sleep 1000 & mkdir -p repo/" + place +
        "; mount --bind /proc/$!/task repo/" + place +
        "; kill -9 $!; wait; for of in snapshot doctor gc \"restore --yes HEAD~1\" \"undo --yes\" push "
        "fetch; do " REWALL_PROGRAM " $of; done' 2>&1; rmdir repo/.git/refs/x repo/.git/refs/remotes/x");
    INFO(place << "\n" << said.out);
    CHECK_FALSE(has(said.out, "unexpected"));
    CHECK(has(said.out, "restore "));
  }
}

TEST_CASE("a path that leads nowhere is an error of that path") {
  const Host host;
  host.ok("rewall -q init; ln -s loop loop; mkdir gone");
  const std::string named(300, 'x');
  for (const std::string& path : {std::string("loop"), std::string("loop/x"), named, named + "/x"})
    for (const std::string& command : {"diff file:" + path, "import " + path, "apply --yes " + path}) {
      INFO(command);
      const auto said = host.ends(2, "rewall " + command);
      CHECK(has(said, path + ": "));
      CHECK_FALSE(has(said, "unexpected"));
    }
  for (const std::string& path : {std::string("loop"), named})
    CHECK_FALSE(has(host.sh("rewall -C " + path + " init").err, "unexpected"));
  // Where the working directory is gone.
  for (const std::string command : {"-C . status", "try --for 1m -- ./x", "remote add y ../r"}) {
    INFO(command);
    CHECK_FALSE(has(host.sh("mkdir -p gone; cd gone; rmdir ../gone; rewall " + command).err, "unexpected"));
  }
}

TEST_CASE("two snapshots at once both end well") {
  const Host host;
  host.ok("rewall init; iptables -A INPUT -j DROP");
  host.ok("rewall snapshot & one=$!; rewall snapshot & two=$!; wait $one && wait $two");
  CHECK(host.ok("git -C repo rev-list --count HEAD") == "2\n");
  host.ok("git -C repo fsck --strict; rewall status");
}

TEST_CASE("a second rewall waits for the first no longer than it was told") {
  const Host host;
  host.ok("rewall init; rewall config lock.wait 200ms");
  CHECK(has(host.ends(5, "exec 9<>repo/.git/rewall/lock; flock 9; rewall snapshot 9>&-"), "hint: "));
}

TEST_CASE("mistyped commands and options are answered with the nearest one") {
  const Host host;
  CHECK(host.ends(2, "rewall snapshto") ==
        "rewall: error: unknown command 'snapshto'\nhint: did you mean 'rewall snapshot'?\n");
  CHECK(host.ends(2, "rewall log --onelin") ==
        "rewall: error: unknown option '--onelin'\nhint: did you mean '--oneline'?\n");
  CHECK(host.ok("rewall") == host.ok("rewall --help"));
  host.ok("rewall init");
  CHECK(has(host.ends(2, "rewall show nothing-of-that-name"), "nothing-of-that-name"));
}

TEST_CASE("with --json an error is JSON on standard output") {
  const Host host;
  for (const char* command : {"rewall --json status", "rewall status --json"}) {
    const auto outcome = host.sh(command);
    CHECK(outcome.status == 5);
    const auto error = json::parse(outcome.out)["error"];
    CHECK(error["code"] == 5);
    CHECK(error["message"].is_string());
    CHECK(error["hint"].is_string());
  }
  CHECK(json::parse(host.sh("rewall --json frobnicate").out)["error"]["code"] == 2);
}

TEST_CASE("every command has help with examples, and no help names what is not there") {
  const Host host;
  const auto help = host.ok("rewall --help");
  for (const char* command :
       {"init", "snapshot", "status", "import", "log", "show", "diff", "checkout", "restore", "undo", "apply",
        "edit", "try", "confirm", "rollback", "tag", "config"}) {
    INFO(command);
    CHECK(has(help, command));
    CHECK(has(host.ok(std::string("rewall ") + command + " --help"), "Examples:\n  rewall "));
  }
  CHECK(has(host.ok("rewall --version"), "rewall 0."));
}
