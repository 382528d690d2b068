// What rewall says is so, and what happens is said: a guard that takes back what somebody records meanwhile,
// settings that are not used, times that the history does not reach, and causes that lie here, not elsewhere.
#include <algorithm>
#include <cctype>

#include "support/guarded_host.h"

using namespace rewall;
using nlohmann::json;

namespace {

const std::string kSession = "export SSH_CONNECTION='127.0.0.1 40000 127.0.0.1 22'; ";

/// Runs words where /etc/rewall is the folder `rewall` of the host.
std::string with_own_etc(const std::string& words) {
  return "unshare -m bash -c " +
         shell_quote(
             "mkdir -p layer && mount -t tmpfs none layer && mkdir layer/up layer/work && cp -a rewall "
             "layer/up/rewall && mount -t overlay none -o "
             "lowerdir=/etc,upperdir=layer/up,workdir=layer/work /etc; " +
             words);
}

std::string short_of(const std::string& hash) {
  return hash.substr(0, 10);
}

}  // namespace

// --- a guard and what is recorded under it

TEST_CASE("a snapshot under an armed guard says that the guard takes it back") {
  const GuardedHost host;
  host.ok("rewall try --for 10m -- iptables -A INPUT -p tcp --dport 80 -j ACCEPT");
  const std::string confirm = "unless you run 'rewall -C " + host.repository() + " confirm'";
  for (const char* words :
       {"iptables -A INPUT -p tcp --dport 81 -j ACCEPT; rewall commit -m 'keep it'", "rewall snapshot -q"}) {
    const auto said = host.sh(words);
    INFO(said.err);
    CHECK(said.status == 0);
    CHECK(has(said.err, "GUARD ARMED: reverts at "));
    CHECK(has(said.err, confirm));
    CHECK(has(said.err, "a snapshot does not confirm the change"));
  }
  // Another repository of this network namespace.
  const auto other = host.sh("rewall -C other init && rewall -C other snapshot --allow-empty");
  INFO(other.err);
  CHECK(has(other.err, "'rewall -C " + host.repository() + " confirm'"));
  host.ok("rewall confirm");
  CHECK_FALSE(has(host.sh("rewall snapshot --allow-empty").err, "GUARD"));
}

TEST_CASE("the tag good on what a guard takes back is said, when it is set and when the guard has fired") {
  const GuardedHost host;
  const auto old = short_of(host.hash("old"));
  host.ok("rewall tag good");
  host.ok("rewall try --for 10m -- iptables -A INPUT -p tcp --dport 80 -j ACCEPT");
  CHECK_FALSE(has(host.sh("rewall tag other").err, "GUARD"));
  CHECK_FALSE(has(host.sh("rewall tag good old").err, "GUARD"));
  const auto said = host.sh("rewall tag good");
  INFO(said.err);
  CHECK(said.status == 0);
  CHECK(has(said.err, "GUARD ARMED: reverts at "));
  const std::string back = "tag good " + old;
  CHECK(has(said.err, "undo this: rewall -C " + host.repository() + " " + back));
  const auto tried = host.hash("HEAD");
  host.time_is_up();
  host.until_gone();
  const auto status = host.sh("rewall status");
  INFO(status.out);
  CHECK(has(status.out, "good     the tag names " + short_of(tried) + ", which the guard of "));
  CHECK(has(status.out, "'rewall -C " + host.repository() + " " + back + "' "));
  CHECK(host.status()["good_reverted"] == tried);
  CHECK(has(host.sh("rewall doctor").out, "the tag names " + short_of(tried)));
  // Their hint, as they print it.
  host.ok("rewall " + back);
  CHECK(host.status()["good_reverted"].is_null());
  CHECK_FALSE(has(host.sh("rewall status").out, "\ngood  "));
  CHECK_FALSE(has(host.sh("rewall doctor").out, "the tag names "));
}

TEST_CASE("without a tag good before, the hint takes it away; what was confirmed is good") {
  const GuardedHost host;
  host.ok("rewall try --for 10m -- iptables -A INPUT -p tcp --dport 80 -j ACCEPT");
  CHECK(has(host.sh("rewall tag good").err, "undo this: rewall -C " + host.repository() + " tag -d good"));
  host.ok("rewall confirm");
  CHECK(host.status()["good_reverted"].is_null());
}

