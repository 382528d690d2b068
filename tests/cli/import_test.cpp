#include <catch2/catch.hpp>
#include <string>

#include "support/host.h"

using namespace rewall;

namespace {

/// `rules N FILE`: a ruleset with one rule, of port N.
constexpr const char* kRules =
    "rules() { printf '*filter\\n:INPUT ACCEPT [0:0]\\n-A INPUT -p tcp -m tcp --dport %s -j "
    "ACCEPT\\nCOMMIT\\n' $1 "
    ">$2; }; ";

/// The date, author and port of each snapshot that was imported, oldest first.
constexpr const char* kImported =
    "for c in $(git -C repo log --reverse --format=%h | sed '1d;$d'); do git -C repo log -1 --format='%as "
    "%an' $c | "
    "tr '\\n' ' '; git -C repo show $c:rules.v4 | grep -oE 'dport [0-9]+'; done";

}  // namespace

TEST_CASE("a folder of backups becomes history in the order of its dates") {
  const Host host;
  const std::string rules = kRules;
  host.ok(
      "export TZ=UTC; " + rules +
      "rewall init; mkdir old; cd old; rules 3 rules.v4-20240131; rules 1 iptables-2022-12-01.save; rules 2 "
      "rules_2022-12-01_23:05.v4; rules 5 rules.v4; rules 4 rules.v4.1; rules 40 rules.v4.2; "
      "touch -d '2025-02-03 12:00 UTC' rules.v4 rules.v4.1 rules.v4.2; rules 41 rules.v4.10; "
      "touch -d '2025-02-03 12:00 UTC' rules.v4.10; "
      // What is no rules file, what is none of ours to follow, and what says nothing new.
      "echo hello >README; : >empty-20230101; rules 3 rules.v4-20240201; ln -s /etc/passwd link; mkdir sub; "
      "mkfifo fifo; gzip -c rules.v4 >rules.v4-20200101.gz; printf '*filter\\n-A X\\n' >broken-20210101");
  const auto said = host.ends(0, "rewall import old");
  for (const char* out : {"old/README:1: ", "old/empty-20230101: no '*table' line found",
                          "old/link: left out: not a plain file", "old/sub: left out", "old/fifo: left out",
                          "old/rules.v4-20200101.gz: compressed", "old/broken-20210101:2: "}) {
    INFO(out);
    CHECK(has(said, out));
  }
  CHECK(
      host.ok(kImported) ==
      "2022-12-01 root dport 1\n2022-12-01 root dport 2\n2024-01-31 root dport 3\n2025-02-03 root dport 41\n"
      "2025-02-03 root dport 40\n2025-02-03 root dport 4\n2025-02-03 root dport 5\n");
  CHECK(has(host.ok("git -C repo log -1 --format=%aI HEAD~6"), "T23:05:00"));
  CHECK(has(host.ok("git -C repo log -1 HEAD~1"), "From old/rules.v4\n"));
  CHECK(has(host.ok("rewall status"), "matches HEAD"));
  CHECK(has(host.ends(2, "mkdir none; rewall import none"), "none: no rules file in this folder"));
}

TEST_CASE("files that are named newest first are imported as they come, with a warning") {
  const Host host;
  host.ok(
      std::string(kRules) +
      "rewall init; rules 3 2024.bak; rules 1 2021.bak; rules 2 2022.bak; touch -d '2024-01-31 12:00 UTC' "
      "2024.bak; touch -d '2021-01-31 12:00 UTC' 2021.bak; touch -d '2022-01-31 12:00 UTC' 2022.bak");
  const auto said = host.ends(0, "export TZ=UTC; rewall import 2024.bak 2021.bak 2022.bak");
  CHECK(has(said,
            "the history runs backwards: 2021.bak (2021-01-31T12:00:00+00:00) comes after 2024.bak "
            "(2024-01-31T12:00:00+00:00); name the oldest file first"));
  CHECK_FALSE(
      has(host.ends(0, "rm -rf repo; rewall init; rewall import 2021.bak 2022.bak 2024.bak"), "backwards"));
  CHECK_FALSE(has(host.ends(0, "rm -rf repo; rewall init; rewall import --date 2020-01-01 2024.bak 2021.bak"),
                  "backwards"));
}

