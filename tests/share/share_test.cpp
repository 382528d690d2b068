// What does not depend on how a remote is reached: here it is a folder.
#include "servers.h"

namespace rewall {
namespace {

void make_with_remote(const Host& host) {
  host.load_guide_firewall();
  host.ok("git init -q --bare remote.git; rewall init --remote $PWD/remote.git");
}

}  // namespace

TEST_CASE("remotes are listed, added, changed and removed", "[share]") {
  const Host host;
  host.ok("rewall init");
  CHECK(host.ok("rewall remote --json") == "[]\n");
  host.ok("rewall remote add origin ssh://git@backup.example.org/f.git; rewall remote add disk /mnt/f.git");
  CHECK(host.ok("rewall remote") == "disk  /mnt/f.git\norigin  ssh://git@backup.example.org/f.git\n");
  host.ends(7, "rewall fetch disk");
  host.ok("grep -q ^disk repo/.git/rewall/fetched; rewall remote set-url disk /media/f.git");
  host.ok("! grep ^disk repo/.git/rewall/fetched");
  host.ends(7, "rewall fetch disk");
  CHECK(host.ok("git -C repo remote get-url disk") == "/media/f.git\n");
  host.ok("rewall remote remove disk; ! grep ^disk repo/.git/rewall/fetched");
  CHECK(host.ok("rewall remote --json") == R"([{"name":"origin","url":"ssh://git@backup.example.org/f.git"}])"
                                           "\n");
  CHECK(has(host.ends(2, "rewall remote remove orgin"), "did you mean 'origin'?"));
  host.ends(2, "rewall remote add origin /x");
  host.ends(2, "rewall remote add new '--upload-pack=touch evil'");
  host.ends(2, "rewall remote add -- '-x' /x");
  host.ends(2, "rewall remote set-url origin");
  CHECK(has(host.ends(2, "rewall push elsewhere"), "no such remote"));
  // git would run such a command; it must not.
  host.ends(2, "rewall remote set-url origin 'ext::sh -c \"touch evil\"'");
  host.ok("git -C repo remote set-url origin 'ext::sh -c \"touch evil\"'");
  host.ok("git -C repo config protocol.ext.allow always");
  host.ends(7, "rewall push");
  CHECK(host.sh("test -e evil || test -e repo/evil").status == 1);
}

TEST_CASE("nothing that is shown or kept beside git's own configuration has a token in it", "[share]") {
  const Host host;
  const std::string token = "tok_0123456789abcdefghij";
  const auto url = "http://" + token + "@127.0.0.1:9/f.git";
  host.ok("ip link set lo up; rewall init --remote " + url);
  const auto said = host.sh("rewall remote add origin " + url + "; rewall remote add x $'http://" + token +
                            "@h\\n'; rewall remote; rewall remote --json; rewall -vv push; rewall fetch; "
                            "rewall fetch --json; rewall -vv doctor; "
                            "rewall status; rewall status --json; rewall config push.auto true; "
                            "iptables -N new; rewall snapshot; rewall -C $PWD/new clone " +
                            url);
  host.until("grep -q refused repo/.git/rewall/push");
  CHECK(has(said.out, "http://***@127.0.0.1:9/f.git"));
  CHECK(has(said.err, "http://***@127.0.0.1:9/f.git"));
  CHECK(has(said.out, "contains a password"));
  CHECK_FALSE(has(said.out + said.err, token));
  CHECK(host.ok("grep -rl " + token + " repo") == "repo/.git/config\n");
  host.ok("rewall config push.auto false; rewall remote remove origin");
}

TEST_CASE("the connection that is tried is that which git will make", "[share]") {
  const Host host;
  make_with_remote(host);
  host.ok("ip link set lo up; rewall remote set-url origin http://me:pass@192.0.2.1/f.git");
  const auto tried = "192.0.2.1 port 80: Network is unreachable";
  CHECK(has(host.ends(7, "rewall push"), tried));
  CHECK(has(host.ends(7, "no_proxy=x https_proxy=http://127.0.0.1:9 rewall push"), tried));
  // "to 127.0.0.1 port 9", or "to 192.0.2.1:80 over proxy 127.0.0.1": versions of curl differ.
  const auto by_proxy = [&](const std::string& command) {
    const auto said = host.ends(7, command);
    INFO(said);
    CHECK(has(said, "Failed to connect to "));
    CHECK(has(said, " 127.0.0.1 "));
  };
  by_proxy("http_proxy=http://127.0.0.1:9 rewall push");
  by_proxy("ALL_PROXY=http://127.0.0.1:9 rewall push");
  host.ok("git -C repo config http.http://192.0.2.1/f.git.proxy http://127.0.0.1:9");
  by_proxy("rewall push");
  host.ok("git -C repo config remote.origin.proxy ''");
  CHECK(has(host.ends(7, "http_proxy=http://127.0.0.1:9 rewall push"), tried));

  host.ok("git -C repo config remote.origin.pushurl $PWD/remote.git; rewall push");
  CHECK(remote_has_head(host));
  CHECK(has(host.ends(7, "rewall fetch"), tried));
  host.ok("git -C repo config url.$PWD/remote.insteadOf http://me:pass@192.0.2.1/f; rewall fetch");
  CHECK(host.ok("git -C repo for-each-ref refs/remotes | wc -l") == "1\n");
  host.ok(
      "git -C repo config --unset remote.origin.pushurl; git -C repo config "
      "url.https://127.0.0.1:9/.pushInsteadOf http:");
  CHECK(has(host.ends(7, "rewall push"), "127.0.0.1 port 9: Connection refused"));
}

TEST_CASE("a name server that says nothing is waited for no longer than a server", "[share]") {
  const Host host;
  make_with_remote(host);
  // By itself the resolver would wait for minutes.
  host.ok(
      "ip link set lo up; iptables -I INPUT -p udp --dport 53 -j DROP; rewall config network.connect 1s; "
      "printf 'nameserver 127.0.0.1\noptions timeout:30 attempts:5\n' >resolv.conf; "
      "rewall remote set-url origin https://backup.example.org/f.git");
  const auto said = host.ends(
      7, "timeout 20 unshare -m sh -c 'mount --bind resolv.conf /etc/resolv.conf; exec " REWALL_PROGRAM
         " push'");
  CHECK(has(said, "Could not resolve host 'backup.example.org': no name server answers"));
}

TEST_CASE("status says how far behind the remote is, and ends with 1 when that lasts too long", "[share]") {
  const Host host;
  make_with_remote(host);
  CHECK(has(host.ok("rewall status"), "1 snapshot not yet pushed to origin"));
  host.ok("rewall push; rewall config push.stale 1s");
  CHECK(has(host.ok("rewall status --json"), "\"stale\":false"));
  host.ok("iptables -A INPUT -p tcp --dport 81 -j ACCEPT; rewall snapshot; sleep 2.1");
  const auto said = host.ends(1, "rewall status --json");
  CHECK(has(said, "\"clean\":true"));
  CHECK(has(said, "\"behind\":1"));
  CHECK(has(said, "\"stale\":true"));
  host.ok("rewall push; rewall status");

  // Another server has nothing, whatever the one before had.
  host.ok("git init -q --bare new.git; rewall remote set-url origin $PWD/new.git");
  CHECK(has(host.ok("rewall config push.stale 24h; rewall status"), "2 snapshots not yet pushed to origin"));
  CHECK(has(host.ok("rewall push"), "pushed 2 snapshots to origin"));
  CHECK(host.ok("git -C new.git log --format=%H hosts/$(hostname)") ==
        host.ok("git -C repo log --format=%H"));
}

TEST_CASE("with push.auto snapshots arrive by themselves, when the remote is there", "[share]") {
  const Host host;
  make_with_remote(host);
  host.ok("rewall config push.auto true; iptables -A INPUT -p tcp --dport 81 -j ACCEPT; rewall snapshot");
  host.until("test \"$(git -C remote.git rev-parse hosts/$(hostname))\" = \"$(git -C repo rev-parse HEAD)\"",
             "cat repo/.git/rewall/push");
  host.until("! test -e repo/.git/rewall/push");

  // Away: it waits on disk, and status says why. Pushed by hand it waits no more.
  host.ok("mv remote.git away; iptables -A INPUT -p tcp --dport 82 -j ACCEPT; rewall snapshot");
  host.until("rewall status | grep -q '1 push failed'", "rewall status");
  CHECK(has(host.ok("rewall status"), "does not appear to be a git repository"));
  host.ok("mv away remote.git; rewall push");
  host.until("! test -e repo/.git/rewall/push && flock -n repo/.git/rewall/background true");
  CHECK(remote_has_head(host));
}

TEST_CASE("status has the words with which the server refused a push", "[share]") {
  const Host host;
  make_with_remote(host);
  host.ok(
      "printf '#!/bin/sh\\necho no room for you >&2\\nexit 1\\n' >remote.git/hooks/pre-receive; chmod 755 "
      "remote.git/hooks/pre-receive; rewall config push.auto true; "
      "iptables -A INPUT -p tcp --dport 81 -j ACCEPT; rewall snapshot");
  host.until("rewall status | grep -q '1 push failed'", "rewall status");
  const std::string why = "(pre-receive hook declined): no room for you";
  CHECK(has(host.ok("rewall status"), why));
  CHECK(has(host.ok("rewall status --json"), why));
  CHECK(has(host.ends(7, "rewall push"), why));
}

TEST_CASE("status of a clone without a snapshot of its own says so") {
  const Host host;
  host.ok("git init -q --bare r.git; iptables -A INPUT -j LOG; rewall clone $PWD/r.git");
  const auto said = host.ends(1, "rewall status");
  CHECK(has(said, "HEAD     nothing is recorded yet\n"));
  CHECK(has(said, "snapshot' records it"));
}

TEST_CASE("a clone that cannot be leaves nothing; a machine without a history gets the others' to look at",
          "[share]") {
  const Host host;
  make_with_remote(host);
  host.ok("git -C repo branch -m hosts/web1; rewall push; mv repo web1");
  host.ends(7, "rewall clone $PWD/nowhere.git");
  CHECK(has(host.ends(2, "rewall clone $PWD/remote.git --host web2"), "did you mean 'web1'?"));
  host.ok("! test -e repo");
  host.ok("mkdir repo; touch repo/mine");
  host.ends(5, "rewall clone $PWD/remote.git --host web1");
  host.ok("rm repo/mine; rmdir repo");

  CHECK(has(host.sh("rewall clone $PWD/remote.git").err, "starts its history"));
  host.ok("rewall log origin/hosts/web1; rewall snapshot");
  CHECK(host.ok("git -C repo log --format=%h | wc -l") == "1\n");
}

TEST_CASE("a clone that is killed leaves nothing that another one minds", "[share]") {
  const Host host;
  make_with_remote(host);
  host.ok(
      "git -C repo branch -m hosts/web1; rewall push; mv repo web1; "
      "printf '#!/bin/sh\ntouch hangs; exec sleep 60\n' >hang; chmod +x hang");
  host.ok("GIT_SSH_COMMAND=$PWD/hang " REWALL_PROGRAM
          " clone ssh://host/x >/dev/null 2>&1 & echo $! >pid; until test -e .repo.clone-*/hangs; do sleep "
          "0.02; done");
  // One that is at work keeps its own, and so does what is not of a clone.
  host.ok("mkdir .repo.clone-mine; touch .repo.clone-mine/thesis");
  host.ok("rewall clone $PWD/remote.git --host web1; rm -r repo; test -e .repo.clone-*/hangs");
  host.ok("kill -9 $(cat pid)");
  host.until("! kill -0 $(cat pid)");
  host.ok("! test -e repo");
  host.ok("rewall clone $PWD/remote.git --host web1");
  CHECK(host.ok("ls -A . repo") == host.ok("ls -A . web1 | sed s/web1:/repo:/"));
  CHECK(host.ok("ls -d .repo.clone*; ls .repo.clone-mine") == ".repo.clone-mine\nthesis\n");
  CHECK(host.ok("git -C repo status --porcelain; git -C repo rev-parse HEAD") ==
        host.ok("git -C web1 rev-parse HEAD"));
  CHECK(host.ok("stat -c %a repo repo/.git repo/rules.v4") == "700\n700\n600\n");
  host.until("! pgrep --ns $$ --nslist net 'sleep|git'");

  // What is there already is filled itself: a mount point, or where somebody is.
  host.ok("mkdir here; cd here; " REWALL_PROGRAM " -C . clone ../remote.git --host web1; test -s rules.v4");
  host.ok("rm -r repo; mkdir repo; unshare -m bash -ec 'mount -t tmpfs -o mode=700 none repo; " REWALL_PROGRAM
          " clone remote.git --host web1; test -s repo/rules.v4; umount repo; mount -t tmpfs -o mode=700 "
          "none repo; "
          "! " REWALL_PROGRAM " clone remote.git --host web2; test -z \"$(ls -A repo)\"'");
}

TEST_CASE("what is fetched is not trusted", "[share]") {
  const Host host;
  make_with_remote(host);
  host.ok(
      "rewall push; git clone -q remote.git evil 2>/dev/null; cd evil; git config user.name e; "
      "git config user.email e@e; "
      // A link, a submodule, a folder, a file that is no rules, escape sequences in names, a hook.
      "git checkout -q --orphan hosts/link; ln -s /etc/passwd rules.v4; git add .; git commit -qm link; "
      "git checkout -q --orphan hosts/module; git rm -qf rules.v4; "
      "git update-index --add --cacheinfo 160000,1111111111111111111111111111111111111111,rules.v4; git "
      "commit -qm m; "
      "git checkout -q --orphan hosts/folder; git rm -qf --cached rules.v4; mkdir -p rules.v4/hooks; "
      "echo x >rules.v4/hooks/x; git add .; git commit -qm f; "
      "git checkout -q --orphan hosts/words; git rm -rqf .; printf 'curl x | sh\\n' >rules.v4; git add .; "
      "git commit -qm \"$(printf '\\033]0;owned\\007 evil')\"; git push -q origin "
      "'refs/heads/*:refs/heads/*'");
  host.ok("rewall fetch");
  for (const char* branch : {"link", "module", "folder"}) {
    INFO(branch);
    CHECK(has(host.ends(5, std::string("rewall restore --yes origin/hosts/") + branch), "not a plain file"));
    host.ends(5, std::string("rewall diff HEAD origin/hosts/") + branch);
  }
  host.ends(5, "rewall restore --yes origin/hosts/words");
  CHECK_FALSE(has(host.ok("rewall log origin/hosts/words"), "\x1b"));
  CHECK(host.ok("git -C repo status --porcelain").empty());
  host.ok("rewall status");
  // None of these can be cloned as a host either.
  host.ends(5, "rewall -C $PWD/new clone $PWD/remote.git --host link");
  host.ok("! test -e new");

  // An object that git calls dangerous: alone its branch is refused.
  host.ok(
      "cd evil; t=$(printf '100644 .git\\0' | cat - <(git hash-object -w --stdin </dev/null | xxd -r -p) | "
      "git hash-object -t tree -w --stdin --literally); c=$(git commit-tree -m x $t); "
      "git push -q origin $c:refs/heads/hosts/dotgit $c:refs/heads/hosts/again "
      "hosts/words:refs/heads/any/refs/heads/hosts/ghost; "
      "for h in a b y z; do git push -q origin $(git commit-tree -m $h "
      "hosts/words^{tree}):refs/heads/hosts/$h; done");
  const auto said = host.ends(7, "rewall fetch --json");
  CHECK(has(said, R"({"name":"hosts/dotgit","why":"object )"));
  CHECK(has(said, "origin/hosts/again was refused: object "));
  CHECK(has(said, "hasDotgit"));
  CHECK_FALSE(has(said, "ghost"));
  host.ok("! ls repo/.git/objects/pack/tmp_*");
  // It is not downloaded again: nobody sees that the remote has lost it meanwhile.
  host.ok("cd remote.git; o=$(git rev-parse hosts/dotgit); rm -f objects/${o:0:2}/${o:2}");
  const auto again = host.ends(7, "rewall fetch --json");
  CHECK(has(again, R"({"name":"hosts/dotgit","why":"object )"));
  CHECK(has(again, "origin/hosts/again was refused: object "));
  CHECK(host.ok("stat -c %a repo/.git/rewall/refused") == "600\n");
  // Under other limits it is tried again.
  host.ok("rewall config fetch.memory 300M");
  CHECK_FALSE(has(host.ends(7, "rewall fetch --json"), R"("hosts/dotgit","why":"object )"));
  host.ok("rewall config --unset fetch.memory");
  CHECK(host.ok("for h in a again b dotgit y z; do git -C repo rev-parse -q --verify origin/hosts/$h "
                ">/dev/null && echo $h; "
                "done; true") == "a\nb\ny\nz\n");
  host.ok("rewall -C $PWD/new clone $PWD/remote.git --host a; rm -r new");
  CHECK(
      has(host.ends(7, "rewall -C $PWD/new clone $PWD/remote.git --host dotgit"), "hosts/dotgit is refused"));
  host.ok("! test -e new; ! ls -d .new.clone*");
  host.ok(
      "git -C remote.git update-ref -d refs/heads/hosts/dotgit; git -C remote.git update-ref -d "
      "refs/heads/hosts/again; "
      // What is no commit at all is said, and stops nothing.
      "git -C remote.git hash-object -w --stdin </dev/null "
      ">remote.git/refs/heads/hosts/blob");
  CHECK(has(host.ok("rewall fetch 2>&1"), "origin/hosts/blob: "));
  // A pack that is too big.
  host.ok(
      "rm remote.git/refs/heads/hosts/blob; cd evil; git checkout -qf --orphan "
      "hosts/big; "
      "head -c 3000000 /dev/urandom >rules.v4; git add .; git commit -qm big; git push -q origin hosts/big");
  host.ok("rewall config fetch.limit 1M");
  host.ends(7, "rewall fetch");
  host.ok(
      "! git -C repo rev-parse -q --verify origin/hosts/big; rewall config fetch.limit 10M; rewall fetch; "
      "git -C repo fsck --strict");
}

TEST_CASE("a fetch takes no more memory than it may, and the other branches come all the same", "[share]") {
  const Host host;
  host.ok(
      "git init -q --bare f.git; rewall init --remote $PWD/f.git; rewall push; rewall config fetch.memory "
      "64M; "
      "git init -q evil; cd evil; git config user.name e; git config user.email e@e; git checkout -q -b "
      "hosts/big; head -c 90000000 /dev/zero >rules.v4; git add .; git commit -qm 1; echo >>rules.v4; "
      "git commit -qam 2; git repack -adfq; git push -q ../f.git hosts/big; git checkout -q --orphan "
      "hosts/small; git rm -rfq .; git commit -q --allow-empty -m s; git push -q ../f.git hosts/small");
  const auto said = host.ends(7, "rewall fetch --json");
  CHECK(has(said, R"({"name":"hosts/big","why":"git needs more memory for it than fetch.memory allows"})"));
  host.ok("git -C repo rev-parse -q --verify origin/hosts/small; ! ls repo/.git/objects/pack/tmp_*");
  host.ok("! git -C repo rev-parse -q --verify origin/hosts/big");
  CHECK(has(host.ends(7, "rewall -C $PWD/new clone $PWD/f.git --host big"), "fetch.snapshot"));
}

TEST_CASE("clone says who signed HEAD", "[share]") {
  const Host host;
  host.ok("git init -q --bare f.git; rewall init --remote $PWD/f.git; rewall push");
  const auto clone = "rewall -C $PWD/new clone $PWD/f.git --host $(hostname)";
  CHECK(has(host.ends(0, clone), ": not signed"));
  host.ok(
      "rm -r new; ssh-keygen -qt ed25519 -N '' -f key; git -C repo config gpg.format ssh; rewall config "
      "sign.key $PWD/key; iptables -N new; rewall snapshot; rewall push");
  CHECK(has(host.ends(0, clone + std::string(" --json")), R"("signature":"signed)"));
}

TEST_CASE("a branch of this host that was rewritten on the remote is told, with what is gone there",
          "[share]") {
  const Host host;
  host.ok("git init -q --bare f.git; rewall init --remote $PWD/f.git");
  const auto first = std::string(trim(host.ok("git -C repo rev-parse HEAD")));
  host.ok("rewall snapshot --allow-empty; rewall snapshot --allow-empty; rewall push");
  const auto branch = std::string(trim(host.ok("git -C repo symbolic-ref --short HEAD")));
  host.ok("git -C f.git update-ref refs/heads/" + branch + " " + first);
  const auto said = host.ends(7, "rewall fetch");
  CHECK(has(said, "2 snapshots"));
  CHECK(host.ok("git -C repo rev-parse HEAD~2") == first + "\n");
  // The hint, run where it is printed.
  host.ok("git -C repo push -q --force-with-lease origin " + branch);
  CHECK(host.ok("git -C f.git rev-parse " + branch) == host.ok("git -C repo rev-parse HEAD"));
  host.ok("rewall fetch");
}

TEST_CASE("a clone that fails names no repository, for it has left none") {
  const Host host;
  const auto said = host.ends(7, "rewall -C $PWD/new clone $PWD/nothing");
  CHECK(has(said, "is the address right"));
  CHECK_FALSE(has(said, "rewall -C"));
  CHECK_FALSE(has(said, "git init"));
  host.ok("test ! -e new");
}

TEST_CASE("a clone of an empty remote lacks a snapshot, and nothing else that a snapshot brings") {
  const Host host;
  const auto said = host.ends(
      1, "git init -q --bare r.git; rewall -C $PWD/new clone $PWD/r.git; rewall -C $PWD/new doctor");
  CHECK(has(said, "BAD  history     no snapshot yet"));
  CHECK_FALSE(has(said, "checkout"));
  CHECK_FALSE(has(said, "tag good"));
}

TEST_CASE("a clone says when its HEAD holds what nobody can restore") {
  const Host host;
  host.ok(
      "git init -q --bare r.git; rewall init --remote $PWD/r.git; iptables -N x; rewall snapshot; cd repo; "
      "echo "
      "'-A INPUT -j' >>rules.v4; git -c user.name=e -c user.email=e commit -qam evil; git push -q origin "
      "HEAD");
  const auto said = host.ends(0, "rewall -C $PWD/new clone $PWD/r.git");
  CHECK(has(said, "HEAD cannot be restored: "));
  CHECK_FALSE(has(said, "restore HEAD"));
  host.ends(5, "rewall -C $PWD/new restore --dry-run HEAD");
  host.ok("rewall -C $PWD/new log; rewall -C $PWD/new restore --dry-run HEAD~1");
}

TEST_CASE("a server that lists branches without end is given up, and takes no more memory than it may") {
  const Host host;
  host.ok(
      "rewall init; rewall config fetch.memory 64M; cat >server.py <<'END'\n"
      "import socket, sys\n"
      "s = socket.create_server(('127.0.0.1', 0))\n"
      "print(s.getsockname()[1], flush=True)\n"
      "while True:\n"
      "    c = s.accept()[0]\n"
      "    n = 0\n"
      "    try:\n"
      "        c.recv(4096)\n"
      "        while True:\n"
      "            lines = ''\n"
      "            for i in range(2000):\n"
      "                line = '%040x refs/heads/hosts/x%d' % (n + 1, n) + ('' if n else '\\0') + '\\n'\n"
      "                lines += '%04x' % (len(line) + 4) + line\n"
      "                n += 1\n"
      "            c.sendall(lines.encode())\n"
      "    except OSError:\n"
      "        pass\n"
      "END\nip link set lo up\npython3 server.py >port 2>/dev/null &\nuntil test -s port; do sleep 0.05; "
      "done");
  host.ok("rewall remote add endless git://127.0.0.1:$(cat port)/r");
  const auto before = host.rules();
  for (const std::string command : {"fetch", "-C $PWD/new clone git://127.0.0.1:$(cat port)/r"}) {
    const auto said = host.ends(7, "timeout 300 " REWALL_PROGRAM " " + command);
    CHECK(said.size() < 2000);
  }
  CHECK(host.rules() == before);
  host.ok("test ! -e new; rewall status");
}

}  // namespace rewall
