// `rewall restore --boot` where something is not as it should be: the state that it ends in, and the line
// that says which.
#include <nlohmann/json.hpp>

#include "support/host.h"

using namespace rewall;

namespace {

/// A repository with three snapshots: "first" allows ssh, "second" also 80, HEAD also 443.
class BootHost : public Host {
 public:
  BootHost() {
    ok("iptables -P INPUT DROP; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall -q init; git -C repo "
       "tag first; "
       "iptables -A INPUT -p tcp --dport 80 -j ACCEPT; rewall -q snapshot; git -C repo tag second; "
       "iptables -A INPUT -p tcp --dport 443 -j ACCEPT; rewall -q snapshot");
  }
  /// What a restart leaves of the firewall.
  void forget() const { ok("iptables -F; iptables -P INPUT ACCEPT"); }
  /// Boots, and returns what is said.
  std::string boot(int status, const std::string& before = "") const {
    forget();
    return ends(status, before + "rewall restore --boot");
  }
  /// "22 80 443": the ports that are open, by the kernel.
  std::string ports() const {
    return ok("iptables -S INPUT | sed -n 's/.*--dports* \\([0-9]*\\) .*/\\1/p' | xargs echo | tr -d '\\n'");
  }
  std::string branch() const { return "repo/.git/refs/heads/hosts/$(ls repo/.git/refs/heads/hosts)"; }
};

}  // namespace

TEST_CASE(
    "whatever HEAD of git says, the newest snapshot of this host boots, and is the parent of the next") {
  const BootHost host;
  const auto count = std::stoi(host.ok("git -C repo rev-list --count HEAD"));
  host.ok("cp -a repo whole");
  for (const std::string harm :
       {"git -C repo checkout -q HEAD~1", "git -C repo checkout -q -b mine", ": >repo/.git/HEAD",
        "rm repo/.git/HEAD", "git -C repo checkout -q -b hosts/mine HEAD~2",
        ": >repo/.git/refs/heads/hosts/*", "rm repo/.git/refs/heads/hosts/*",
        "git -C repo update-ref -d $(git -C repo symbolic-ref HEAD)",
        "rm -r repo/.git/refs/heads/* repo/.git/logs"}) {
    INFO(harm);
    host.ok("rm -rf repo; cp -a whole repo; b=$(ls repo/.git/refs/heads/hosts); " +
            std::string(harm.find('*') == std::string::npos
                            ? harm
                            : "for f in " + harm.substr(harm.find("repo")) + "; do " +
                                  harm.substr(0, harm.find("repo")) + "$f; done"));
    const auto said = host.boot(0);
    INFO(said);
    CHECK(host.ports() == "22 80 443");
    CHECK(has(said, "HEAD (snapshot "));
    CHECK(has(host.ok("rewall log -n 1 --oneline"), "443"));
    host.ok("iptables -A INPUT -p tcp --dport 25 -j ACCEPT; rewall -q snapshot");
    CHECK(std::stoi(host.ok(
              "git -C repo rev-list --count hosts/$(git -C whole symbolic-ref HEAD | cut -d/ -f4)")) >=
          count + 1);
    host.ok("git -C repo fsck --strict");
  }
}

TEST_CASE("what a remote brought in this host's name is not its HEAD where the branch is lost") {
  const BootHost host;
  host.ok(
      "forged=$(git -C repo cat-file commit HEAD~2 | sed -E '/^committer/s/> [0-9]+/> 4000000000/' | "
      "git -C repo hash-object -t commit -w --stdin); "
      "git -C repo update-ref refs/remotes/origin/hosts/other $forged; "
      "rm -r repo/.git/refs/heads/* repo/.git/logs");
  host.boot(0);
  CHECK(host.ports() == "22 80 443");
}

TEST_CASE("a host that lost its history boots lockdown, one that never had any as if there were no rewall") {
  const BootHost host;
  host.ok("rm -r repo/.git");
  const auto said = host.boot(9);
  CHECK(has(said, "the template lockdown is in force"));
  CHECK(host.ok("iptables -S | head -n 1") == "-P INPUT DROP\n");
  host.ok("rm -r repo; mkdir repo");
  CHECK(has(host.boot(5), "no repository at "));
  CHECK(host.ok("iptables -S | head -n 1") == "-P INPUT ACCEPT\n");
}