TEST_CASE("the history of a git repository arrives with its dates, authors and messages") {
  const Host host;
  host.ok(
      std::string(kRules) +
      "rewall init; mkdir -p etc/iptables; cd etc; git init -q; export GIT_COMMITTER_NAME=c "
      "GIT_COMMITTER_EMAIL=c@example.org GIT_AUTHOR_NAME=alice GIT_AUTHOR_EMAIL=alice@example.org; "
      "c() { git add -A; git commit -q --date \"$1T10:00:00+0200\" -m \"$2\"; }; "
      "echo x >passwd; c 2020-01-01 start; "
      "rules 1 iptables/rules.v4; c 2021-01-01 $'open port 1\\n\\nIt was asked for.\\nRewall-Trigger: boot'; "
      "echo y >passwd; c 2021-06-01 'no firewall here'; "
      "rules 2 iptables/rules.v4; printf 'create bad hash:ip\\nadd bad 192.0.2.1\\n' >iptables/ipset; c "
      "2022-01-01 "
      "two; "
      "echo nonsense >iptables/rules.v4; c 2022-02-01 broken; "
      "rm iptables/rules.v4; ln -s /etc/shadow iptables/rules.v4; c 2022-03-01 link; "
      "git rm -qr iptables; c 2022-04-01 gone; mkdir iptables; rules 3 iptables/rules.v4; c 2023-01-01 "
      "three");
  // Programs that its configuration names do not run.
  host.ok("cd etc; git config core.fsmonitor 'touch ../ran'; git config diff.external 'touch ../ran'");

  SECTION("a folder") {
    const auto said = host.ends(0, "rewall import --git etc iptables/");
    CHECK(has(said, "left out: rules.v4: not a plain file"));
    CHECK(has(said, "left out: rules.v4:1: "));
    CHECK(host.ok(kImported) ==
          "2021-01-01 alice dport 1\n2022-01-01 alice dport 2\n2023-01-01 alice dport 3\n");
    CHECK(host.ok("git -C repo log -1 --format=%aI%ae HEAD~3") ==
          "2021-01-01T10:00:00+02:00alice@example.org\n");
    CHECK(host.ok("rewall log -n 4 --oneline | tail -n 3 | cut -d' ' -f2-") == "three\ntwo\nopen port 1\n");
    const auto first = host.ok("rewall show HEAD~3");
    CHECK(has(first, "trigger  import\n"));
    CHECK(has(first, "It was asked for."));
    CHECK(has(first, "From etc iptables/, commit " + host.ok("git -C etc rev-list HEAD | sed -n 7p")));
    CHECK(has(host.ok("git -C repo show HEAD~2:ipset"), "add bad 192.0.2.1"));
    CHECK(host.ends(2, "rewall import --git etc iptables/rules.v4 x") ==
          "rewall: error: --git takes one FILE\nhint: FILE is a rules file in that repository, or a folder "
          "with rules.v4, "
          "rules.v6 or "
          "ipset\n");
  }
  SECTION("a file") {
    host.ok("rewall import --git etc iptables/rules.v4 --date '2019-05-05'");
    CHECK(host.ok(kImported) ==
          "2019-05-05 alice dport 1\n2019-05-05 alice dport 2\n2019-05-05 alice dport 3\n");
  }
  SECTION("what is not there") {
    CHECK(has(host.ends(2, "rewall import --git etc ferm"), "etc: no commit has 'ferm'"));
    CHECK(has(host.ends(2, "rewall import --git repo/nowhere rules.v4"), "repo/nowhere"));
    CHECK(has(host.ends(2, "rewall import --git etc passwd"), "no commit of etc has rules in 'passwd'"));
    CHECK(host.ok("git -C repo log --oneline | wc -l") == "1\n");
  }
  CHECK(host.sh("ls ran").status != 0);
  CHECK(has(host.ok("rewall status"), "matches HEAD"));
}

TEST_CASE("what was imported before is not imported again") {
  const Host host;
  host.ok(std::string(kRules) +
          "rewall init; mkdir etc; cd etc; git init -q; export GIT_COMMITTER_NAME=c GIT_AUTHOR_NAME=c "
          "GIT_COMMITTER_EMAIL=c@example.org GIT_AUTHOR_EMAIL=c@example.org; c() { rules $1 rules.v4; git "
          "add -A; "
          "git commit -q -m \"port $1\"; }; c 1; c 2; cd ..; mkdir old; rules 3 old/rules.v4-20240131");
  host.ok("rewall import --git etc rules.v4; rewall import old");
  const auto before = host.ok("git -C repo rev-list --count HEAD");
  CHECK(
      has(host.ends(0, "rewall import --git etc rules.v4"), "nothing to import: the history has all of it"));
  CHECK(has(host.ends(0, "rewall import --git $PWD/etc rules.v4"), "nothing to import"));
  CHECK(has(host.ends(0, "rewall import old"), "nothing to import"));
  CHECK(host.ok("git -C repo rev-list --count HEAD") == before);
  host.ok(std::string(kRules) +
          "cd etc; rules 4 rules.v4; git -c user.name=c -c user.email=c@example.org commit -qam 'port 4'");
  CHECK(has(host.ok("rewall import --git etc rules.v4"), "port 4\n"));
  CHECK(host.ok("git -C repo log --format=%s | grep -c ^port") == "3\n");
}
