// The words and habits that people bring from git, systemctl and ssh.
#include <array>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "support/host.h"
#include "support/terminal.h"
#include "ui/width.h"

using namespace rewall;
using nlohmann::json;

namespace {

/// Three snapshots: a first one, "open http", and a policy DROP.
void make_history(const Host& host) {
  host.ok(
      "rewall init; iptables -A INPUT -p tcp --dport 80 -j ACCEPT; rewall snapshot -m 'open http'; "
      "iptables -P INPUT DROP; rewall snapshot");
}

}  // namespace

TEST_CASE("the word -- is taken in every command, and protects what follows it") {
  const Host host;
  make_history(host);
  CHECK(has(host.ok("rewall status --"), "matches HEAD"));
  CHECK(has(host.ok("rewall -- status"), "matches HEAD"));
  CHECK(host.ok("rewall diff -- HEAD").empty());
  const auto both = host.ends(1, "rewall diff HEAD~1 HEAD");
  CHECK(host.ends(1, "rewall diff -- HEAD~1 HEAD") == both);
  CHECK(host.ends(1, "rewall diff HEAD~1 -- HEAD") == both);
  CHECK(host.ok("rewall show -- HEAD") == host.ok("rewall show HEAD"));
  CHECK(host.ok("rewall snapshot --") == host.ok("rewall snapshot"));
  CHECK(has(host.ends(2, "rewall diff -- -x"), "-x: no such revision"));
  CHECK(host.ok("rewall help -- diff") == host.ok("rewall diff --help"));
  host.ok("rewall try -- iptables -A INPUT -j DROP; rewall confirm; rewall try -- true; rewall confirm");
  CHECK(has(host.rules(), "-A INPUT -j DROP"));
}

TEST_CASE("a wrong command line is told in words of ours, a value before what follows it") {
  const Host host;
  const std::vector<std::pair<std::string, std::string>> all{
      {"log --since", "--since: needs a value (TIME)"},
      {"log -n", "-n: needs a value (N)"},
      {"-C", "-C: needs a value (DIR)"},
      {"status --json=3", "--json: takes no value"},
      {"diff --stat --text", "--stat and --text cannot be used together"},
      {"diff a b c", "unexpected argument 'c'"},
      {"log a b", "unexpected argument 'b'"},
      {"checkout", "REV is missing"},
      {"completion bahs", "SHELL: 'bahs' is not one of bash, zsh, fish\nhint: did you mean 'bash'?"},
      {"--backend nftables status", "--backend: 'nftables' is not one of auto, nft, legacy"},
      {"log --table nope NOPE", "--table: unknown table 'nope'"},
      {"log --since soon NOPE", "--since: 'soon' is not a time"},
      {"log --grep '(' NOPE", "--grep: '(' is no regular expression"},
      {"log --date nope NOPE", "--date: 'nope' is not a format of times"},
      {"restore --for 10 NOPE", "--for: '10' has no unit"},
      {"snapshot -5", "unknown option '-5'"},
  };
  for (const auto& [words, says] : all) {
    INFO(words);
    CHECK(has(host.ends(2, "rewall " + words), "rewall: error: " + says));
  }
}

