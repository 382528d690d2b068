// The history over a real ssh: what arrives, and every way in which a server can fail. The expected exit
// statuses are the contract's; what is at the remote, git says.
#include "servers.h"

namespace rewall {
namespace {

// Ends everything that a rewall started, all at once.
constexpr const char* kKillTree =
    "tree() { echo $1; for c in $(pgrep -P $1); do tree $c; done; }; killtree() { kill -9 $(tree $1); }; ";

}  // namespace

TEST_CASE("a host's history is pushed over ssh, and a lost host comes back from there", "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  const auto rules = host.rules();
  host.ok("rewall tag good");
  CHECK(has(host.ok("rewall push"), "pushed 1 snapshot to origin"));
  CHECK(remote_has_head(host));
  CHECK(has(host.ok("rewall push"), "origin is up to date"));
  host.ok("rewall tag before");
  CHECK(has(host.ok("rewall push --json"), R"("snapshots":0,"tags":1,"changed":true)"));
  CHECK(has(host.ok("rewall push --json"), R"("snapshots":0,"tags":0,"changed":false)"));
  const auto name = std::string(trim(host.ok("git -C repo symbolic-ref --short HEAD | cut -d/ -f2-")));
  CHECK(host.ok("git -C remote.git rev-parse refs/tags/" + name + "/good") ==
        host.ok("git -C repo rev-parse HEAD"));

  host.ok("iptables -A INPUT -p tcp --dport 8443 -j ACCEPT; rewall snapshot");
  const auto newest = host.rules();
  CHECK(has(host.ok("rewall status"), "1 snapshot not yet pushed to "));
  host.ok("rewall push; rewall status --json | grep -q '\"behind\":0'");

  // Gone: the repository, the rules. What clone needs to know of ssh is the user's own configuration.
  host.ok("mv repo lost; iptables -F; iptables -P INPUT ACCEPT");
  host.ok("GIT_SSH_COMMAND='ssh -F " + server.file("ssh_config") + "' rewall clone " + server.url() +
          " --host " + name);
  // The remote's good is this host's when a person says so.
  host.ends(128, "git -C repo rev-parse --verify good");
  host.ok("rewall tag good " + name + "/good");
  CHECK(host.ok("git -C repo rev-parse HEAD good") == host.ok("git -C lost rev-parse HEAD good"));
  CHECK(host.ok("git -C repo status --porcelain").empty());
  // What came from there does not go there once more, one level deeper.
  host.ok("GIT_SSH_COMMAND='ssh -F " + server.file("ssh_config") + "' rewall push");
  CHECK(host.ok("git -C remote.git for-each-ref --format='%(refname)' refs/tags") ==
        "refs/tags/" + name + "/before\nrefs/tags/" + name + "/good\n");
  host.ok("rewall restore HEAD");
  CHECK(host.rules() == newest);
  host.ok("rewall restore good");
  CHECK(host.rules() == rules);
  CHECK(host.ok("stat -c %a repo repo/rules.v4") == "700\n600\n");
}

TEST_CASE("ssh as the user configured it: agent, proxy, known hosts in the home folder", "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  // A configuration in root's home, which is another one for this test.
  write_text(host.folder() / "at-home",
             "mount -t tmpfs none /root; mkdir -m 700 /root/.ssh\n"
             "cp known_hosts key /root/.ssh; cp home_config /root/.ssh/config\n"
             "git -C repo config --unset core.sshCommand\n" REWALL_PROGRAM " push\n");
  write_text(host.folder() / "home_config",
             "Host *\n IdentityFile /root/.ssh/key\n ProxyCommand /bin/bash -c 'echo used >proxied; exec "
             "3<>/dev/tcp/%h/%p; "
             "cat <&3 & cat >&3'\n");
  host.ok("cp ssh_config home.bak; unshare -m bash -e ./at-home");
  CHECK(remote_has_head(host));

  // With an agent the key need not be readable.
  host.ok("iptables -A INPUT -p tcp --dport 81 -j ACCEPT; rewall snapshot");
  host.ok("git -C repo config core.sshCommand 'ssh -F " + server.file("agent_config") + "'");
  write_text(host.folder() / "agent_config",
             "UserKnownHostsFile " + server.file("known_hosts") + "\nIdentityFile none\n");
  host.ends(7, "rewall push");
  host.ok("eval $(ssh-agent) >agent; ssh-add -q key; rewall push; s=$?; ssh-agent -k >agent; exit $s");
  CHECK(remote_has_head(host));
}

TEST_CASE("a server that is not to be trusted, or does not trust us, gets and sends nothing", "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  const auto refused = [&](const std::string& says) {
    // On a terminal, where ssh would ask: it must not. `timeout`: what hangs is a failure too.
    const auto outcome = host.sh("timeout 60 script -qec '" REWALL_PROGRAM " push' /dev/null");
    INFO(outcome.out << outcome.err);
    CHECK(outcome.status == 7);
    CHECK(has(outcome.out + outcome.err, says));
    CHECK(host.ok("git -C remote.git for-each-ref").empty());
  };
  host.ok("mv known_hosts known; touch known_hosts");
  refused("Host key verification failed");
  host.ok(
      "ssh-keygen -qt ed25519 -N '' -f other; echo \"[127.0.0.1]:2222 $(cut -d' ' -f1,2 other.pub)\" "
      ">known_hosts");
  refused("REMOTE HOST IDENTIFICATION HAS CHANGED");
  host.ok("mv known known_hosts; cp other.pub authorized_keys");
  refused("Permission denied");
  host.ok("cp key.pub authorized_keys; ssh-keygen -qpN secret -f key");
  refused("Permission denied");
  server.stop();
  refused("Connection refused");
}