TEST_CASE(
    "after a guard has fired, status and redo say how the change is tried again, and undo what it leaves") {
  const GuardedHost host;
  host.ok("iptables -A INPUT -p tcp --dport 80 -j ACCEPT; rewall snapshot -m 'port 80'");
  host.ok("rewall try --for 10m -- iptables -A INPUT -p tcp --dport 81 -j ACCEPT");
  const auto tried = short_of(host.hash("HEAD"));
  host.time_is_up();
  host.until_gone();
  const std::string again = "rewall -C " + host.repository() + " restore --for 10m " + tried;
  CHECK(has(host.sh("rewall status").out, "to try it again: " + again));
  const auto redo = host.sh("rewall redo");
  CHECK(redo.status == 3);
  CHECK(redo.err ==
        "rewall: error: nothing to redo: the newest change was not undone, a guard took it back; LIVE is "
        "untouched\n"
        "hint: to try it again: " +
            again + "\n");
  host.ok(again);
  CHECK(has(host.rules(), "--dport 81 -j ACCEPT"));
  const auto tried_again = short_of(host.hash("HEAD"));
  host.ok("rewall rollback");
  const auto undo = host.sh("rewall undo --dry-run");
  CHECK(has(undo.err, tried_again + " '"));
  CHECK(has(undo.err, "is not in force any more: a guard or a rollback took it back"));
  CHECK(has(undo.err, "'port 80'"));
}

// --- confirm and a login that is blocked

TEST_CASE("confirm says that a new ssh login is blocked, and asks once more on a terminal") {
  const GuardedHost host(
      "ip link set lo up; iptables -t nat -F; iptables -I INPUT -m conntrack --ctstate ESTABLISHED -j "
      "ACCEPT");
  const std::string closes =
      kSession + "rewall try --for 10m -- iptables -D INPUT -p tcp --dport 22 -j ACCEPT";
  const std::string blocked =
      "a new ssh login is BLOCKED (its packets in meet DROP by ip filter INPUT policy DROP)";
  const std::string undo =
      ": do not close this session; 'rewall -C " + host.repository() + " undo' reverts the change";
  host.ok(closes);
  // Without a terminal a person's word counts.
  auto said = host.sh(kSession + "rewall confirm");
  INFO(said.err);
  CHECK(said.status == 0);
  CHECK(has(said.err, blocked + undo));
  CHECK_FALSE(host.armed());
  host.ok("rewall undo");
  // On one it asks.
  host.ok(closes);
  auto shown = host.ends(
      3, kSession + GuardedHost::on_terminal("confirm", "'Keep the change all the same? ' answer:no"));
  CHECK(has(shown, blocked + ": when this session ends, nobody may get in"));
  CHECK(has(shown, "the change is not kept: the guard is still armed"));
  CHECK(host.armed());
  shown = host.ends(
      0, kSession + GuardedHost::on_terminal("confirm", "'Keep the change all the same? ' answer:yes"));
  CHECK(has(shown, "confirmed: the change is kept"));
  CHECK(has(shown, "do not close this session; "));
  CHECK_FALSE(host.armed());
  host.ok("rewall undo");
  // So does the countdown, which has said it before.
  shown = host.ends(
      0, kSession + GuardedHost::on_terminal("try --for 10m -- iptables -D INPUT -p tcp --dport 22 -j ACCEPT",
                                             "'new ssh: BLOCKED' answer:confirm 'type confirm once more' "
                                             "answer:confirm"));
  CHECK(has(shown, "confirmed: the change is kept"));
  CHECK(has(shown, "do not close this session; "));
  CHECK_FALSE(host.armed());
  host.ok("rewall undo");
  // What lets the login in has no word about it, and what nobody knows is said and asks nothing.
  host.ok(kSession + "rewall try --for 10m -- iptables -A INPUT -p tcp --dport 80 -j ACCEPT");
  said = host.sh(kSession + "rewall confirm");
  CHECK_FALSE(has(said.err, "new ssh"));
  host.ok(kSession +
          "rewall try --for 10m -- iptables -I INPUT -p tcp --dport 22 -m limit --limit 3/min -j DROP");
  CHECK(has(host.sh(kSession + "rewall confirm").err, "new ssh: unknown ("));
}

// --- settings