TEST_CASE("words of git, systemctl, iptables and apt lead to those of rewall") {
  const Host host;
  const std::vector<std::pair<std::string, std::string>> all{
      {"revert", "'rewall undo'"},
      {"reset", "'rewall restore REV'"},
      {"pull", "'rewall fetch'"},
      {"stash", "'rewall snapshot'"},
      {"branch", "'rewall fleet list'"},
      {"list", "'rewall log'"},
      {"start", "'rewall hooks install systemd'"},
      {"stop", "'rewall status'"},
      {"reload", "'rewall restore --dry-run'"},
      {"keep", "'rewall confirm'"},
      {"cancel", "'rewall rollback'"},
      {"abort", "'rewall rollback'"},
      {"disarm", "'rewall rollback'"},
      {"extend", "'rewall confirm --extend 10m'"},
      {"backup", "'rewall snapshot'"},
      {"dump", "'rewall checkout LIVE'"},
      {"export", "'rewall checkout LIVE'"},
      {"version", "'rewall --version'"},
      {"iptables -A INPUT", "'rewall try -- COMMAND'"},
      {"-A INPUT -j DROP", "'rewall try -- COMMAND'"},
      {"-L", "'rewall checkout LIVE'"},
      {"install", "'rewall hooks list'"},
      {"commit -am x", "a snapshot records all live rules, and -m gives its subject: rewall snapshot -m"},
      {"snapshot 'open https'", "a snapshot records all live rules, and -m gives its subject"},
      {"push -u origin main",
       "a push sends the branch of this host, and a remote alone is named: rewall push"},
      {"push origin main", "a push sends the branch of this host"},
      {"rollback --yes", "no question is asked"},
      {"undo HEAD~1", "'rewall undo' reverts the newest change alone; 'rewall restore REV'"},
      {"undo 2", "'rewall undo' reverts the newest change alone"},
      {"restore -t filter", "--table names the table"},
      {"restore -n", "--dry-run shows"},
      {"restore --check", "--dry-run shows"},
      {"diff --chain INPUT", "to list the snapshots that changed a chain: rewall log --chain CHAIN"},
      {"diff --exit-code", "the exit status of diff is 1"},
      {"diff --cached", "nothing is staged: 'rewall diff'"},
      {"config --global push.auto true", "'rewall config KEY VALUE'"},
      {"apply", "to load rules from standard input: rewall apply -"},
      {"remote get-url origin", "'rewall remote' lists"},
      {"remote show origin", "'rewall remote' lists"},
      {"expect accept -p tcp", "to add an expectation: rewall expect add VERDICT PACKET"},
      {"template web-server", "'rewall template list' lists the templates, 'rewall template show NAME'"},
      {"comit", "did you mean 'rewall commit'?"},
      {"stauts", "did you mean 'rewall status'?"}};
  for (const auto& [words, says] : all) CHECK(has(host.ends(2, "rewall " + words), "hint: " + says));
  CHECK(has(host.ends(2, "rewall revert"), "'rewall restore REV' goes back"));
  // The word that is wrong is named, not one behind it that would be a command.
  CHECK(has(host.ends(2, "rewall op log"), "unknown command 'op'\nhint: 'rewall log'"));
  CHECK(has(host.ends(2, "rewall nope status --json"), "unknown command 'nope'"));
  CHECK(has(host.ends(2, "rewall --color sometimes nope"), "--color: 'sometimes'"));
  CHECK(has(host.ends(2, "rewall commit --amend"), "a snapshot stays as it is"));
  CHECK(has(host.ends(2, "rewall log --name-only"), "'--stat' lists"));
  CHECK(has(host.ends(2, "rewall log --grap"), "did you mean '--grep'?"));
  CHECK(host.ok("rewall -V") == host.ok("rewall --version"));
  CHECK(has(host.ends(2, "rewall -C /other revert"), "'rewall -C /other undo' reverts"));
}

TEST_CASE("what changes more than was typed is not guessed from letters") {
  const Host host;
  for (const char* words : {"restore --source good", "apply --frce x", "restore --exac", "undo --yess", "und",
                            "do", "gcc", "tru", "remote get-urls", "exprot"}) {
    const auto said = host.ends(2, std::string("rewall ") + words);
    INFO(said);
    CHECK_FALSE(std::regex_search(
        said, std::regex("hint: did you mean '.*(--force|--exact|--yes|set-url|import|undo|gc|try)'")));
  }
  CHECK(has(host.ends(2, "rewall resotre"), "did you mean 'rewall restore'?"));
  CHECK(has(host.ends(2, "rewall restroe"), "did you mean 'rewall restore'?"));
  CHECK(has(host.ends(2, "rewall remote rmeove x"), "did you mean 'remove'?"));
}