TEST_CASE("a server that says nothing is given up, before and after the login", "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  host.ok("rewall config network.connect 1s; rewall config network.timeout 4s");
  server.answers("cat >/dev/null");  // until the client is gone
  CHECK(has(host.ends(7, "timeout 60 " REWALL_PROGRAM " push"), "gave no answer within 4 s"));
  CHECK(has(host.ends(7, "timeout 60 " REWALL_PROGRAM " fetch"), "network.timeout"));
  // Killed meanwhile, it takes its git and ssh with it.
  for (const char* command : {"push", "fetch"}) {
    host.ok(REWALL_PROGRAM " " + std::string(command) +
            " >/dev/null 2>&1 & pid=$!; until pgrep --ns $$ --nslist net -x ssh; do sleep 0.02; done; kill "
            "-9 $pid");
    host.until("! pgrep --ns $$ --nslist net -x 'git|ssh'");
    CHECK(host.ok("find repo/.git -name '*.lock'").empty());
  }
  server.stop();
  host.ok(
      "python3 -c 'import socket,time; s=socket.create_server((\"127.0.0.1\", 2222)); time.sleep(600)' "
      ">/dev/null 2>&1 & echo $! >silent");
  host.until("ss -ltn | grep :2222");
  CHECK(has(host.ends(7, "timeout 60 " REWALL_PROGRAM " push"), "timed out"));
  host.ok("kill $(cat silent)");
}

TEST_CASE("a server that dies in the middle of a pack leaves both repositories whole", "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  host.ok(
      "for i in $(seq 400); do echo \"-A INPUT -s 198.18.$((RANDOM % 256)).$((RANDOM % 256))/32 -p tcp -m "
      "tcp "
      "--dport $RANDOM -j ACCEPT\"; done | { echo '*filter'; echo ':INPUT DROP [0:0]'; echo '-A INPUT -i lo "
      "-j ACCEPT'; cat; echo COMMIT; } "
      ">big; "
      "rewall apply --yes big");
  server.answers("head -c 3000 | git-receive-pack " + server.file("remote.git"));
  host.ends(7, "rewall push");
  CHECK(host.ok("git -C remote.git for-each-ref").empty());
  server.answers("");
  host.ok("git -C remote.git fsck --strict && rewall push && git -C remote.git fsck --strict");
  CHECK(remote_has_head(host));

  host.ok("git init -q other; mv repo mine; REWALL_REPO=$PWD/repo rewall init --remote " + server.url() +
          " && cp mine/.git/config repo/.git/config");
  server.answers("git-upload-pack " + server.file("remote.git") + " | dd bs=1 count=2500 status=none");
  host.ends(7, "rewall fetch");
  CHECK(host.ok("git -C repo for-each-ref refs/remotes").empty());
  server.answers("");
  host.ok("rewall fetch && git -C repo fsck --strict");
  CHECK(host.ok("git -C repo for-each-ref --format='%(objectname)' refs/remotes") ==
        host.ok("git -C mine rev-parse HEAD"));
}