TEST_CASE("settings that cannot be used keep no guard from being ended or shown") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("mkdir -m 755 rewall; : >rewall/config; chmod 644 rewall/config");
  const std::string file = GENERATE("rewall/config", "repo/.git/rewall/config");
  const bool of_host = file.starts_with("rewall");
  const std::string damage = GENERATE("echo '[core' >>", "chmod 666 ");
  const std::string named = of_host ? "/etc/rewall/config" : host.repository() + "/.git/rewall/config";
  INFO(damage << file);
  host.ok("rewall config lock.wait 20s; rewall try --for 10m -- ./break; " + damage + file);
  const auto run = [&](const std::string& words) {
    return host.sh(with_own_etc("rewall() { " REWALL_PROGRAM " \"$@\"; }; " + words));
  };
  const auto status = run("rewall status");
  INFO(status.out << status.err);
  CHECK(status.status == 1);
  CHECK(has(status.out, "settings-unusable"));
  CHECK(has(status.out, "settings NOT USED: " + named));
  CHECK(has(status.out, "guard    ARMED: reverts to "));
  CHECK(json::parse(run("rewall -q --json status").out)["settings_unusable"].get<std::string>().starts_with(
      named));
  // All that would change something else is refused still.
  CHECK(run("rewall restore open").status == 5);
  CHECK(run("rewall snapshot").status == 5);
  const auto back = run("rewall rollback");
  INFO(back.err);
  CHECK(back.status == 0);
  CHECK(has(back.err, named));
  CHECK(has(back.err, "the settings are not used, but their default values"));
  CHECK(host.live() == before);
  CHECK_FALSE(host.armed());
  host.ok("sed -i '/^.core$/d' " + file + "; chmod 644 " + file);
  host.ok("rewall try --for 10m -- ./break; " + damage + file);
  const auto kept = run("rewall confirm");
  INFO(kept.err);
  CHECK(kept.status == 0);
  CHECK(has(kept.err, "confirmed: the change is kept"));
  CHECK(has(kept.err, named));
  CHECK_FALSE(host.armed());
}

TEST_CASE("git's words for true and false are taken, and doctor names what is set and not used") {
  const Host host;
  host.ok(
      "rewall init; rewall tag good; mkdir -m 755 rewall; printf '[push]\\n\\tauto = yes\\n' >rewall/config; "
      "chmod "
      "644 rewall/config");
  const auto run = [&](const std::string& words) {
    return host.sh(with_own_etc(REWALL_PROGRAM " " + words));
  };
  CHECK_FALSE(has(run("doctor").out, "not used"));
  for (const char* yes : {"yes", "on", "1", "TRUE"}) {
    host.ok("rewall config push.auto " + std::string(yes) + "; iptables -N chain" + yes);
    CHECK(host.sh("rewall snapshot").err.empty());
  }
  host.ok(
      "rewall config --unset push.auto; printf '[push]\\n\\tautomatic = yes\\n\\tauto = "
      "maybe\\n[guard]\\n\\ttaggood = "
      "on\\n' >rewall/config");
  const auto said = run("doctor");
  INFO(said.out);
  CHECK(said.status == 1);
  CHECK(has(said.out, "/etc/rewall/config: unknown key 'push.automatic'"));
  CHECK(has(said.out, "/etc/rewall/config: push.auto: 'maybe' is not true or false"));
  CHECK_FALSE(has(said.out, "taggood"));
}

TEST_CASE("doctor names the hooks that are not run, and how they are") {
  const Host host;
  const std::string hooks = (host.folder() / "etc").string();
  host.ok(
      "rewall init; rewall tag good; mkdir -p -m 755 etc/pre-restore.d etc/post-snapshot.d; rewall config "
      "hooks.path " +
      hooks +
      "; printf '#!/bin/sh\\nexit 1\\n' >etc/pre-restore.d/check; chmod 644 etc/pre-restore.d/check; "
      "printf '#!/bin/sh\\n' >etc/post-snapshot.d/tell.sh; chmod 755 etc/post-snapshot.d/tell.sh; "
      ": >etc/pre-restore.d/README; cp -p etc/post-snapshot.d/tell.sh etc/post-snapshot.d/tell.dpkg-old");
  const auto said = host.sh("rewall doctor");
  INFO(said.out);
  CHECK(has(said.out, hooks + "/pre-restore.d/check: it is not executable"));
  CHECK(has(said.out, hooks + "/post-snapshot.d/tell.sh: its name has other characters than "));
  CHECK_FALSE(has(said.out, "README"));
  CHECK_FALSE(has(said.out, "dpkg-old"));
  auto found = json::parse(host.sh("rewall --json doctor").out);
  if (found.is_object()) found = found["checks"];
  const auto hook = std::ranges::find_if(found, [](const json& one) { return one["check"] == "hooks"; });
  REQUIRE(hook != found.end());
  host.ok((*hook)["hint"].get<std::string>());
  CHECK_FALSE(has(host.sh("rewall doctor").out, "not run: "));
  host.ok("iptables -N web");
  CHECK(host.sh("rewall restore HEAD").status == 3);
}