TEST_CASE("try names the command line with -- before the command, where an option of the command ends it") {
  const Host host;
  host.ok("rewall init");
  const std::vector<std::array<std::string, 3>> all{
      {"iptables -A INPUT -p tcp --dport 80 -j ACCEPT", "unknown option '-A'",
       "try -- iptables -A INPUT -p tcp --dport 80 -j ACCEPT"},
      {"--for 5m -m 'open http' iptables -I INPUT -m comment --comment 'a b'", "unknown option '-I'",
       "try --for 5m -m 'open http' -- iptables -I INPUT -m comment --comment 'a b'"},
      {"iptables -F -- x", "unexpected argument 'iptables'", "try -- iptables -F x"},
      {"5m -- iptables -P FORWARD DROP", "unexpected argument '5m'",
       "try --for 5m -- iptables -P FORWARD DROP"},
      {"--yes 5m -- iptables -P FORWARD DROP", "unexpected argument '5m'",
       "try --yes --for 5m -- iptables -P FORWARD DROP"},
  };
  for (const auto& [words, says, better] : all) {
    const auto said = host.ends(2, "rewall try " + words);
    INFO(said);
    CHECK(has(said, "rewall: error: " + says + "\n"));
    CHECK(std::regex_search(said, std::regex("hint: write -- before the command: rewall( -C [^ ]+)? ")));
    CHECK(has(said, better + "\n"));
  }
  host.ok("rewall try true; rewall confirm; rewall try --for 5m ip6tables-save; rewall confirm");
  // The repository is named once.
  const auto said = host.ends(2, "cd /; rewall try -C $REWALL_REPO iptables -N x");
  CHECK(has(said, "try -- iptables -N x\n"));
}

TEST_CASE("an empty word is no revision") {
  const Host host;
  host.ok("rewall init; iptables -N x");
  for (const char* command : {"restore", "diff HEAD", "show", "checkout", "log", "blame", "check", "ports"})
    CHECK(has(host.ends(2, std::string("rewall ") + command + " \"$EMPTY\""),
              "REV is an empty word: it names no revision"));
  host.ok("iptables -S x");
}

TEST_CASE("restore without a revision refuses rules on standard input, and nothing else that waits there") {
  const Host host;
  host.ok(
      "rewall init; iptables -N x; iptables-save >old.v4; ipset create s hash:ip; ipset save >old.sets; "
      "printf 'table inet t {\n}\n' >old.nft");
  for (const char* command : {"rewall restore <old.v4", "cat old.v4 | rewall restore",
                              "{ sleep 0.02; cat old.v4; } | rewall restore", "rewall restore <old.sets",
                              "rewall restore --dry-run <old.nft", "rewall restore --table filter <old.v4",
                              "printf '# mine\\n\\n-A INPUT -j DROP\\n' | rewall restore"}) {
    const auto said = host.ends(2, command);
    INFO(command << "\n" << said);
    CHECK(has(said, "restore reads no rules from standard input"));
    CHECK(has(said, "apply -; "));
    CHECK(host.sh("iptables -S x").status == 0);
  }
  // What a revision is named for, what nobody feeds, and the rest of a script that a shell reads.
  for (const char* command :
       {"rewall restore HEAD <old.v4", "rewall restore </dev/null", "rewall restore <&-",
        "true | rewall restore", "sleep 0.3 | rewall restore",
        "bash -s <<<$'\"$PROGRAM\" restore\niptables -S INPUT >ran'",
        "printf 'web1\\nweb2\\n' | { read h; rewall restore; read h; [ $h = web2 ]; }"}) {
    host.ok("iptables -N x 2>/dev/null; export PROGRAM=" REWALL_PROGRAM "; " + std::string(command));
    CHECK(host.sh("iptables -S x").status == 1);
  }
  host.ok("test -s ran");
  // A boot takes whatever standard input it has.
  host.ok("iptables -N x; rewall restore --boot <old.v4");
  CHECK(host.sh("iptables -S x").status == 1);
}

TEST_CASE("a file where a revision is wanted is named as one") {
  const Host host;
  host.ok("rewall init; iptables-save >rules.v4; cp rules.v4 'my rules'");
  for (const char* command :
       {"diff rules.v4", "diff HEAD rules.v4", "show rules.v4", "blame rules.v4", "checkout rules.v4"})
    CHECK(has(host.ends(2, std::string("rewall ") + command),
              "rules.v4: no such revision\nhint: the file of this name is a revision too: file:rules.v4\n"));
  CHECK(has(host.ends(2, "rewall diff 'my rules'"), "'file:my rules'"));
  CHECK(has(host.ends(2, "rewall restore rules.v4"),
            "hint: to put the rules of this file in force: rewall -C " + host.repository() +
                " restore file:rules.v4\n"));
}