TEST_CASE("what cannot be read is passed over: the newest snapshot before it boots") {
  const BootHost host;
  SECTION("a file") {
    host.ok(empty_object("HEAD:rules.v4"));
    const auto said = host.boot(9);
    INFO(said);
    CHECK(host.ports() == "22 80");
    CHECK(has(said, "the older snapshot "));
    CHECK(has(said, "it could not be HEAD"));
  }
  SECTION("a commit") {
    host.ok(empty_object("HEAD"));
    const auto said = host.boot(9);
    INFO(said);
    CHECK(host.ports() == "22 80");
  }
  SECTION("two commits, and the log of the branch alone knows what was before") {
    host.ok(empty_object("HEAD~1") + empty_object("HEAD"));
    host.boot(9);
    CHECK(host.ports() == "22");
  }
  SECTION("every snapshot: the tag good, which cannot be read either, then lockdown") {
    host.ok("rewall -q tag good; " + empty_object("HEAD:rules.v4") + empty_object("first:rules.v4") +
            empty_object("second:rules.v4"));
    const auto said = host.boot(9);
    INFO(said);
    CHECK(has(said, "the template lockdown is in force"));
    CHECK(host.ports() == "22");
    CHECK(has(host.rules(), ":OUTPUT"));
  }
}

TEST_CASE("of snapshots with the same files the one that is signed boots") {
  const BootHost host;
  host.ok(
      "ssh-keygen -qt ed25519 -N '' -f key; git -C repo config gpg.format ssh; git -C repo config "
      "user.signingKey $PWD/key; "
      "echo \"rewall@$(hostname) $(cat key.pub)\" >allowed; echo \"* $(cat key.pub)\" >>allowed; chmod 600 "
      "allowed");
  host.ok(
      "rewall config sign.key $PWD/key; rewall config sign.allowed $PWD/allowed; iptables -A INPUT -p tcp "
      "--dport 25 -j ACCEPT; "
      "rewall -q snapshot; rewall config sign.require true; rewall config --unset sign.key; rewall -q "
      "snapshot --allow-empty -m unsigned");
  const auto said = host.boot(9);
  INFO(said);
  CHECK(host.ports() == "22 80 443 25");
  CHECK(has(said, "the older snapshot "));
}

TEST_CASE("a firewall that was empty by wish boots, though a shutdown emptied it later") {
  const Host host;
  // "bare" has nothing, HEAD~1 something that cannot be read, and HEAD is what a shutdown left.
  host.ok(
      "rewall -q init; git -C repo tag bare; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall -q "
      "snapshot; "
      "mkdir away; printf '#!/bin/sh\\necho 2 6\\n' >away/runlevel; chmod 755 away/runlevel; iptables -F; "
      "unshare -m bash -c 'mount -t tmpfs none /run; PATH=$PWD/away:$PATH " REWALL_PROGRAM " -q snapshot'; " +
      empty_object("HEAD~1:rules.v4") + "iptables -P INPUT DROP");
  REQUIRE(has(host.ok("git -C repo log -1 --format=%B"), "Rewall-Trigger: shutdown"));
  const auto said = host.ends(9, "rewall restore --boot");
  INFO(said);
  CHECK(has(said,
            "the older snapshot " + host.ok("git -C repo rev-parse bare").substr(0, 10) + " is in force"));
  CHECK_FALSE(has(host.rules(), "-A "));
}

TEST_CASE("a FIFO in the place of a file of git keeps nobody waiting") {
  const BootHost host;
  host.ok("cp -a repo whole");
  const std::string git = "repo/.git/";
  for (const std::string file :
       {"packed-refs", "shallow", "index", "info/grafts", "objects/info/alternates", "refs/tags/good",
        "refs/heads/hosts/$(ls repo/.git/refs/heads/hosts)",
        "logs/refs/heads/hosts/$(ls repo/.git/refs/heads/hosts)", "logs/HEAD", "refs/heads/other",
        "objects/pack/pack-1234567890123456789012345678901234567890.idx"}) {
    INFO(file);
    host.ok("rm -rf repo; cp -aT whole repo; f=" + git + file + "; mkdir -p ${f%/*}; rm -f $f; mkfifo $f");
    CHECK(host.sh("timeout 60 " REWALL_PROGRAM " status").status != 124);
    host.ok("rm -rf repo; cp -aT whole repo; f=" + git + file + "; mkdir -p ${f%/*}; rm -f $f; mkfifo $f");
    host.forget();
    const auto said = host.ends(0, "timeout 60 " REWALL_PROGRAM " restore --boot");
    INFO(said);
    CHECK(host.ports() == "22 80 443");
    CHECK(has(said, "not a plain file: kept as "));
    host.ok("timeout 60 " REWALL_PROGRAM " log; git -C repo fsck --strict");
  }
  for (const std::string object : {"HEAD:rules.v4", "HEAD^{tree}", "HEAD"}) {
    INFO(object);
    host.ok("rm -rf repo; cp -aT whole repo; o=$(git -C repo rev-parse '" + object + "'); o=" + git +
            "objects/${o:0:2}/${o:2}; rm -f $o; mkfifo $o");
    CHECK(has(host.ends(1, "timeout 60 " REWALL_PROGRAM " status"), "history-damaged"));
    host.forget();
    host.ends(9, "timeout 60 " REWALL_PROGRAM " restore --boot");
    CHECK(host.ports() == "22 80");
  }
}