// --- times

TEST_CASE("a time before the history is refused, and one before git's log takes the snapshot of that time") {
  const Host host;
  host.ok("rewall init -q");
  const auto refused = host.sh("iptables -N web; rewall restore 'HEAD@{2025-01-01}'");
  INFO(refused.err);
  CHECK(refused.status == 2);
  CHECK(has(refused.err, "HEAD@{2025-01-01}: no snapshot is that old: the oldest is of 20"));
  CHECK(has(refused.err, "'rewall -C " + host.repository() + " log --reverse' lists the snapshots"));
  CHECK(has(host.rules(), ":web "));
  CHECK(host.sh("rewall show '@{1 hour ago}'").status == 2);
  CHECK(host.sh("rewall diff 'HEAD@{yesterday}' LIVE").status == 2);
  CHECK(host.sh("rewall restore 'HEAD@{soon}'").status == 2);
  // Now is in git's log, and so is what it counts.
  host.ok("rewall snapshot -m web");
  CHECK(host.ok("rewall show 'HEAD@{now}' | head -n 1") == host.ok("rewall show HEAD | head -n 1"));
  CHECK(host.ok("rewall show 'HEAD@{1}' | head -n 1") == host.ok("rewall show HEAD~1 | head -n 1"));
  // A history that was moved here has older snapshots than git's log: these say what was when.
  host.ok(
      "export GIT_COMMITTER_DATE='2024-03-01 12:00 +0000'; for d in 2024-01-01 2024-02-01 2024-03-01; do git "
      "-C repo "
      "-c user.name=a -c user.email=a@b commit -q --allow-empty --date=\"$d 12:00 +0000\" -m \"of $d\"; "
      "done; "
      "rm -r repo/.git/logs; git -C repo log -1 --format=%s | grep -q 2024-03-01");
  const auto found = host.sh("rewall show 'HEAD@{2024-02-15}'");
  INFO(found.out << found.err);
  CHECK(found.status == 0);
  CHECK(has(found.out, "of 2024-02-01"));
  CHECK(has(found.err, "git's log of HEAD does not go back to 2024-02-15T"));
  CHECK(has(found.err, "'of 2024-02-01' of 2024-02-01T"));
  CHECK(host.sh("rewall show 'HEAD@{2023-12-31}'").status == 2);
}

TEST_CASE("digits that begin no hash are no revision") {
  const Host host;
  host.ok("rewall init -q");
  const auto said = host.sh("rewall show 529; rewall show 529~1");
  // One in 4096 hashes begins with them, and there are three objects or so.
  if (!has(host.ok("git -C repo cat-file --batch-all-objects --batch-check | grep ^529 || echo none"),
           "none"))
    return;
  CHECK(has(said.err, "rewall: error: 529: no such revision\n"));
  CHECK_FALSE(has(said.err, "ambiguous"));
}

// --- what is recorded first, and what is kept

TEST_CASE("a restore of a part says what it recorded first, and what HEAD was") {
  const GuardedHost host;
  const auto old = host.hash("HEAD");
  host.ok("ipset add bad 192.0.2.99");
  const auto said = host.sh("rewall restore --table nat HEAD");
  INFO(said.err);
  CHECK(said.status == 0);
  CHECK(has(said.err, "saved the previous live rules as "));
  CHECK(has(said.err, "HEAD was " + short_of(old) + " before; to put that in force: rewall -C " +
                          host.repository() + " restore " + short_of(old)));
  // As it says.
  host.ok("rewall restore " + short_of(old));
  CHECK_FALSE(has(host.ok("ipset save bad"), "192.0.2.99"));
  // Nothing is recorded where HEAD is what is in force.
  CHECK_FALSE(has(host.sh("rewall restore --table nat HEAD").err, "HEAD was"));
}

TEST_CASE("rules that an undo took out before they expired are not kept, and status knows") {
  const GuardedHost host;
  host.ok("rewall try --expire 2h --keep -- iptables -A INPUT -p tcp --dport 5432 -j ACCEPT");
  const auto id = host.status()["expiries"][0]["id"].get<std::string>();
  CHECK(has(host.sh("rewall status").out, "1 rule expires at "));
  host.ok("rewall undo");
  const auto undo = short_of(host.hash("HEAD"));
  const auto status = host.sh("rewall status").out;
  INFO(status);
  CHECK(has(status, "not in force now"));
  CHECK_FALSE(has(status, "1 rule expires at "));
  const auto kept = host.sh("rewall confirm --expiry " + id);
  INFO(kept.err);
  CHECK(kept.status == 3);
  CHECK(has(kept.err, "nothing to keep: 1 rule of '"));
  CHECK(has(kept.err, "not in force, as undo " + undo + " took the change back"));
  // What comes back expires, until it is kept.
  host.ok("rewall redo");
  CHECK(has(host.sh("rewall status").out, "1 rule expires at "));
  CHECK(has(host.sh("rewall confirm --expiry " + id).err, "kept for good: 1 rule"));
  CHECK(has(host.rules(), "--dport 5432"));
}