TEST_CASE("a revision that cannot be one says why") {
  const Host host;
  host.ok("rewall init");
  const auto digit = host.ok("git -C repo rev-parse HEAD").substr(0, 1);
  CHECK(has(host.ends(2, "rewall diff " + digit),
            digit + ": no such revision\nhint: a short hash has at least 4 digits\n"));
  host.ok("iptables -N x; rewall snapshot");
  for (const auto* at : {"@", "@~1", "@^", "@{1}"}) {
    const auto head = at[1] == '{' ? at : "HEAD" + std::string(at).substr(1);
    CHECK(host.ok("rewall log -1 --oneline " + std::string(at)) ==
          host.ok("rewall log -1 --oneline " + std::string(head)));
  }
  CHECK(host.ok("rewall log --oneline @~1..@ | wc -l") == "1\n");
  CHECK(has(host.ends(2, "rewall diff file:"), "file: needs a path\nhint: write it like file:/etc/"));
}

TEST_CASE("a script is no rules file, and the error says how to run it") {
  const Host host;
  host.ok(
      "rewall init; printf '#!/bin/sh\\nset -e\\niptables -A INPUT -j ACCEPT\\n' >fw.sh; "
      "printf '#!/bin/bash -e\\niptables -A INPUT -j ACCEPT\\n' >fw.bash; "
      "printf '# mine\\niptables -A INPUT -p tcp --dport 22 -j ACCEPT\\niptables -A INPUT -j DROP\\n' >list; "
      "printf '#!/usr/bin/env python3\\nrun()\\n' "
      ">fw.py; "
      "printf -- '-P INPUT ACCEPT\\n-A INPUT -j DROP\\n' >listed");
  const std::vector<std::pair<std::string, std::string>> all{
      {"fw.sh", "for a shell script use: rewall -C [^ ]* try -- sh fw.sh"},
      {"list", "for a shell script use: rewall -C [^ ]* try -- sh list"},
      {"fw.bash", "for a script of bash use: rewall -C [^ ]* try -- bash -e fw.bash"},
      {"fw.py", "for a script of python3 use: rewall -C [^ ]* try -- python3 fw.py"},
      {"listed", ".*put '\\*filter' before them and COMMIT after them"}};
  for (const auto& [file, says] : all)
    for (const char* command : {"rewall apply ", "rewall import ", "rewall diff HEAD file:"}) {
      const auto said = host.ends(2, command + file);
      INFO(said);
      CHECK(std::regex_search(said, std::regex("hint: " + says + "\n")));
    }
  host.ok("rewall try --yes -- sh list </dev/null; rewall confirm");
  CHECK(has(host.rules(), "--dport 22 -j ACCEPT\n-A INPUT -j DROP"));
}

TEST_CASE("log takes the options of git log") {
  const Host host;
  make_history(host);
  const auto all = host.ok("rewall log --oneline");
  CHECK(host.ok("rewall log -2 --oneline") == host.ok("rewall log -n 2 --oneline"));
  CHECK(host.ok("rewall log --oneline -1 HEAD~1") == host.ok("rewall log --oneline HEAD~1 -n 1"));
  CHECK(host.ok("rewall log --oneline -1 -3") == all);
  CHECK(host.ok("rewall log --oneline -0").empty());
  CHECK(host.ok("rewall log --oneline HEAD~2..HEAD | wc -l") == "2\n");
  CHECK(host.ok("rewall log --oneline --reverse") == host.ok("rewall log --oneline | tac"));
  // As git: the newest ones, turned round.
  CHECK(host.ok("rewall log --oneline --reverse -2") == host.ok("rewall log --oneline -2 | tac"));
  CHECK(json::parse(host.ok("rewall log --json --reverse"))[1]["subject"] == "open http");

  CHECK(host.ok("rewall log --oneline -p -2 | sed -E 's/^[0-9a-f]{10} //'") ==
        "filter/INPUT: policy ACCEPT -> DROP\n\nip filter INPUT  policy ACCEPT -> DROP\n\n"
        "open http\n\nip filter INPUT\n  + 1     -p tcp --dport 80 -j ACCEPT\n\n");
  CHECK(host.ok("rewall log --oneline --stat -1 HEAD~1 | tail -n +2") ==
        "\n ip filter INPUT | +1\n 1 change in 1 place: +1\n\n");
  CHECK(json::parse(host.ok("rewall log --json -p -1"))[0]["changes"][0]["kind"] == "policy");
  CHECK_FALSE(json::parse(host.ok("rewall log --json -1"))[0].contains("changes"));

  for (const auto& [format, git] :
       std::vector<std::pair<std::string, std::string>>{{"iso", "iso"},
                                                        {"iso-strict", "iso-strict"},
                                                        {"rfc", "rfc"},
                                                        {"short", "short"},
                                                        {"unix", "unix"},
                                                        {"local", "local"}}) {
    INFO(format);
    // git 2.45 writes Z for +00:00.
    const auto time = host.ok("git -C repo log -1 --format=%ad --date=" + git + " | sed 's/Z$/+00:00/'");
    CHECK(has(host.ok("rewall log -1 --date=" + format), "  " + time.substr(0, time.size() - 1) + "  "));
  }
  CHECK(has(host.ok("rewall log -1 --date=relative"), " root "));
  CHECK(host.ok("rewall log --oneline --since='2 weeks ago'") == all);
  CHECK(host.ok("rewall log --oneline --after yesterday") == all);
  CHECK(host.ok("rewall log --oneline --before 'last monday'").empty());
}