TEST_CASE("a state file that is of another version, a FIFO or a folder stops no boot and no snapshot") {
  const BootHost host;
  host.ok("cp -a repo whole");
  for (const std::string file :
       {"journal", "seen", "exported", "push", "fetched", "namespace", "host", "lock", "watch.lock",
        "guard.lock", "environment", "background", "network", "gc"})
    for (const std::string what : {"printf 'rewall thing 99\\nx y\\n' >", "mkfifo ", "mkdir "}) {
      INFO(what << file);
      host.ok("rm -rf repo; cp -aT whole repo; rm -rf repo/.git/rewall/" + file + "; " + what +
              "repo/.git/rewall/" + file);
      host.forget();
      const auto said = host.ends(0, "timeout 60 " REWALL_PROGRAM " restore --boot");
      INFO(said);
      CHECK(host.ports() == "22 80 443");
      host.ok("iptables -A INPUT -p tcp --dport 25 -j ACCEPT; timeout 60 " REWALL_PROGRAM
              " -q snapshot; timeout 60 " REWALL_PROGRAM " -q restore HEAD~1; timeout 60 " REWALL_PROGRAM
              " -q status");
    }
}

TEST_CASE("a guard's file that cannot be read does not make the unconfirmed change boot") {
  const BootHost host;
  host.ok("rewall -q restore --for 1h first");
  const auto armed = "repo/.git/rewall/guard";
  SECTION("of another version, with the snapshot that it restores") {
    host.ok(std::string("sed -i '1s/.*/rewall guard 99/; $i more of it' ") + armed);
    const auto said = host.boot(0);
    INFO(said);
    CHECK(host.ports() == "22 80 443");
    CHECK(has(said, "the old ruleset (snapshot "));
  }
  SECTION("emptied, and its second copy tells") {
    host.ok(std::string(": >") + armed);
    const auto said = host.boot(0);
    INFO(said);
    CHECK(host.ports() == "22 80 443");
    CHECK(has(said, "the old ruleset (snapshot "));
    CHECK(has(host.ok("git -C repo log -1 --format=%B"), "Rewall-Trigger: boot"));
    host.ok("ls repo/.git/rewall/guards/*.booted; ! ls repo/.git/rewall/guards/*.armed");
  }
  SECTION("without a word, and so is its second copy") {
    host.ok(std::string("t=$(stat -c %Y ") + armed + "); echo garbage >" + armed + "; touch -d @$((t+1)) " +
            armed + "; : >$(ls repo/.git/rewall/guards/*.armed)");
    host.ok("rewall -q tag good second");
    const auto said = host.boot(9);
    INFO(said);
    CHECK(host.ports() != "22");
    CHECK(has(said, "the old ruleset of the guard: "));
  }
  host.ok("test ! -e repo/.git/rewall/guard");
}