TEST_CASE("two hosts of one name: the second is refused, told why, and nothing is overwritten", "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  host.ok("rewall push; mv repo first; iptables -N another");
  server.make_repository();
  const auto there = host.ok("git -C remote.git for-each-ref");
  const auto said = host.ends(7, "rewall push");
  CHECK(has(said, "another host has this name, or this host was installed again; nothing was sent"));
  CHECK(has(said, " fetch origin && rewall -C "));
  CHECK(has(said, " log origin/hosts/"));
  CHECK(host.ok("git -C remote.git for-each-ref") == there);
  // As the hint says.
  host.ok("rewall fetch origin && rewall log origin/$(git -C repo symbolic-ref --short HEAD)");
  host.ok("git -C repo branch -m hosts/second; rewall push");
  CHECK(host.ok("git -C remote.git for-each-ref | wc -l") == "2\n");
}

TEST_CASE("fifty hosts push to one repository at once, and all arrive", "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  host.ok(
      "for i in $(seq 50); do cp -r repo repo$i; git -C repo$i branch -m hosts/web$i; "
      "git -C repo$i -c user.name=x -c user.email=x@x commit -q --allow-empty -m $i; done");
  host.ok(
      "pids=; for i in $(seq 50); do rewall -C repo$i push >out$i 2>&1 & pids+=\" $!\"; done; "
      "for p in $pids; do wait $p || { cat out*; exit 1; }; done");
  for (const int i : {1, 25, 50}) {
    const auto n = std::to_string(i);
    CHECK(host.ok("git -C remote.git rev-parse hosts/web" + n) ==
          host.ok("git -C repo" + n + " rev-parse HEAD"));
  }
  CHECK(host.ok("git -C remote.git for-each-ref refs/heads/hosts | wc -l") == "50\n");
  host.ok("git -C remote.git fsck --strict");
}

TEST_CASE("killed in the middle of a push or a fetch, both repositories stay whole and the next one works",
          "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  host.ok("rewall push; git -C repo branch -q hosts/keep; git clone -q --bare remote.git there.git");
  // The server is slow on purpose: once it begins to read, once in the middle of what it sends.
  for (const char* where : {"0.1", "0.3", "0.6"}) {
    host.ok("iptables -A INPUT -p tcp --dport $((RANDOM % 60000 + 1024)) -j DROP; rewall snapshot");
    server.answers("sleep 0.3; eval $SSH_ORIGINAL_COMMAND; sleep 0.3");
    host.ok(std::string(kKillTree) + "rewall push >/dev/null 2>&1 & pid=$!; sleep " + where +
            "; killtree $pid; wait $pid; true");
    // Alone: its git and ssh see that it is gone.
    host.ok(REWALL_PROGRAM " fetch >/dev/null 2>&1 & pid=$!; sleep " + std::string(where) +
            "; kill -9 $pid; wait $pid; true");
    host.until("! pgrep --ns $$ --nslist net -x 'git|ssh'");
    server.answers("");
    host.ok("git -C repo fsck --strict; git -C remote.git fsck --strict; rewall push; rewall fetch");
    CHECK(remote_has_head(host));
  }
  // A lock on a branch that a killed git left is waited out, and removed.
  host.ok(
      "f=$(echo repo/.git/refs/remotes/origin/hosts/*); touch -d '20 seconds ago' $f.lock; rm $f; rewall "
      "fetch");
  CHECK(host.ok("find repo/.git -name '*.lock'").empty());
}

}  // namespace rewall