TEST_CASE("a short hash that several snapshots have lists them") {
  const Host host;
  host.ok("rewall init; for i in $(seq 40); do rewall snapshot -q --allow-empty -m \"$i\" >/dev/null; done");
  const auto digits =
      host.ok("git -C repo log --format=%H | cut -c1-4 | sort | uniq -d | head -n 1 | tr -d '\\n'");
  if (digits.empty()) return;  // four digits rarely meet in forty
  CHECK(has(host.ends(2, "rewall show " + digits), "ambiguous: matches 2 snapshots: "));
}

TEST_CASE("tags, remotes and hooks have the words of other programs too") {
  const Host host;
  host.ok("rewall init; rewall tag good; rewall remote add origin /nowhere");
  CHECK(host.ok("rewall tag list") == host.ok("rewall tag"));
  CHECK(has(host.ends(2, "rewall log -1 --since="), "--since: needs a value"));
  CHECK(host.ok("rewall tag -l") == host.ok("rewall tag"));
  for (const std::string word : {"delete", "remove", "rm"}) {
    host.ok("rewall tag good; rewall tag " + word + " good");
    CHECK(host.ok("rewall tag").empty());
  }
  CHECK(host.ok("rewall remote list") == host.ok("rewall remote"));
  host.ok("rewall remote rm origin");
  CHECK(host.ok("rewall remote list").empty());
  host.ok("rewall hooks install cron --root $PWD/root; rewall hooks uninstall cron --root $PWD/root");
  CHECK_FALSE(std::filesystem::exists(host.folder() / "root/etc/cron.d/rewall"));
}

TEST_CASE("config takes the words of git config") {
  const Host host;
  host.ok("rewall init; rewall config set lock.wait 7s");
  CHECK(host.ok("rewall config get lock.wait") == "7s\n");
  CHECK(host.ok("rewall config list") == host.ok("rewall config --list"));
  host.ok("rewall config unset lock.wait");
  CHECK(host.ok("rewall config lock.wait") == "30s\n");
  CHECK(has(host.ends(2, "rewall config set lock.wait"), "unknown key 'set'"));
}

TEST_CASE("show --stat counts the changes, as git show does") {
  const Host host;
  host.ok("rewall init; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot -m ssh");
  const auto shown = host.ok("rewall show --stat");
  CHECK(has(shown, "    ssh\n\n ip filter INPUT | +1\n 1 change in 1 place: +1\n"));
  CHECK_FALSE(has(shown, "--dport 22"));
}

TEST_CASE("show LIVE shows what is in force") {
  const Host host;
  make_history(host);
  CHECK(has(host.ok("rewall show LIVE"),
            "\nin force\n\nip filter INPUT  policy DROP\n  1     -p tcp --dport 80 -j ACCEPT\n"));
  CHECK(has(host.ok("rewall show LIVE"), "LIVE matches HEAD ("));
  host.ok("ipset create bad hash:ip; ipset add bad 192.0.2.1; iptables -F");
  const auto text = host.ok("rewall show LIVE");
  CHECK(has(text, "LIVE differs from HEAD ("));
  CHECK(has(text, "  - 1     -p tcp --dport 80 -j ACCEPT\n"));
  CHECK(has(text, "\nset bad  hash:ip "));
  CHECK(has(text, "  1 member\n  192.0.2.1\n"));
  const auto live = json::parse(host.ok("rewall show --json LIVE"));
  CHECK(live["changes"].size() == 2);
  CHECK(has(live["files"]["rules.v4"].get<std::string>(), ":INPUT DROP"));
  host.ok("iptables -P INPUT ACCEPT; ipset destroy");
  CHECK(has(host.ok("rewall show LIVE"), "in force\n\nno rules\n"));
}