TEST_CASE("a try that nobody confirmed does not boot, whatever is left of its guard") {
  const BootHost host;
  const std::string harm = GENERATE(": >repo/.git/rewall/guard", "printf x >repo/.git/rewall/guard",
                                    "rm repo/.git/rewall/guard; mkdir repo/.git/rewall/guard",
                                    "rm repo/.git/rewall/guard; mkfifo repo/.git/rewall/guard");
  const std::string copy = GENERATE("true", "rm repo/.git/rewall/guards/*.armed");
  INFO(harm << "; " << copy);
  SECTION("right after it was armed") {
    host.ok("rewall -q try --for 1h -- iptables -F INPUT; " + harm + "; " + copy);
    const auto said =
        host.sh("iptables -F; iptables -P INPUT ACCEPT; timeout 60 " REWALL_PROGRAM " restore --boot");
    INFO(said.err);
    CHECK(said.status == (copy == "true" ? 0 : 9));
    CHECK(host.ports() == "22 80 443");
  }
  SECTION("days after snapshots that others made before it") {
    host.ok(
        "rewall -q try --for 1h -- iptables -F INPUT; iptables -A OUTPUT -d 192.0.2.1 -j DROP; rewall -q "
        "snapshot; " +
        harm + "; " + copy);
    const auto said =
        host.sh("iptables -F; iptables -P INPUT ACCEPT; timeout 60 " REWALL_PROGRAM " restore --boot");
    INFO(said.err);
    CHECK(host.ports() == "22 80 443");
    CHECK_FALSE(has(host.rules(), "192.0.2.1"));
  }
}

TEST_CASE("a try that was confirmed boots, also where a later guard's file tells nothing") {
  const BootHost host;
  host.ok("rewall -q try --for 1h -- iptables -A INPUT -p tcp --dport 25 -j ACCEPT; rewall -q confirm");
  const auto kept = host.ok("git -C repo rev-parse HEAD");
  // The next guard was armed, and its change never came.
  host.ok("sleep 1.1; rewall -q try --for 1h; : >repo/.git/rewall/guard; rm repo/.git/rewall/guards/*.armed");
  const auto said = host.boot(9);
  INFO(said);
  CHECK(host.ports() == "22 80 443 25");
}

TEST_CASE("what a guard took back without the history does not boot") {
  const BootHost host;
  host.ok(
      "rewall -q restore --for 1h first; o=$(git -C repo rev-parse HEAD); mv "
      "repo/.git/objects/${o%${o#??}}/${o#??} lost; "
      "sed -i 's/^deadline .*/deadline 1/' repo/.git/rewall/guard; kill -USR1 $(cut -d' ' -f1 "
      "repo/.git/rewall/guard.lock)");
  host.until("test ! -e repo/.git/rewall/guard");
  CHECK(host.ports() == "22 80 443");
  // The machine goes down before anything is recorded, and with it what is in /run.
  host.ok(
      "o=$(git -C repo rev-parse HEAD); mv lost repo/.git/objects/${o%${o#??}}/${o#??}; "
      "for f in $(grep -ls \"^repository $(realpath repo)$\" /run/rewall/unrecorded-*/note); do rm -r "
      "$(dirname $f); done");
  const auto said = host.boot(0);
  INFO(said);
  CHECK(host.ports() == "22 80 443");
  CHECK(has(said, "which a guard put back before"));
  // Recorded, it is HEAD's.
  CHECK(has(host.boot(0), "HEAD (snapshot "));
}

TEST_CASE("a disk that is read-only or full, and a repository that is locked, stop no boot") {
  const BootHost host;
  host.forget();
  SECTION("read-only") {
    const auto said = host.ends(
        0, "unshare -m bash -c 'mount --bind repo repo; mount -o remount,ro,bind repo; " REWALL_PROGRAM
           " restore --boot'");
    INFO(said);
    CHECK(has(said, "Read-only file system"));
    CHECK(has(said, "is in force, but not recorded"));
  }
  SECTION("full") {
    const auto said =
        host.ends(0,
                  "unshare -m bash -c 'mkdir small; mount -t tmpfs -o size=1m none small; cp -a repo small; "
                  "dd if=/dev/zero of=small/fill bs=1k status=none 2>/dev/null; " REWALL_PROGRAM
                  " -C small/repo restore --boot'");
    INFO(said);
  }
  SECTION("locked") {
    host.ok(
        "rewall config lock.wait 300ms; flock repo/.git/rewall/lock sleep 60 >/dev/null 2>&1 </dev/null & "
        "for i in $(seq 100); do flock -n repo/.git/rewall/lock true || break; sleep 0.05; done");
    const auto said = host.ends(0, "rewall restore --boot");
    INFO(said);
    CHECK(has(said, "is in force, but not recorded"));
  }
  SECTION("JSON is printed all the same") {
    for (const bool changed : {true, false}) {
      const auto json = nlohmann::json::parse(
          host.ok("unshare -m bash -c 'mount --bind repo repo; mount -o remount,ro,bind repo; " REWALL_PROGRAM
                  " --json restore --boot 2>/dev/null'"));
      INFO(json);
      CHECK(json["hash"].is_null());
      CHECK(json["changed"] == changed);
      CHECK(json["restored"].get<std::string>() + "\n" == host.ok("git -C repo rev-parse HEAD"));
    }
  }
  CHECK(host.ports() == "22 80 443");
}

