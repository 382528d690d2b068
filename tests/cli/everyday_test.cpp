#include <fstream>
#include <nlohmann/json.hpp>

#include "support/host.h"
#include "support/skip.h"

using namespace rewall;
using nlohmann::json;

TEST_CASE("an administrator keeps a firewall, sees what changed, and gets back") {
  const Host host;
  host.load_guide_firewall();
  CHECK(has(host.ok("rewall init"), "first snapshot: 14 rules in 1 table"));
  CHECK(has(host.ok("rewall status"), "matches HEAD"));
  CHECK(host.ok("rewall diff").empty());

  host.ok(
      "iptables -I INPUT 3 -p tcp --dport 8443 -m comment --comment web -j ACCEPT; iptables -P FORWARD DROP");
  CHECK(has(host.ends(1, "rewall status"), "differs from HEAD by 2 changes"));
  CHECK(host.ends(1, "rewall diff") ==
        "ip filter INPUT\n"
        "  + 3     -p tcp --dport 8443 -j ACCEPT  # web\n"
        "\n"
        "ip filter FORWARD  policy ACCEPT -> DROP\n");
  host.ok("rewall snapshot -m 'a port'");
  const auto kept = host.rules();
  CHECK(has(host.ok("rewall log"), "a port"));

  host.ok("iptables -F; iptables -P INPUT ACCEPT");
  CHECK(has(host.ends(1, "rewall diff"), "policy DROP -> ACCEPT"));
  host.ok("rewall restore HEAD");
  CHECK(host.rules() == kept);
  CHECK(has(host.ok("rewall status"), "matches HEAD"));

  // What was lost was recorded first, and the result after.
  const auto log = json::parse(host.ok("rewall log --json"));
  REQUIRE(log.size() == 4);
  CHECK(log[0]["trigger"] == "restore");
  CHECK(log[0]["restores"] == log[2]["hash"]);
  CHECK(log[0]["commands"] == json::array({"rewall restore HEAD"}));
  CHECK(log[1]["summary"]["removed"] == 15);
  CHECK(log[2]["subject"] == "a port");
  CHECK(log[3]["trigger"] == "manual");
  host.ok("git -C repo fsck --strict && test -z \"$(git -C repo status --porcelain)\"");
}

TEST_CASE("a snapshot of what did not change makes no commit") {
  const Host host;
  host.ok("iptables -P INPUT DROP; rewall init");
  const auto first = host.ok("git -C repo rev-parse HEAD");
  CHECK(host.ok("rewall snapshot") == host.ok("rewall commit"));
  CHECK(host.ok("git -C repo rev-parse HEAD") == first);
  host.ok("rewall snapshot --allow-empty -m 'the auditors came'");
  CHECK(host.ok("git -C repo log -1 --format=%s") == "the auditors came\n");
}