TEST_CASE("what changes something says in JSON whether it did") {
  const Host host;
  make_history(host);
  const auto changed = [&host](const std::string& words) {
    const auto said = json::parse(host.ok("rewall --json " + words));
    return (said.is_array() ? said.back() : said).at("changed").get<bool>();
  };
  CHECK(changed("tag good"));
  CHECK_FALSE(changed("tag good"));
  host.ok("rewall tag -d good");
  CHECK(changed("remote add origin $PWD/r.git"));
  CHECK_FALSE(changed("remote set-url origin $PWD/r.git"));
  host.ok("git init -q --bare r.git");
  CHECK(changed("push"));
  CHECK_FALSE(changed("push"));
  CHECK_FALSE(changed("fetch"));
  CHECK(json::parse(host.ok("rewall --json remote rm origin")).empty());
  CHECK(changed("config lock.wait 20s"));
  CHECK_FALSE(changed("config lock.wait 20s"));
  CHECK(changed("config --unset lock.wait"));
  CHECK_FALSE(changed("config --unset lock.wait"));
  CHECK(changed("hooks install cron --root $PWD/root"));
  CHECK_FALSE(changed("hooks install cron --root $PWD/root"));
  CHECK(changed("hooks remove cron --root $PWD/root"));
  CHECK_FALSE(changed("init"));
  CHECK_FALSE(changed("snapshot"));
  CHECK_FALSE(changed("restore HEAD"));
  CHECK(changed("restore HEAD~1"));
  CHECK(changed("undo"));
  CHECK(changed("gc"));
  CHECK_FALSE(changed("gc"));
}

TEST_CASE("a message that nothing was made for is not lost in silence") {
  const Host host;
  make_history(host);
  CHECK(has(host.ends(0, "rewall snapshot -m mine"), "your message is not kept: --allow-empty"));
  CHECK_FALSE(has(host.ends(0, "rewall snapshot"), "message"));
  CHECK(has(host.ends(0, "rewall init"), "there is a repository already"));
}

TEST_CASE("colours follow the variables that other programs follow, and an open policy is red") {
  const Host host;
  make_history(host);
  const std::string red = "\x1b[31mpolicy DROP -> ACCEPT\x1b[0m";
  CHECK(has(host.ends(1, "rewall --color=always diff HEAD HEAD~1"), red));
  CHECK(has(host.ends(1, "rewall --color=always diff HEAD~1 HEAD"), "\x1b[32mpolicy ACCEPT -> DROP"));
  CHECK(has(host.ends(1, "CLICOLOR_FORCE=1 rewall diff HEAD HEAD~1"), red));
  CHECK_FALSE(has(host.ends(1, "CLICOLOR_FORCE=0 rewall diff HEAD HEAD~1"), "\x1b["));
  CHECK_FALSE(has(host.ends(1, "NO_COLOR=1 CLICOLOR_FORCE=1 rewall diff HEAD HEAD~1"), "\x1b["));
  CHECK_FALSE(has(host.ends(1, "CLICOLOR_FORCE=1 rewall --color=never diff HEAD HEAD~1"), "\x1b["));
}

TEST_CASE("the option -v says on standard error what is done, -vv which programs are run") {
  const Host host;
  make_history(host);
  const auto cached = host.sh("rewall -v status");
  CHECK(has(cached.err, "rewall: repository " + host.repository() + ", backend auto\n"));
  CHECK(has(cached.err, "they are not read again"));
  CHECK(cached.out == host.ok("rewall status"));
  host.ok("iptables -N mine");
  CHECK(std::regex_search(host.sh("rewall -v diff").err,
                          std::regex("rewall: read the live rules in [0-9]+ ms: nft, 1 rule, 0 sets\n")));
  CHECK_FALSE(has(host.sh("rewall -v diff").err, "rewall: run "));
  CHECK(has(host.sh("rewall -vv snapshot").err, "rewall: run "));
}