TEST_CASE("the xtables lock is waited for, and it is said who holds it") {
  const Host host;
  host.ok(
      "iptables-legacy -A INPUT -p tcp --dport 443 -j ACCEPT; rewall --backend legacy -q init; "
      "iptables-legacy -F");
  const auto said = host.ends(
      0,
      "unshare -m bash -c 'mount -t tmpfs none /run; exec 9>/run/xtables.lock; (flock 9; exec 9>&-; "
      "exec python3 -c \"import fcntl,time,os; f=open(\\\"/run/xtables.lock\\\"); "
      "fcntl.flock(f,fcntl.LOCK_EX); "
      "open(\\\"held\\\",\\\"w\\\"); [time.sleep(0.1) for i in range(1200) if not "
      "os.path.exists(\\\"go\\\")]\") & exec 9>&-; "
      "for i in $(seq 200); do test -e held && break; sleep 0.05; done; "
      "(for i in $(seq 1200); do grep -q \"is waited for\" said && break; sleep 0.05; done; touch go) "
      "& " REWALL_PROGRAM " --backend legacy restore --boot 2>said; s=$?; cat said; exit $s'");
  INFO(said);
  CHECK(has(said, "holds the xtables lock: it is waited for"));
  CHECK(has(said, "'python3' (process "));
  CHECK(has(host.ok("iptables-legacy -S INPUT"), "--dport 443"));
}

TEST_CASE("a boot says that the xtables lock is held also where nobody tells by whom") {
  const Host host;
  host.ok(
      "iptables-legacy -A INPUT -p tcp --dport 443 -j ACCEPT; rewall --backend legacy -q init; "
      "iptables-legacy -F");
  // Who holds it is outside of the namespace of processes.
  const auto said = host.ends(
      0,
      "unshare -m bash -c 'mount -t tmpfs none /run; (flock 9; touch held; for i in $(seq 1200); do "
      "test -e go && break; sleep 0.05; done) 9>/run/xtables.lock & for i in $(seq 200); do test -e held && "
      "break; sleep 0.05; "
      "done; (for i in $(seq 1200); do grep -q \"is waited for\" said && break; sleep 0.05; done; touch go) "
      "& "
      "unshare --pid --fork --mount-proc " REWALL_PROGRAM
      " --backend legacy restore --boot 2>said; s=$?; cat said; exit $s'");
  INFO(said);
  CHECK(has(said, "a process that cannot be seen holds the xtables lock"));
  CHECK(has(host.ok("iptables-legacy -S INPUT"), "--dport 443"));
}

TEST_CASE("a boot needs no /dev, no /run and no network") {
  const BootHost host;
  host.forget();
  const auto said = host.ends(0,
                              "ip link set lo down; unshare -m bash -c 'mount -t tmpfs none /dev; mount -t "
                              "tmpfs -o ro none /run; exec " REWALL_PROGRAM " restore --boot'");
  INFO(said);
  CHECK(has(said, "HEAD (snapshot "));
  CHECK(host.ports() == "22 80 443");
}

TEST_CASE("rules of people in DOCKER-USER hold from the boot on, and docker finds its part as it makes it") {
  const BootHost host;
  host.ok(
      "iptables -N DOCKER-USER; iptables -I FORWARD -j DOCKER-USER; iptables -N DOCKER; iptables -A FORWARD "
      "-o docker0 -j "
      "DOCKER; iptables -A DOCKER-USER -s 203.0.113.0/24 -j DROP; iptables -A DOCKER-USER -j RETURN; rewall "
      "-q snapshot");
  host.ok("iptables -F; iptables -X; iptables -P INPUT ACCEPT");
  const auto said = host.ends(0, "rewall restore --boot");
  INFO(said);
  CHECK(host.ok("iptables -S FORWARD; iptables -S DOCKER-USER") ==
        "-P FORWARD ACCEPT\n-A FORWARD -j DOCKER-USER\n-N DOCKER-USER\n-A DOCKER-USER -s 203.0.113.0/24 -j "
        "DROP\n");
  CHECK(has(said, "docker"));
  CHECK_FALSE(has(host.rules(), "docker0"));
}