// --- causes

TEST_CASE("a script without the right to run is no command that is missing") {
  const GuardedHost host;
  host.ok("printf 'iptables -A INPUT -p tcp --dport 80 -j ACCEPT\\n' >firewall.sh");
  const auto said = host.sh("rewall try ./firewall.sh");
  INFO(said.err);
  CHECK(said.status == 2);
  CHECK(has(said.err,
            "./firewall.sh: not executable; LIVE is untouched\nhint: make it executable: chmod +x "
            "./firewall.sh; or, if it is a "
            "shell script: rewall -C " +
                host.repository() + " try -- sh ./firewall.sh\n"));
  CHECK(has(host.sh("rewall try ./repo").err, "./repo: a folder, not a command"));
  CHECK(has(host.sh("rewall try ./nothing").err, "./nothing: command not found"));
  host.ok("rewall try --for 10m -- sh ./firewall.sh");
  CHECK(has(host.rules(), "--dport 80"));
}

TEST_CASE("a damaged object here is not the remote's fault, and verify says how it comes back") {
  const Host host;
  host.ok(
      "rewall init -q; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot -q; rewall tag old");
  host.ok("git init -q --bare b.git; rewall remote add origin $PWD/b.git; rewall push; rewall fetch");
  const std::string spoil =
      "o=$(git -C repo rev-parse HEAD:rules.v4); o=repo/.git/objects/${o%${o#??}}/${o#??}; chmod u+w $o; ";
  const std::string kind = GENERATE("echo garbage >$o", ": >$o");
  INFO(kind);
  host.ok("iptables -N web; rewall snapshot; rewall push");
  host.ok(spoil + kind);
  // git comes upon it where it sends or asks for something.
  const auto fetched =
      host.sh("iptables -N more; rm -rf repo/.git/refs/remotes repo/.git/packed-refs; rewall fetch");
  INFO(fetched.out << fetched.err);
  if (fetched.status != 0) {
    CHECK(fetched.status == 5);
    CHECK(has(fetched.err, "the history here is damaged"));
    CHECK(has(fetched.err, "verify' lists all damage"));
  }
  const auto checks = json::parse(host.sh("rewall --json verify").out);
  std::string hint;
  for (const auto& one : checks.is_array() ? checks : checks["checks"])
    if (one["check"] == "objects" && one["hint"].is_string()) hint = one["hint"];
  const std::string begin = "a remote that has it gives it back: ";
  INFO(hint);
  REQUIRE(hint.starts_with(begin));
  CHECK(hint.ends_with(" fetch --refetch --no-tags origin"));
  host.ok(hint.substr(begin.size()));
  host.ok("rewall verify");
  // Without a remote no command helps.
  host.ok("rewall remote remove origin; " + spoil + kind);
  CHECK(has(host.sh("rewall verify").out, "no remote is there that could give it back"));
}

TEST_CASE("a server without git is said to lack it") {
  const Host host;
  host.ok("rewall init -q; rewall remote add origin ssh://nobody@192.0.2.1/r.git");
  for (const char* says :
       {"bash: line 1: git-receive-pack: command not found", "sh: 1: git-receive-pack: not found"}) {
    const auto said = host.sh("export GIT_SSH_COMMAND=\"sh -c 'echo " + std::string(says) +
                              " >&2; exit 127' ssh\"; rewall push");
    INFO(said.err);
    CHECK(said.status == 7);
    CHECK(has(said.err,
              "git is missing on the server: 'ssh nobody@192.0.2.1 git --version' must print a version"));
  }
  const auto refused = host.sh(
      "export GIT_SSH_COMMAND=\"sh -c 'echo ssh: connect to host 192.0.2.1 port 22: Connection refused >&2; "
      "exit 255' "
      "ssh\"; rewall -C new clone ssh://nobody@192.0.2.1/r.git");
  INFO(refused.err);
  CHECK(has(refused.err, "is the server up, and does it listen there? then run the command again"));
  CHECK_FALSE(has(refused.err, "push.auto"));
}