TEST_CASE("text fits terminals of 40, 80 and 120 columns, and commands to copy stay whole") {
  const Host host;
  make_history(host);
  host.ok(
      "iptables -N x; rewall snapshot -m 'a rather long subject that does not fit into forty columns at "
      "all'");
  for (const std::size_t width : {40, 80, 120}) {
    const auto shows = [&](const std::string& words) {
      return host.ok("python3 -c " + shell_quote(kTerminal) + " " +
                     shell_quote("stty cols " + std::to_string(width) + "; " REWALL_PROGRAM " --no-pager " +
                                 words + "; true"));
    };
    for (const char* words : {"--help", "log --help", "log", "revert", "snapshot -m x >/dev/null"}) {
      const auto text = shows(words);
      INFO(width << " " << words << "\n" << text);
      for (const auto line : split_lines(text)) {
        // The guards of other tests tell every terminal.
        if (has(line, "rewall: ") && has(line, " at 20")) continue;
        // Examples and commands are copied.
        if (has(line, "rewall log") || has(line, "rewall undo") || has(line, "rewall restore")) continue;
        CHECK(display_width(line) <= width);
      }
    }
    CHECK(has(shows("revert"), "'rewall restore REV'"));
  }
  // Elsewhere a line is a line.
  CHECK(host.ok("rewall log | wc -l") == "4\n");
}

TEST_CASE(
    "status, diff, blame, doctor and fleet wrap between words at 40, 80 and 120 columns, in a pipe not at "
    "all") {
  const Host host;
  make_history(host);
  host.ok(
      "git init -q --bare remote.git; rewall remote add origin $PWD/remote.git; rewall push -q; "
      "iptables -A INPUT -s 198.51.100.0/24 -p tcp -m multiport --dports 80,443,8080,8443 -m conntrack "
      "--ctstate "
      "NEW -m comment --comment '\xe6\x9d\xb1\xe4\xba\xac the office in another country, by night' -j "
      "ACCEPT; "
      "rewall snapshot -qm 'a rather long subject that does not fit into forty columns, nor into eighty of "
      "them'; "
      "git -C repo branch hosts/another hosts/$(hostname)~1; "
      "iptables -A OUTPUT -p udp -m multiport --dports 53,123,443 -m comment --comment 'names, time and the "
      "rest "
      "of them' -j ACCEPT");
  const std::vector<std::string> commands{"status",       "diff",      "diff HEAD~1",
                                          "blame LIVE",   "doctor",    "fleet list",
                                          "fleet status", "fleet log", "fleet diff another $(hostname)"};
  for (const auto& words : commands) {
    const auto piped = host.sh("rewall " + words).out;
    INFO(words << "\n" << piped);
    REQUIRE_FALSE(piped.empty());
    std::size_t longest = 0;
    for (const auto line : split_lines(piped)) longest = std::max(longest, display_width(line));
    CHECK(longest > (words == "fleet status" ? 40U : 60U));
    const auto bare = [](std::string text) {
      std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
      return text;
    };
    for (const std::size_t width : {40, 80, 120}) {
      // The terminal's width, and the variable's in a pipe.
      const auto shown =
          host.ok("python3 -c " + shell_quote(kTerminal) + " " +
                  shell_quote("stty cols " + std::to_string(width) +
                              "; " REWALL_PROGRAM " --no-pager --color always " + words + " 2>&1; true"));
      const auto asked = host.sh("COLUMNS=" + std::to_string(width) + " rewall " + words).out;
      for (const auto& text : {shown, asked}) {
        INFO(width << "\n" << text);
        for (const auto line : split_lines(text)) {
          if (has(line, "rewall: ") && has(line, " at 20"))
            continue;  // the guards of other tests tell every terminal
          if (has(line, "'rewall ") || has(line, "/") || has(line, "apt install ") ||
              has(line, "timedatectl "))
            continue;  // commands to copy, and paths, stay whole
          CHECK(display_width(line) <= width);
          CHECK_FALSE(line.ends_with(' '));
        }
      }
      // Times pass between the two.
      if (words.starts_with("diff")) CHECK(bare(asked) == bare(piped));
    }
  }
}