TEST_CASE("a family that the system cannot load is left out of the boot, and that is said") {
  const std::string backend = GENERATE("nft", "legacy");
  const Host host;
  host.ok("iptables-" + backend + " -A INPUT -p tcp --dport 443 -j ACCEPT; ip6tables-" + backend +
          " -A INPUT -p tcp --dport 443 -j ACCEPT; rewall --backend " + backend +
          " -q init; rm repo/.git/rewall/namespace");
  host.ok(
      "mkdir without; for p in /usr/sbin/ip6tables*; do printf '%s\\n' '#!/bin/sh' 'echo \"${0##*/}: "
      "can'\"'\"'t "
      "initialize ip6tables table: Address family not supported by protocol\" >&2' 'exit 3' "
      ">without/${p##*/}; "
      "done; chmod 755 without/*");
  // Another boot: no table of a family that the kernel does not have.
  const auto boot = [&](int status) {
    return host.ends(status, "unshare -n bash -c 'PATH=$PWD/without:$PATH " REWALL_PROGRAM " --backend " +
                                 backend + " restore --boot; s=$?; iptables-" + backend +
                                 " -S INPUT; exit $s'");
  };
  SECTION("HEAD") {
    const auto said = boot(0);
    INFO(said);
    CHECK(has(said, "left out: IPv6"));
    CHECK(has(said, "--dport 443"));
  }
  SECTION("lockdown") {
    host.ok(empty_object("HEAD:rules.v4"));
    const auto said = boot(9);
    INFO(said);
    CHECK(has(said, "the template lockdown is in force"));
    CHECK(has(said, "left out: IPv6"));
    CHECK(has(said, "-P INPUT DROP"));
  }
}

TEST_CASE("what a shutdown does to the firewall is recorded, and neither boots nor is exported") {
  const BootHost host;
  host.ok(
      "mkdir away out; printf '#!/bin/sh\\necho 2 ${LEVEL:-6}\\n' >away/runlevel; chmod 755 away/runlevel; "
      "rewall config export.path $PWD/out; rewall -q snapshot");
  // Where systemd runs here, it would be asked.
  const std::string stopping = "unshare -m bash -c 'mount -t tmpfs none /run; export PATH=$PWD/away:$PATH; ";
  host.forget();
  host.ok(stopping + REWALL_PROGRAM " -q snapshot'");
  CHECK(has(host.ok("git -C repo log -1 --format=%B"), "Rewall-Trigger: shutdown"));
  CHECK(host.ok("git -C repo show HEAD:rules.v4").empty());
  CHECK(has(host.ok("cat out/rules.v4"), "--dport 443"));
  host.ok("rewall -q snapshot");  // nothing new: the export stays
  CHECK(has(host.ok("cat out/rules.v4"), "--dport 443"));
  const auto said = host.ends(0, "rewall restore --boot");
  INFO(said);
  CHECK(host.ports() == "22 80 443");
  CHECK(has(said, "the newest before a shutdown"));
  // On a running system it is a wish.
  host.forget();
  host.ok("sed -i s/:-6/:-2/ away/runlevel; " + stopping + REWALL_PROGRAM " -q snapshot'");
  CHECK(has(host.ok("git -C repo log -1 --format=%B"), "Rewall-Trigger: manual"));
  host.ok("rewall -q restore --boot");
  CHECK(host.ports().empty());
}

TEST_CASE("a flush that watch records right before its end is the shutdown's where nobody can be asked") {
  const BootHost host;
  host.ok(
      "mkdir empty; ln -s /usr/sbin/* /usr/bin/* empty/ 2>/dev/null; rm -f empty/runlevel empty/systemctl; "
      "(exec env PATH=$PWD/empty unshare -m sh -c 'mount -t tmpfs none /run; exec " REWALL_PROGRAM
      " watch >said 2>&1 </dev/null') &");
  host.until("test -s repo/.git/rewall/watch.lock && ! flock -n repo/.git/rewall/watch.lock true",
             "cat said");
  // In one transaction: what is recorded half-way is no shutdown's.
  host.ok("printf '*filter\\n:INPUT ACCEPT\\nCOMMIT\\n' | iptables-restore");
  host.until("test -z \"$(git -C repo show HEAD:rules.v4)\"", "cat said");
  host.ok("kill $(cut -d' ' -f1 repo/.git/rewall/watch.lock)");
  host.until("flock -n repo/.git/rewall/watch.lock true", "cat said");
  CHECK(has(host.ok("git -C repo log -1 --format=%B"), "Rewall-Trigger: shutdown"));
  host.ok("rewall -q restore --boot");
  CHECK(host.ports() == "22 80 443");
}

