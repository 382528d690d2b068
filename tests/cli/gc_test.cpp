#include "ops/remote/gc.h"

#include <fstream>

#include "support/host.h"

namespace rewall {
namespace {

/// With `snapshots` snapshots, each in loose objects.
void make_history(const Host& host, int snapshots) {
  host.ok("iptables -P INPUT ACCEPT; rewall init -q");
  for (int n = 1; n < snapshots; ++n)
    host.ok("iptables -A INPUT -p tcp --dport " + std::to_string(n) + " -j ACCEPT && rewall snapshot -q");
}

std::string objects(const Host& host) {
  return host.ok("git -C repo cat-file --batch-all-objects --batch-check --unordered | sort");
}

void check_whole(const Host& host) {
  CHECK(host.ok("git -C repo fsck --strict --no-dangling --no-progress 2>&1").empty());
}

/// How many objects git counts of a kind: "count" (loose), "in-pack", "packs", "garbage".
std::string counts(const Host& host, const std::string& kind) {
  return host.ok("git -C repo count-objects -v | sed -n 's/^" + kind + ": //p'");
}

}  // namespace

TEST_CASE("gc packs all that is loose and loses nothing") {
  const Host host;
  make_history(host, 6);
  host.ok("rewall tag good HEAD~3; git -C repo update-ref refs/remotes/origin/hosts/other HEAD~2");
  const auto before = objects(host);
  const auto log = host.ok("git -C repo log --format=fuller -p");
  CHECK(counts(host, "packs") == "0\n");
  host.ok("rewall gc");
  CHECK(objects(host) == before);
  CHECK(host.ok("git -C repo log --format=fuller -p") == log);
  CHECK(counts(host, "count") == "0\n");
  CHECK(counts(host, "packs") == "1\n");
  CHECK(host.ok("find repo/.git/refs -type f").empty());
  CHECK(host.ok("find repo/.git/objects/pack repo/.git/packed-refs -perm /077").empty());
  check_whole(host);

  SECTION("what is read and written goes on as before") {
    host.ends(0, "rewall status");
    CHECK(has(host.ok("rewall log --oneline good"), "dport 2"));
    host.ok("iptables -F INPUT; rewall snapshot -q; rewall undo -q; rewall restore -q good");
    host.ok("rewall gc");
    CHECK(counts(host, "packs") == "1\n");
    check_whole(host);
  }
  SECTION("JSON has the counts of git") {
    host.ok("iptables -F INPUT; rewall snapshot -q");
    const auto total = [&] { return std::stoi(counts(host, "count")) + std::stoi(counts(host, "in-pack")); };
    const auto all = total();
    const auto said = host.ok("rewall gc --json");
    CHECK(has(said, "\"objects_before\":" + std::to_string(all) + ","));
    CHECK(has(said, "\"objects_after\":" + std::to_string(total()) + ","));
    CHECK(has(said, "\"packs\":1,"));
  }
}

TEST_CASE("gc keeps what a log of any ref, the journal, the guard or seen names, however old it is") {
  const Host host;
  make_history(host, 2);
  const auto hash = [&](const std::string& what) {
    auto text = host.ok(what);
    return text.substr(0, 40);
  };
  // Trees as prepare() writes them, and snapshots that no branch has any more.
  const auto tree = [&](const std::string& content) {
    return hash("cd repo; b=$(echo " + content +
                " | git hash-object -w --stdin); printf '100644 blob %s\\trules.v4\\n' $b | git mktree");
  };
  const auto commit = [&](const std::string& content) {
    return hash("git -C repo -c user.name=a -c user.email=a@b commit-tree -m x " + tree(content));
  };
  const auto wanted = tree("journal");
  const auto guarded = commit("guard");
  const auto seen = commit("seen");
  const auto logged = commit("logged");
  const auto nobodys = commit("nobody");
  host.ok("git -C repo update-ref --create-reflog refs/heads/side " + logged +
          " && git -C repo update-ref -m reset refs/heads/side HEAD");
  const auto head = hash("git -C repo rev-parse HEAD");
  const auto boot = host.ok("tr -d '\\n' </proc/sys/kernel/random/boot_id");
  // Of another network namespace: no rewall here may settle it.
  std::ofstream(host.folder() / "repo/.git/rewall/journal")
      << "rewall journal 1\nbefore " << head << "\nwanted " << wanted
      << "\nbackends nft\nlooks-at auto\nplace " << boot
      << " 1\nbegan 1700000000 0\nprocess 1\ntrigger "
         "restore\nend\n";
  std::ofstream(host.folder() / "repo/.git/rewall/guard")
      << "rewall guard 1\nid a\nbefore " << guarded << "\nbackends nft\nlooks-at auto\nplace " << boot
      << " 1\narmed 1700000000 0\nlength 1\ndeadline 1\nend\n";
  host.ok("echo elsewhere 1 1 " + seen + " >repo/.git/rewall/seen; chmod 600 repo/.git/rewall/*");
  const auto age = [&] { host.ok("find repo/.git/objects -type f -exec touch -d '3 weeks ago' {} +"); };
  const auto there = [&](const std::string& of) {
    return host.sh("git -C repo cat-file -p " + of + "^{tree} && git -C repo cat-file -p " + of +
                   "^{tree}:rules.v4")
               .status == 0;
  };
  const bool packed = GENERATE(false, true);
  if (packed) {
    host.ok("git -C repo rev-list --objects --all --reflog " + wanted + " " + guarded + " " + seen + " " +
            nobodys + " | git -C repo pack-objects -q .git/objects/pack/pack && git -C repo prune-packed");
  }
  age();
  host.ok("rewall gc");
  for (const auto& kept : {wanted, guarded, seen, logged}) CHECK(there(kept));
  CHECK_FALSE(there(nobodys));
  check_whole(host);
  host.ok("rm repo/.git/rewall/journal repo/.git/rewall/guard");
  age();
  host.ok("rewall gc");
  CHECK_FALSE(there(wanted));
  CHECK_FALSE(there(guarded));

  SECTION("nothing is removed while the journal cannot be read") {
    const auto lost = tree("once more");
    host.ok(
        "iptables -A INPUT -j LOG; echo nonsense >repo/.git/rewall/journal; chmod 600 "
        "repo/.git/rewall/journal");
    age();
    CHECK(has(host.ends(0, "rewall gc"), "no object is removed"));
    CHECK(there(lost));
  }
}

TEST_CASE("one gc at a time, and a killed one's git is waited for") {
  const Host host;
  make_history(host, 2);
  const auto busy = "exec 9<>repo/.git/rewall/gc; flock -x 9; printf '%-10s %-20s\\n' $$ gc >&9; ";
  CHECK(has(host.ends(0, std::string(busy) + "rewall gc"), "another 'rewall gc' is running"));
  CHECK(counts(host, "packs") == "0\n");

  // Its git is slow, and goes on when it is killed.
  const auto said =
      host.ok("strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:delay_enter=1000000 " REWALL_PROGRAM
              " -q gc & until ls repo/.git/objects/pack/tmp_pack_*; do sleep 0.02; done >/dev/null 2>&1; "
              "kill -9 $(cut -d' ' -f1 repo/.git/rewall/gc); rewall gc 2>&1; wait");
  CHECK(has(said, "another 'rewall gc' is running"));
  CHECK(counts(host, "packs") == "1\n");
  host.ok("rewall gc");
  check_whole(host);
}

TEST_CASE("gc that is killed at any moment leaves a whole repository, and the next one clears up") {
  const Host host;
  make_history(host, 4);
  const auto before = objects(host);
  // Each of its processes dies where it would make such a call for the n-th time.
  const std::string kill =
      "strace -f -qq -o /dev/null -e trace=rename,renameat,renameat2,link,linkat,unlink,unlinkat,fsync,mkdir "
      "-e inject=rename,renameat,renameat2,link,linkat,unlink,unlinkat,fsync,mkdir:signal=KILL:when=";
  int killed = 0;
  host.ok("mv repo loose");
  for (int n = 1; n < 16; ++n) {
    host.ok("rm -rf repo; cp -a loose repo");
    const auto outcome = host.sh(kill + std::to_string(n) + " " REWALL_PROGRAM " -q gc");
    if (outcome.status == 0) break;
    ++killed;
    INFO(n);
    CHECK(host.ok("git -C repo fsck --strict --no-dangling --no-progress 2>&1").empty());
    CHECK(objects(host) == before);
  }
  CHECK(killed > 3);
  host.ok("iptables -A INPUT -j LOG && rewall snapshot -q");
  host.ok("find repo/.git/objects -name 'tmp_*' -exec touch -d '1 hour ago' {} +; rewall gc");
  CHECK(counts(host, "garbage") == "0\n");
  CHECK(counts(host, "packs") == "1\n");
  CHECK(host.ok("find repo/.git -name '*.lock' ! -path '*/rewall/*'").empty());
  check_whole(host);
}

TEST_CASE("gc removes what killed gits left, and nothing that one has open") {
  const Host host;
  make_history(host, 2);
  const auto pack = host.folder() / "repo/.git/objects/pack";
  host.ok(
      "cd repo/.git/objects/pack; touch .tmp-4194999-pack-x.pack .tmp-$PPID-pack-x.pack tmp_pack_new; "
      "touch -d '1 hour ago' tmp_pack_old tmp_idx_old tmp_pack_open");
  host.ok("exec 9<repo/.git/objects/pack/tmp_pack_open; rewall gc");
  CHECK(host.ok("cd repo/.git/objects/pack; ls -A | grep tmp | sed 's/[0-9][0-9]*/N/'") ==
        ".tmp-N-pack-x.pack\ntmp_pack_new\ntmp_pack_open\n");
}

TEST_CASE("snapshots, restores and readers beside gc never fail") {
  const Host host;
  make_history(host, 4);
  host.ok("rewall tag good");
  const auto outcome = host.sh(R"(
    set -e
    (until [ -e done ]; do rewall gc >>gc.out 2>&1 || { echo gc; exit 1; }; done) >gc.bad & gc=$!
    (until [ -e done ]; do
       { rewall log --oneline && rewall show && rewall diff good HEAD --stat || [ $? = 1 ]; } >read.out 2>&1 || { cat read.out; exit 1; }
       if grep -i error read.out; then exit 1; fi
     done) >read.bad & read=$!
    for n in $(seq 12); do
      iptables -A INPUT -p udp --dport $n -j ACCEPT
      rewall snapshot -q >out 2>&1 || { cat out; exit 1; }
      if [ $((n % 3)) = 0 ]; then rewall restore -q good >out 2>&1 || { cat out; exit 1; }; fi
    done
    touch done
    wait $gc || { cat gc.bad gc.out; exit 1; }
    wait $read || { cat read.bad; exit 1; })");
  INFO(outcome.out << outcome.err);
  host.sh("touch done");
  CHECK(outcome.status == 0);
  check_whole(host);
  CHECK(host.ok("git -C repo rev-list --count HEAD") == "20\n");
}

TEST_CASE("gc on a full disk says so and loses nothing") {
  const Host host;
  host.ok("mkdir small && mount -t tmpfs -o size=1m small small");
  const auto outcome = host.sh(R"(
    export REWALL_REPO=$PWD/small/repo
    iptables -A INPUT -j LOG; rewall init -q >/dev/null; rewall gc
    iptables -F; rewall snapshot -q
    git -C small/repo cat-file --batch-all-objects --batch-check >before
    cat /dev/zero >small/fill 2>/dev/null
    rewall gc 2>said; status=$?
    git -C small/repo cat-file --batch-all-objects --batch-check | cmp - before || status=90
    git -C small/repo fsck --strict || status=91
    rm small/fill
    rewall gc || status=92
    git -C small/repo fsck --strict || status=93
    umount small
    exit $status)");
  const auto said = host.ok("cat said");
  INFO(outcome.out << outcome.err << said);
  CHECK(outcome.status == 5);
  CHECK(has(said, "git repack: "));
  CHECK(has(said, "nothing is lost"));
  CHECK(has(said, "free some space"));
}

TEST_CASE("gc is due when loose objects are many, and not within the hour") {
  const Host host;
  host.ok("rewall init -q; rewall config gc.auto 512");
  const auto due = [&] {
    const auto repository = Repository::open(host.repository());
    REQUIRE(repository);
    return gc_is_due(*repository);
  };
  const auto add = [&](int n) {
    host.ok("mkdir -p repo/.git/objects/17; touch repo/.git/objects/17/" + std::to_string(n) +
            std::string(37, '0'));
  };
  CHECK_FALSE(due());
  add(1);
  add(2);
  CHECK(due());
  host.ok("touch repo/.git/rewall/gc; chmod 600 repo/.git/rewall/gc");
  CHECK_FALSE(due());
  host.ok("touch -d '2 hours ago' repo/.git/rewall/gc");
  CHECK(due());
  host.ok("rewall config gc.auto 0");
  CHECK_FALSE(due());
  CHECK(has(host.ends(2, "rewall config gc.auto many"), "gc.auto: 'many' is not a number"));
}

TEST_CASE("trouble in the host's own git files is told as what it is") {
  const Host host;
  make_history(host, 2);
  host.ok("git init -q --bare remote.git; rewall remote add origin $PWD/remote.git; mkdir home hooks");
  host.ok("printf '[core]\n hooksPath = %s/hooks\n' $PWD >home/.gitconfig");
  const std::string at_home = "export HOME=$PWD/home; ";
  host.ok("printf '#!/bin/sh\nexit 1\n' >hooks/pre-push; chmod 755 hooks/pre-push");
  const auto refused = host.ends(7, at_home + "rewall push");
  CHECK(has(refused, "/hooks/pre-push of this host refuses the push"));
  CHECK(host.ok("git -C remote.git for-each-ref").empty());

  // Housekeeping runs no hook.
  host.ok("mv hooks/pre-push hooks/reference-transaction");
  host.ok(at_home + "rewall gc && rewall snapshot --allow-empty");
  host.ok("rm hooks/*; " + at_home + "rewall push");

  host.ok("printf '[user\n' >home/.gitconfig");
  const auto typo = host.ends(5, at_home + "rewall gc");
  CHECK(has(typo, "/home/.gitconfig"));
  CHECK_FALSE(has(typo, "fsck"));
  // The hint, run where it is printed.
  host.ok("rm home/.gitconfig; " + at_home + "rewall gc");
}

}  // namespace rewall