TEST_CASE("a snapshot's files, branch, people and trailers are those of the contract") {
  const Host host;
  host.ok(
      "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -P INPUT DROP; ipset create bad hash:ip; "
      "ipset add bad 192.0.2.9; ipset add bad 192.0.2.1; rewall init");
  CHECK(host.ok("cat repo/rules.v4") ==
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n");
  CHECK(host.ok("cat repo/rules.v6") ==
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n");
  CHECK(host.ok("grep ^add repo/ipset") == "add bad 192.0.2.1\nadd bad 192.0.2.9\n");
  CHECK(host.ok("git -C repo symbolic-ref HEAD") == "refs/heads/hosts/" + host.ok("hostname"));
  CHECK(host.ok("stat -c %a repo repo/rules.v4 repo/ipset") == "700\n600\n600\n");
  CHECK(host.ok("git -C repo log -1 --format=%cn") == "rewall\n");
  CHECK(host.ok("git -C repo log -1 "
                "--format='%(trailers:key=Rewall-Trigger,valueonly)%(trailers:key=Rewall-Backend,"
                "valueonly)' | grep .") == "manual\nnft\n");
  CHECK(has(host.ok("git -C repo log -1 --format='%(trailers:key=Rewall-Tools,valueonly)'"), "1."));
  // On a day when rewall does not work.
  host.ok(
      "unshare -n sh -ec 'ipset restore <repo/ipset; iptables-restore <repo/rules.v4; "
      "iptables-save | grep -v ^# | diff - repo/rules.v4'");
}

TEST_CASE("a login user and an ssh address stand in the history") {
  const Host host;
  host.ok(
      "SUDO_UID=1 SSH_CONNECTION='198.51.100.7 1 203.0.113.1 22' rewall init; cat /proc/self/loginuid >uid");
  const auto actor = json::parse(host.ok("rewall log --json"))[0]["actor"].get<std::string>();
  CHECK(has(actor, "198.51.100.7"));
  // Where somebody is logged in, the login uid says more than sudo.
  if (host.ok("cat uid") == "4294967295") CHECK(actor == "daemon, 198.51.100.7 (perhaps)");
}

TEST_CASE("restoring a revision empties the tables and sets that it lacks") {
  const Host host;
  host.ok("iptables -P INPUT DROP; rewall init; rewall tag good");
  host.ok(
      "ipset create bad hash:net; iptables -t nat -A POSTROUTING -m set --match-set bad src -j MASQUERADE; "
      "ip6tables -A INPUT -j DROP; rewall snapshot");
  host.ok("rewall restore good");
  CHECK(host.rules() ==
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        ":POSTROUTING ACCEPT [0:0]\nCOMMIT\n");
  CHECK(host.ok("ipset save").empty());
  CHECK_FALSE(has(host.ok("ip6tables-save"), "-A INPUT"));
  host.ok("rewall undo");
  CHECK(has(host.rules(), "--match-set bad src -j MASQUERADE"));
  CHECK(has(host.ok("ip6tables-save"), "-A INPUT -j DROP"));
}

TEST_CASE("a restore can be of one family or one table") {
  const Host host;
  host.ok(
      "rewall init; rewall tag empty; iptables -A INPUT -j DROP; iptables -t nat -A PREROUTING -j RETURN; "
      "ip6tables -A INPUT -j DROP; rewall snapshot");
  host.ok("rewall restore empty --table nat");
  CHECK(has(host.rules(), "-A INPUT -j DROP"));
  CHECK_FALSE(has(host.rules(), "-A PREROUTING"));
  host.ok("rewall restore empty --family ipv6");
  CHECK(has(host.rules(), "-A INPUT -j DROP"));
  CHECK_FALSE(has(host.ok("ip6tables-save"), "-A INPUT"));
}

TEST_CASE("a dry run shows what would change and changes nothing") {
  const Host host;
  host.ok("iptables -P INPUT DROP; rewall init; iptables -P INPUT ACCEPT");
  const auto before = host.rules();
  CHECK(has(host.ends(1, "rewall restore --dry-run HEAD"), "policy ACCEPT -> DROP"));
  CHECK(host.rules() == before);
  CHECK(host.ok("git -C repo rev-list --count HEAD") == "1\n");
}

TEST_CASE("rules files are revisions, and speak of their own family alone") {
  const Host host;
  host.ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -P INPUT DROP; rewall init");
  host.ok("iptables-save >rules; sed -i 's/--dport 22 /--dport 2222 /' rules");
  CHECK(host.ends(1, "rewall diff HEAD file:rules") ==
        "ip filter INPUT\n  ~ 1     -p tcp --dport {22 -> 2222} -j ACCEPT\n");
  CHECK(host.ends(1, "rewall diff - <rules") ==
        "ip filter INPUT\n  ~ 1     -p tcp --dport {2222 -> 22} -j ACCEPT\n");
  CHECK(host.ok("rewall diff HEAD file:repo").empty());
  host.ok("rewall restore file:rules");
  CHECK(has(host.rules(), "--dport 2222"));
  CHECK(has(host.ok("ip6tables-save"), ":INPUT DROP"));
}

TEST_CASE("the commands of a diff turn one revision into the other") {
  const Host host;
  host.load_guide_firewall();
  host.ok(
      "rewall init; iptables -N WEB; iptables -A WEB -p tcp -m multiport --dports 80,443 -m comment "
      "--comment "
      "'it'\"'\"'s $(touch pwned)' -j ACCEPT; iptables -I INPUT 4 -j WEB; iptables -D INPUT 7; iptables -P "
      "FORWARD DROP; "
      "rewall snapshot; rewall checkout HEAD >after");
  host.ok("rewall diff --commands HEAD~1 HEAD >commands; test $? = 1");
  host.ok(
      "rewall restore HEAD~1; sh -e commands; test ! -e pwned; iptables-save | sed -e /^#/d -e "
      "'s/\\[[0-9]*:[0-9]*\\]/[0:0]/' | diff after -");
}

TEST_CASE("tags name revisions") {
  const Host host;
  host.ok("rewall init; iptables -P INPUT DROP; rewall snapshot; rewall tag good HEAD~1; rewall tag now");
  const auto tags = json::parse(host.ok("rewall tag --json"));
  REQUIRE(tags.size() == 2);
  CHECK(tags[0]["name"] == "good");
  CHECK(tags[0]["hash"].get<std::string>() + "\n" == host.ok("git -C repo rev-parse HEAD~1"));
  host.ok("rewall tag -d now");
  CHECK(json::parse(host.ok("rewall tag --json")).size() == 1);
  CHECK(has(host.ends(2, "rewall tag -d nwo"), "nwo"));
  CHECK(has(host.ends(2, "rewall tag x LIVE"), "'LIVE' is not a snapshot"));
}

TEST_CASE("years of backups become history, and HEAD stays what it was") {
  const Host host;
  host.ok(
      "iptables -P INPUT DROP; rewall init; cp repo/rules.v4 2.bak; sed 's/INPUT DROP/INPUT ACCEPT/' 2.bak "
      ">1.bak; "
      "touch -d '2021-05-01 12:00 UTC' 1.bak; touch -d '2022-06-02 12:00 UTC' 2.bak; rewall import 1.bak "
      "2.bak");
  CHECK(host.ok("git -C repo log --reverse --format=%as | sed -n 2,3p") == "2021-05-01\n2022-06-02\n");
  CHECK(has(host.ok("git -C repo show HEAD~1:rules.v4"), ":INPUT DROP"));
  CHECK(has(host.ok("rewall status"), "matches HEAD"));
  host.ok("rewall import --date '2020-01-02' 1.bak");
  CHECK(host.ok("git -C repo log -1 --format=%as HEAD~1") == "2020-01-02\n");
}

TEST_CASE("settings are documented keys with values that are checked") {
  const Host host;
  host.ok("rewall init; rewall config lock.wait 2s");
  CHECK(host.ok("rewall config lock.wait") == "2s\n");
  CHECK(has(host.ok("rewall config --list"), "lock.wait=2s"));
  CHECK(host.ends(2, "rewall config lock.wiat") ==
        "rewall: error: unknown key 'lock.wiat'\nhint: did you mean 'lock.wait'?\n");
  CHECK(has(host.ends(2, "rewall config lock.wait soon"), "'soon' is not a length of time"));
}

TEST_CASE("the settings of the host hold for every repository, under its own") {
  const Host host;
  host.ok("rewall init; rewall -C other init; rewall -C other config lock.wait 3s");
  // A folder /etc/rewall of this test's own.
  const auto with_host = [&](const std::string& config, const std::string& words) {
    std::ofstream(host.folder() / "host-config") << config;
    std::ofstream(host.folder() / "with-host")
        << "mkdir -p layer; mount -t tmpfs none layer; mkdir layer/up layer/work layer/up/rewall\n"
           "cp host-config layer/up/rewall/config; chmod 755 layer/up/rewall; chmod 644 "
           "layer/up/rewall/config\n"
           "mount -t overlay none -o lowerdir=/etc,upperdir=layer/up,workdir=layer/work /etc\n"
        << words << "\n";
    return host.sh("unshare -m bash -e ./with-host");
  };
  const std::string config = "[lock]\n  wait = 7s\n[owner \"mine\"]\n  chain = MINE-*\n";
  CHECK(with_host(config, REWALL_PROGRAM " config lock.wait").out == "7s\n");
  CHECK(with_host(config, REWALL_PROGRAM " -C other config lock.wait").out == "3s\n");
  CHECK(has(with_host(config, REWALL_PROGRAM " config --list").out, "owner.mine.chain=MINE-*\n"));
  const auto origins = with_host(config, REWALL_PROGRAM " -C other config --list --show-origin").out;
  CHECK(has(origins, "file:" + (host.folder() / "other/.git/rewall/config").string() + "\tlock.wait=3s\n"));
  CHECK(has(origins, "file:/etc/rewall/config\towner.mine.chain=MINE-*\n"));
  CHECK(has(origins, "default\tgc.auto=1000\n"));
  const auto unset =
      REWALL_PROGRAM " -C other config --unset lock.wait; " REWALL_PROGRAM " -C other config lock.wait";
  CHECK(with_host(config, unset).out == "7s\n");
  // The repository's own was removed, the host's file is as it was.
  CHECK(host.ok("rewall -C other config lock.wait") == "30s\n");
  // The first snapshot too is signed with the host's key.
  host.ok("ssh-keygen -q -t ed25519 -f key -N ''");
  CHECK(
      with_host("[sign]\n  key = " + (host.folder() / "key").string() + "\n", REWALL_PROGRAM " -C third init")
          .status == 0);
  CHECK(has(host.ok("git -C third cat-file commit HEAD"), "\ngpgsig -----BEGIN SSH SIGNATURE-----\n"));
  const auto open = with_host(config, "chmod 666 /etc/rewall/config; " REWALL_PROGRAM " config lock.wait");
  CHECK(open.status == 5);
  CHECK(has(open.err, "/etc/rewall/config: others can write to it"));
}

TEST_CASE("a second init says that the repository is there") {
  const Host host;
  const auto first = host.ok("rewall init; git -C repo rev-parse HEAD");
  host.ok("iptables -A INPUT -j DROP");
  CHECK(has(host.ok("rewall init 2>&1"), "there is a repository already"));
  CHECK(has(host.ok("rewall --json init 2>/dev/null"), "\"changed\":false"));
  host.ok("rewall init --remote /srv/f.git; rewall init --remote /srv/f.git");
  host.ok("rewall init -c lock.wait=20s -c push.stale=2h");
  CHECK(host.ok("rewall config lock.wait; rewall config push.stale") == "20s\n2h\n");
  CHECK(host.ok("rewall remote list") == "origin  /srv/f.git\n");
  host.ends(2, "rewall init --remote /srv/other.git");
  CHECK(has(first, host.ok("git -C repo rev-parse HEAD")));
}

TEST_CASE("status exits 1 for what needs a person, and names it") {
  const Host host;
  host.ok("iptables -N f2b-sshd; iptables -A INPUT -p tcp --dport 22 -j f2b-sshd; rewall init");
  const auto status = [&](int expected) {
    host.ends(expected, "rewall status");
    return json::parse(host.sh("rewall --json status").out);
  };
  CHECK(status(0)["reasons"] == json::array());
  // A ban: fail2ban's own doing.
  host.ok("iptables -A f2b-sshd -s 192.0.2.1 -j REJECT");
  const auto banned = status(0);
  CHECK(banned["foreign_changes"] == 1);
  CHECK(banned["changes"] == 0);
  CHECK(banned["clean"] == true);
  CHECK(has(host.ok("rewall status"), "but for 1 change of other programs"));
  host.ok("iptables -A INPUT -p tcp --dport 80 -j DROP");
  const auto changed = status(1);
  CHECK(changed["reasons"] == json::array({"live-differs"}));
  CHECK(changed["changes"] == 1);
  CHECK(changed["clean"] == false);
  CHECK(
      host.ends(1, "rewall status").starts_with("problem  the live rules differ from HEAD (live-differs)\n"));
}

TEST_CASE("a guard of another repository is shown by status, and named by confirm") {
  const Host host;
  host.ok("rewall init; rewall -C other init; rewall try --for 10m --yes -- iptables -A INPUT -j DROP");
  const auto repository = (host.folder() / "repo").string();
  CHECK(has(host.ends(1, "rewall -C other status"), "of the repository " + repository + ", is armed"));
  for (const char* command : {"confirm", "rollback"}) {
    const auto said = host.ends(3, "rewall -C other " + std::string(command));
    CHECK(has(said, "'rewall -C " + repository + " rollback' reverts it"));
  }
  // A change beside it stands and falls with the guard: `undo` of it would be refused.
  const auto before = host.rules();
  const auto beside = host.ok(
      "iptables-save >web; sed -i 's/^COMMIT/-A INPUT -p udp --dport 9 -j ACCEPT\\nCOMMIT/' web; "
      "rewall -C other apply web 2>&1");
  CHECK(has(beside, "in force, unless the guard of root"));
  CHECK(has(beside, "; take both back: rewall -C " + repository + " rollback\n"));
  host.ends(3, "rewall -C other undo");
  CHECK(host.rules() != before);
  host.ok("rewall -C " + repository + " rollback");
  CHECK_FALSE(has(host.rules(), "INPUT -"));
}

TEST_CASE("help is asked for by a word, and lists the commands where there is none") {
  const Host host;
  const auto all = host.ok("rewall");
  CHECK(has(all, "restore"));
  CHECK(host.ok("rewall help") == all);
  CHECK(host.ok("rewall help diff") == host.ok("rewall diff --help"));
  CHECK(host.ok("rewall help commit") == host.ok("rewall snapshot --help"));
  CHECK(has(host.ends(2, "rewall help dif"), "did you mean 'rewall diff'?"));
}

TEST_CASE("a time needs its unit, and its error comes before errors of what follows") {
  const Host host;
  host.ok("rewall init");
  const auto said = host.ends(2, "rewall try --for 10 -- iptables -A INPUT -j DROP");
  CHECK(has(said, "--for: '10' has no unit"));
  CHECK(has(said, "10s for seconds, 10m for minutes"));
  CHECK_FALSE(has(host.rules(), "DROP"));
}

TEST_CASE("the completion of a shell is a script of that shell, with the words of a command") {
  const Host host;
  host.ok("rewall init; rewall completion bash >c && bash -n c; mkdir bin; ln -s " REWALL_PROGRAM
          " bin/rewall");
  const auto completes = [&](const std::string& words) {
    return host.ok("PATH=$PWD/bin:$PATH bash -c '. ./c; COMP_WORDS=(" + words +
                   "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _rewall; echo \"${COMPREPLY[@]}\"'");
  };
  CHECK(completes("rewall rest") == "restore\n");
  CHECK(completes("rewall -C /x restore --ex") == "--exact\n");
  CHECK(completes("rewall diff LI") == "LIVE\n");
  CHECK(completes("rewall hooks ins") == "install\n");
  CHECK(completes("rewall commit --allow") == "--allow-empty\n");
  CHECK(completes("rewall restore --family ip") == "ipv4 ipv6\n");
  CHECK(completes("rewall config lock.") == "lock.wait\n");
  CHECK(completes("rewall hooks install fail") == "fail2ban\n");
  CHECK(completes("rewall template apply web") == "web-server\n");
  CHECK(completes("rewall template render web-server --set ssh") == "ssh_from= ssh_ports=\n");
  host.ok(
      "git init -q --bare r.git; rewall -C other init; rewall -C other tag hers; rewall -C other remote add "
      "far $PWD/r.git");
  CHECK(completes("rewall -C other diff her") == "hers\n");
  CHECK(completes("rewall diff her") == "\n");
  CHECK(completes("rewall -C other push f") == "far\n");
  CHECK(completes("rewall -C othe") == "other\n");
  host.ends(2, "rewall completion tcsh");
}

TEST_CASE("zsh completes what a person types") {
  const Host host;
  if (host.sh("command -v zsh script").status != 0) skip("no zsh here");
  host.ok("rewall init; rewall tag good; mkdir z bin; rewall completion zsh >z/_rewall; ln -s " REWALL_PROGRAM
          " bin/rewall");
  // Ctrl-A and Ctrl-E go to both ends of the line: what was completed is printed, not run.
  const auto got = host.ok(R"sh(
export PATH=$PWD/bin:$PATH TERM=dumb
{ echo "PS1=; fpath=($PWD/z \$fpath); autoload -U compinit; compinit -u -D; bindkey -e; setopt nobeep"; sleep 1
  for words in 'rest' 'hooks ins' 'diff go' 'config lock.' 'template apply web' 'template render web-server --set ssh_f'; do
    printf 'rewall %s\t\001echo GOT \005\n' "$words"
  done
  echo exit
} | timeout 100 script -qec 'zsh -f -i' /dev/null | tr -d '\r' | grep -a '^GOT'
)sh");
  CHECK(got ==
        "GOT rewall restore\nGOT rewall hooks install\nGOT rewall diff good\nGOT rewall config lock.wait\n"
        "GOT rewall template apply web-server\nGOT rewall template render web-server --set ssh_from=\n");
}

TEST_CASE("fish completes what a person types") {
  const Host host;
  if (host.sh("command -v fish").status != 0) skip("no fish here");
  host.ok("rewall init; rewall tag good; mkdir bin; rewall completion fish >f; ln -s " REWALL_PROGRAM
          " bin/rewall");
  const auto got = host.ends(0, R"sh(HOME=$PWD PATH=$PWD/bin:$PATH fish -c 'source f
for words in rest "hooks ins" "diff go" "config lock." "template apply web" "template render web-server --set ssh_f"
  complete -C "rewall $words" | cut -f 1
end')sh");
  CHECK(got == "restore\ninstall\ngood\nlock.wait\nweb-server\nssh_from=\n");
}

TEST_CASE("the log filters by time, place, words and people") {
  const Host host;
  host.ok(
      "rewall init; iptables -A INPUT -j DROP; rewall snapshot; iptables -t nat -A PREROUTING -j RETURN; "
      "rewall snapshot -m 'port forwarding'");
  const auto lines = [&](const std::string& options) {
    return host.ok("rewall log --oneline " + options + " | wc -l");
  };
  CHECK(lines("") == "3\n");
  CHECK(lines("-n 2") == "2\n");
  CHECK(lines("--table nat") == "1\n");
  CHECK(lines("--chain INPUT") == "1\n");
  CHECK(lines("--grep FORW") == "1\n");
  CHECK(lines("--since '1 hour ago'") == "3\n");
  CHECK(lines("--until '1 hour ago'") == "0\n");
  CHECK(lines("--author nobody-of-that-name") == "0\n");
  CHECK(lines("HEAD~1") == "2\n");
  CHECK(has(host.ends(2, "rewall log --grep '('"), "no regular expression"));
}

TEST_CASE("status in JSON has the shape of the contract") {
  const Host host;
  host.ok("rewall init --remote https://backup.example.org/fw.git");
  const auto status = json::parse(host.ok("rewall status --json"));
  CHECK(status["clean"] == true);
  CHECK(status["head"].get<std::string>() + "\n" == host.ok("git -C repo rev-parse HEAD"));
  CHECK(status["host"].get<std::string>() + "\n" == host.ok("hostname"));
  CHECK(status["backend"] == "nft");
  CHECK(status["changes"] == 0);
  CHECK(status["guard"].is_null());
  CHECK(status["watch"] == false);
  CHECK(status["journal"].is_null());
  CHECK(status["remote"]["name"] == "origin");
  CHECK(status["remote"]["behind"] == 1);
}

TEST_CASE("the generation answers for nft, and sets are looked at") {
  const Host host;
  host.ok("iptables -P INPUT DROP; rewall init");
  CHECK(has(host.ok("rewall -vv status 2>&1"), "matches HEAD"));
  CHECK_FALSE(has(host.ok("rewall -vv status 2>&1"), "iptables-nft-save"));
  host.ok("ipset create bad hash:ip");
  CHECK(has(host.ends(1, "rewall status"), "differs"));
  host.ok("rewall snapshot; iptables -A INPUT -j DROP; iptables -D INPUT -j DROP");
  CHECK(has(host.ok("rewall -vv status 2>&1"), "iptables-nft-save"));
}

TEST_CASE("the legacy backend is recorded and restored as itself") {
  const Host host;
  host.ok("iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-legacy -P INPUT DROP; rewall init");
  CHECK(json::parse(host.ok("rewall status --json"))["backend"] == "legacy");
  const auto before = host.ok("iptables-legacy-save | grep -v ^#");
  host.ok("iptables-legacy -F; rewall restore HEAD");
  CHECK(host.ok("iptables-legacy-save | grep -v ^#") == before);
  CHECK_FALSE(has(host.rules(), "--dport 22"));
}

TEST_CASE("the same rules in the other backend are no state that LIVE has already") {
  const Host host;
  host.ok("iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init");
  host.ok("iptables-legacy -F; iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot");
  const auto part = host.ends(2, "rewall restore HEAD~1 --table filter");
  CHECK(has(part, "was recorded from the legacy backend"));
  CHECK(has(part, "restore all of it: rewall -C "));
  host.ends(2, "rewall restore HEAD~1 --family ipv4");
  CHECK(has(host.ends(1, "rewall restore HEAD~1 --dry-run 2>&1"), "all rules move from nft to legacy"));
  CHECK(has(host.ok("iptables-nft-save 2>/dev/null"), "--dport 22"));
  const auto said = host.ok("rewall restore HEAD~1 2>&1");
  CHECK(has(said, "all rules move from nft to legacy"));
  CHECK_FALSE(has(said, "already"));
  CHECK(has(host.ok("iptables-legacy-save"), "--dport 22"));
  CHECK_FALSE(has(host.ok("iptables-nft-save 2>/dev/null"), "--dport 22"));
  CHECK(has(host.ok("rewall restore HEAD 2>&1"), "nothing to do: the live rules already match "));
}

TEST_CASE("a second backend is no move of all rules") {
  const Host host;
  host.ok(
      "iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT; iptables-nft -A INPUT -p tcp --dport 80 -j "
      "ACCEPT; "
      "rewall init; iptables-nft -F; rewall snapshot");
  const auto said = host.ends(0, "rewall restore HEAD~1");
  INFO(said);
  CHECK_FALSE(has(said, "all rules move"));
  CHECK(has(host.ok("iptables-legacy-save"), "--dport 22"));
  CHECK(has(host.ok("iptables-nft-save 2>/dev/null"), "--dport 80"));
  CHECK_FALSE(has(host.ends(0, "rewall restore HEAD~1"), "all rules move"));
}

TEST_CASE("rules of both backends are kept apart") {
  const Host host;
  host.ok(
      "iptables-nft -A INPUT -p tcp --dport 80 -j ACCEPT; iptables-legacy -A INPUT -p tcp --dport 22 -j "
      "ACCEPT; "
      "rewall init");
  CHECK(has(host.ok("cat repo/rules.v4"), "--dport 80"));
  CHECK(has(host.ok("cat repo/rules.v4.legacy"), "--dport 22"));
  host.ok("iptables-nft -F; iptables-legacy -F");
  CHECK(has(host.ends(1, "rewall diff"), "ip (legacy) filter INPUT"));
  host.ok("rewall restore HEAD");
  CHECK(has(host.ok("iptables-nft-save 2>/dev/null"), "--dport 80"));
  CHECK(has(host.ok("iptables-legacy-save"), "--dport 22"));
}

TEST_CASE("an empty file is no ruleset, and a folder speaks of the files that it has") {
  const Host host;
  host.ok(
      "iptables -P INPUT DROP; ip6tables -P INPUT DROP; rewall init; : >empty; echo '# nothing' >remarks");
  for (const char* command : {"rewall restore - </dev/null", "rewall restore file:empty",
                              "rewall restore file:remarks", "rewall import empty"}) {
    INFO(command);
    CHECK(has(host.ends(2, command), "no '*table' line found"));
  }
  CHECK(has(host.ends(2, "rewall restore file:/dev/null"), "/dev/null: not a plain file"));
  CHECK(has(host.rules(), ":INPUT DROP"));
  host.ok("mkdir f; sed s/DROP/ACCEPT/ repo/rules.v4 >f/rules.v4; rewall restore file:f");
  CHECK(has(host.ok("ip6tables-save"), ":INPUT DROP"));
}

TEST_CASE("the family of a rules file is what its name says, where its text does not") {
  const Host host;
  host.ok(
      "ip6tables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -P INPUT DROP; rewall init; ip6tables -F; "
      "rewall restore file:repo/rules.v6");
  CHECK(has(host.rules(), ":INPUT DROP"));
  CHECK(has(host.ok("ip6tables-save"), "--dport 22"));
  CHECK(has(host.ends(2, "rewall diff file:repo/rules.v4 file:repo/rules.v6"), "different families"));
}

TEST_CASE("a backend that a run does not look at is not touched") {
  const Host host;
  host.ok(
      "iptables -A INPUT -s 192.0.2.1 -j DROP; rewall init; iptables -A INPUT -s 192.0.2.2 -j DROP; "
      "iptables-legacy -A INPUT -p tcp --dport 99 -j DROP");
  const auto nft = host.ok("iptables-nft-save 2>/dev/null | grep ^-A");
  host.ends(2, "rewall --backend legacy restore HEAD");
  CHECK(host.ok("iptables-nft-save 2>/dev/null | grep ^-A") == nft);
  CHECK(host.ok("git -C repo rev-list --count HEAD") == "1\n");
}

TEST_CASE("a signal during a restore waits until it is whole and recorded") {
  const Host host;
  host.ok(
      "{ echo '*filter'; for i in $(seq 3000); do echo \"-A INPUT -s 10.0.$((i / 250)).$((i % 250)) -j "
      "DROP\"; done; "
      "echo COMMIT; } >big; iptables-restore <big; rewall init; iptables -F; rewall snapshot");
  for (const char* delay : {"0.03", "0.08", "0.13", "0.2"}) {
    INFO(delay);
    host.sh("rewall restore HEAD~1 & pid=$!; sleep " + std::string(delay) +
            "; kill -INT $pid; kill -HUP $pid; wait $pid");
    host.ok("rewall status");  // what is in force is what HEAD says
    host.ok("rewall restore $(git -C repo rev-list --max-parents=0 HEAD); iptables -F; rewall snapshot");
  }
}

TEST_CASE("the commands of a diff name the legacy programs on a legacy host") {
  const Host host;
  host.ok("iptables-legacy -A INPUT -s 192.0.2.1 -j DROP; rewall init; iptables-legacy -F");
  host.ok("rewall diff --commands LIVE HEAD >commands; test $? = 1; sh -e commands; rewall status");
  CHECK(has(host.ok("iptables-legacy-save"), "-s 192.0.2.1/32 -j DROP"));
}

TEST_CASE("the commands of a diff keep an ipset comment as it is") {
  const Host host;
  host.ok(
      R"(ipset create c hash:ip comment; rewall init; printf '%s\n' 'add c 192.0.2.1 comment "a\b"' )"
      R"('add c 192.0.2.2 comment "it is $(id) \"' | ipset restore; rewall snapshot; ipset save c | sort >wanted; ipset flush c; )"
      R"(rewall diff --commands LIVE HEAD >commands; test $? = 1; sh -e commands; ipset save c | sort | diff wanted -)");
}

TEST_CASE("a length of time in a setting has its unit, and a year its month") {
  const Host host;
  host.ok("rewall init");
  const auto said = host.ends(2, "rewall config network.timeout 10");
  CHECK(has(said, "network.timeout: '10' has no unit\nhint: write 10s for seconds, 10m for minutes\n"));
  CHECK(has(host.ends(2, "rewall -C other init -c lock.wait=10"), "lock.wait: '10' has no unit"));
  host.ok("rewall config network.timeout 10s; rewall config gc.auto 100; rewall config fetch.limit 1000000");
  // What is in a file is read as before.
  host.ok("git -C repo config lock.wait 7; test $(rewall config lock.wait) = 7; rewall snapshot");
  CHECK(has(host.ends(2, "rewall log --since=2022"),
            "hint: write a year with its month and day: 2022-01-01\n"));
  for (const char* command : {"log INPUT", "blame FORWARD"})
    CHECK(has(host.ends(2, std::string("rewall ") + command),
              "hint: this is the name of a chain: --chain names it, for log and blame\n"));
}

TEST_CASE("a host that is named as a person names it leads to its branch") {
  const Host host;
  host.ok(
      "git init -q --bare r.git; unshare -u sh -c 'hostname web1; " REWALL_PROGRAM
      " init'; git -C repo push -q $PWD/r.git hosts/web1; unshare -u sh -c 'hostname web2; " REWALL_PROGRAM
      " -C c clone '$PWD'/r.git' 2>said");
  const auto said = host.ok("cat said");
  INFO(said);
  CHECK(has(said, "no host is named web2: 'rewall -C "));
  CHECK(has(said, "the hosts are web1: to be one of them: mv "));
  CHECK(has(said, "r.git --host web1\n"));
  for (const char* command : {"diff web1 LIVE", "diff origin/web1 LIVE", "restore web1"})
    CHECK(has(host.ends(2, std::string("rewall -C c ") + command), "did you mean 'origin/hosts/web1'?"));
  // The commands that it printed bring the host.
  host.ok("line=$(sed -n 's/.*one of them: //p' said); rewall() { " REWALL_PROGRAM
          " \"$@\"; }; eval \"$line\"; test $(git -C c symbolic-ref --short HEAD) = hosts/web1");
}

TEST_CASE("status tells of a history that is damaged, and of all else that it knows") {
  const Host host;
  host.ok(
      "iptables -A INPUT -p tcp --dport 1 -j ACCEPT; rewall init -q; for p in 2 3; do iptables -A INPUT -p "
      "tcp --dport "
      "$p -j ACCEPT; rewall -q snapshot; done; cp -a repo whole");
  const auto damaged = [&](const std::string& harm) {
    host.ok(
        "rm -rf repo; cp -a whole repo; empty() { o=$(git -C repo rev-parse $1); "
        "o=repo/.git/objects/${o%${o#??}}/${o#??}; chmod u+w $o; : >$o; }; " +
        harm);
    const auto said = host.ends(1, "rewall status");
    INFO(harm << "\n" << said);
    CHECK(said.starts_with("problem  the history is damaged (history-damaged)\n"));
    CHECK(has(said, "\nhistory  DAMAGED: "));
    CHECK(has(host.sh("rewall status --json").out, "\"reasons\":[\"history-damaged\"]"));
    return said;
  };
  const auto name = [&](const std::string& revision) {
    return "snapshot " + host.ok("git -C whole rev-parse " + revision).substr(0, 10);
  };
  for (const std::string part : {"HEAD", "HEAD^{tree}", "HEAD:rules.v4"}) {
    const auto said = damaged("empty " + part);
    CHECK(has(said, "DAMAGED: " + name("HEAD")));
  }
  CHECK(has(damaged("empty HEAD"), "LIVE     cannot be compared with HEAD"));
  for (const std::string part : {"HEAD~1", "HEAD~1^{tree}", "HEAD~1:rules.v4"}) {
    const auto said = damaged("empty " + part);
    CHECK(has(said, "DAMAGED: " + name("HEAD~1")));
    CHECK(has(said, "LIVE     matches HEAD"));
  }
  for (const std::string harm : {": >", "rm "}) {
    CHECK(
        has(damaged("for f in repo/.git/refs/heads/hosts/*; do " + harm + "$f; done"), "the branch hosts/"));
    // The next command that writes puts it back.
    host.ok("rewall -q snapshot --allow-empty; rewall status");
  }
}

TEST_CASE("what --backend does not look at is not recorded as gone") {
  const Host host;
  host.ok(
      "iptables-legacy -P INPUT DROP; iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A "
      "FORWARD -s "
      "192.0.2.1 -j DROP; rewall init; iptables-legacy-save >legacy; iptables-save >web; sed -i "
      "'s/^COMMIT/-A FORWARD -s 192.0.2.2 -j DROP\\nCOMMIT/' web");
  const auto head = host.ok("git -C repo rev-parse HEAD");
  const auto before = host.rules();
  for (const std::string command :
       {"snapshot", "apply web", "try --for 10m --yes -- iptables -N x", "undo"}) {
    INFO(command);
    CHECK(has(host.ends(2, "rewall --backend nft " + command), "HEAD has rules of the legacy backend"));
    CHECK(host.ok("git -C repo rev-parse HEAD") == head);
    CHECK(host.rules() == before);
  }
  host.ok(
      "iptables -A FORWARD -s 192.0.2.3 -j DROP; rewall snapshot; rewall undo; iptables-legacy-save >now");
  CHECK(host.rules() == before);
  host.ok("grep -v '^[#:]' legacy >a; grep -v '^[#:]' now >b; cmp a b");
}

TEST_CASE("undo of what belongs to another program by now says so, and is not used up") {
  const Host host;
  host.ok(
      "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init; iptables -N DOCKER-USER; iptables -A "
      "FORWARD -j "
      "DOCKER-USER; iptables -A DOCKER-USER -s 192.0.2.6 -j DROP; rewall snapshot; rewall tag dock; iptables "
      "-D "
      "FORWARD -j DOCKER-USER; iptables -F DOCKER-USER; iptables -X DOCKER-USER; rewall snapshot");
  const auto before = host.rules();
  host.ok("rewall restore dock");
  const auto restored = host.rules();
  REQUIRE(restored != before);
  const auto head = host.ok("git -C repo rev-parse HEAD");
  const auto said = host.ends(3, "rewall undo");
  CHECK(has(said, "docker"));
  CHECK(host.rules() == restored);
  CHECK(host.ok("git -C repo rev-parse HEAD") == head);
  CHECK(has(said, "rewall -C " + host.repository() + " undo --exact"));
  host.ok("rewall undo --exact");
  CHECK(host.rules() == before);
}

TEST_CASE("a part that is restored brings the sets that it names, and says which of them are others by now") {
  const Host host;
  host.ok(
      "ipset create admin hash:ip; ipset add admin 192.0.2.1; ipset create web hash:ip; ipset create other "
      "hash:ip; "
      "iptables -A INPUT -m set --match-set admin src -j ACCEPT; iptables -A INPUT -m set --match-set web "
      "src -j "
      "ACCEPT; iptables -t nat -A PREROUTING -m set --match-set other src -j RETURN; rewall init; rewall tag "
      "a; "
      "iptables -F; iptables -t nat -F; ipset flush admin; ipset destroy web; ipset destroy other; rewall "
      "snapshot");
  const auto said = host.ends(0, "rewall restore --table filter a");
  CHECK(has(said, "the rules name set admin, which is otherwise in a: that of LIVE stays as it is"));
  CHECK_FALSE(has(said, "name set web"));
  CHECK(host.ok("ipset list -n | sort") == "admin\nweb\n");
  CHECK(host.ok("ipset save admin | grep -c '^add' || :") == "0\n");
}

TEST_CASE("a remote in a folder is kept by its whole path, wherever the next command runs") {
  const Host host;
  host.ok("git init -q --bare r.git; rewall init --remote r.git; rewall push; rewall init --remote ./r.git");
  CHECK(host.ok("git -C repo config remote.origin.url") == (host.folder() / "r.git").string() + "\n");
  host.ok(
      "mkdir in; cd in; rewall fetch; rewall -C ../new clone ../r.git; rewall remote add two ../r.git; "
      "rewall push two");
  CHECK(host.ok("git -C repo config remote.two.url") == (host.folder() / "r.git").string() + "\n");
  host.ok("rewall remote set-url two git@example.org:r.git");
  CHECK(host.ok("git -C repo config remote.two.url") == "git@example.org:r.git\n");
}

TEST_CASE("a repository without its folder of refs has all of its history") {
  const Host host;
  host.ok("rewall init; iptables -N one; rewall snapshot");
  const auto head = host.ok("git -C repo rev-parse HEAD");
  host.ok("rm -r repo/.git/refs");
  CHECK(host.ok("rewall log --oneline | wc -l") == "2\n");
  host.ok("rewall status; rewall -q snapshot --allow-empty");
  CHECK(host.ok("git -C repo rev-parse HEAD~1") == head);
  CHECK(host.ok("rewall log --oneline | wc -l") == "3\n");
}