TEST_CASE("a settings file that cannot be read stops no boot, and every other command says how to mend it") {
  const BootHost host;
  const std::string file = GENERATE("repo/.git/config", "repo/.git/rewall/config");
  host.ok("cp " + file + " whole 2>/dev/null || : >whole; printf '[core]\n\tno value [\n' >>" + file);
  const std::string line(trim(host.ok("wc -l <" + file)));
  const auto said = host.boot(0);
  INFO(said);
  CHECK(host.ports() == "22 80 443");
  CHECK(has(said, "HEAD (snapshot "));
  CHECK(has(said, "config: line " + line + " cannot be read"));
  for (const std::string command : {"snapshot --allow-empty", "restore HEAD", "config lock.wait 20s", "gc"}) {
    const auto error = host.ends(5, "rewall " + command);
    INFO(error);
    CHECK(has(error, host.folder().string() + "/" + file + ": line " + line + " cannot be read: "));
    CHECK(has(error, "hint: correct or delete line " + line));
  }
  // What the hint says.
  CHECK(has(host.sh("rewall doctor").out, "line " + line));
  host.ok("sed -i '" + line + "d' " + file + "; git config --file " + file + " --list");
  host.ok("rewall -q snapshot --allow-empty; rewall -q restore HEAD~1");
  // Nothing is left of what it was opened through.
  CHECK(host.ok("find /run /dev/shm /tmp -maxdepth 3 -lname $PWD/repo/.git/objects 2>/dev/null || true")
            .empty());
}

TEST_CASE("a boot asks for signatures also where the settings of git cannot be read") {
  const BootHost host;
  host.ok(
      "ssh-keygen -q -t ed25519 -f key -N ''; printf 'me@example.org %s\n' \"$(cat key.pub)\" >allowed; "
      "rewall config sign.allowed $PWD/allowed; rewall config sign.key $PWD/key; rewall -q snapshot "
      "--allow-empty; rewall config sign.require true; printf '[core\n' >>repo/.git/config");
  SECTION("and takes what is signed") {
    host.boot(0);
    CHECK(host.ports() == "22 80 443");
  }
  SECTION("and nothing else") {
    host.ok(
        "sed -i '$d' repo/.git/config; rewall config sign.key ''; iptables -A INPUT -p tcp --dport 25 -j "
        "ACCEPT; rewall -q snapshot; printf '[core\n' >>repo/.git/config");
    const auto said = host.boot(9);
    CHECK(has(said, "is not signed"));
    CHECK(host.ports() == "22 80 443");
  }
}

TEST_CASE("a boot that needs no snapshot names no way back, for undo would take back something older") {
  const Host host;
  host.ok(
      "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init; iptables -P INPUT DROP; rewall snapshot; "
      "iptables "
      "-F; iptables -P INPUT ACCEPT");
  const auto said = host.ends(0, "rewall restore --boot");
  CHECK(has(said, "in force: "));
  CHECK_FALSE(has(said, "go back"));
}

TEST_CASE("a chain with the name of a target in an earlier table keeps nothing from booting") {
  for (const std::string backend : {"nft", "legacy"}) {
    INFO(backend);
    const Host host;
    const auto program = "iptables-" + backend;
    host.ok(program + " -A INPUT -j LOG --log-prefix 'x '; printf '*mangle\\n:LOG - [0:0]\\nCOMMIT\\n' | " +
            program + "-restore; rewall -q init");
    // iptables-restore itself does not load what iptables-save says of it.
    CHECK(host.sh(program + "-save | " + program + "-restore").status == 2);
    CHECK_FALSE(has(host.ok("rewall verify --stage"), "FAIL"));
    host.ok(program + " -F; " + program + " -t mangle -X; rewall restore --boot");
    CHECK(has(host.ok(program + "-save"), "-A INPUT -j LOG --log-prefix \"x \""));
  }
}
