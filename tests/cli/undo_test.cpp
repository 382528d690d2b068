#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/guarded_host.h"
#include "support/host.h"

using namespace rewall;
using nlohmann::json;

namespace {

// A host with a history of three: port 22 alone, then 80 too, then 443 too.
class UndoHost : public Host {
 public:
  UndoHost() {
    ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init");
    open(80);
    open(443);
  }

  void open(int port) const { ok("iptables -A INPUT " + rule(port) + "; rewall snapshot"); }
  static std::string rule(int port) { return "-p tcp --dport " + std::to_string(port) + " -j ACCEPT"; }

  /// The ports that INPUT accepts, in the order of its rules: "22 80 443".
  std::string ports() const {
    return std::string(
        trim(ok("iptables -S INPUT | sed -n 's/.*--dport \\([0-9]*\\) -j ACCEPT$/\\1/p' | tr '\\n' ' '")));
  }
  std::string hash(const std::string& revision) const {
    return std::string(trim(ok("git -C repo rev-parse " + revision)));
  }
  std::string trailer(const std::string& key) const {
    return std::string(
        trim(ok("git -C repo log -1 --format='%(trailers:key=Rewall-" + key + ",valueonly)'")));
  }
  /// Makes the newest snapshot one of an older version, or of another event: sed edits its message.
  void rewrite_message(const std::string& edit) const {
    ok("git -C repo log -1 --format=%B | sed '" + edit +
       "' | git -C repo -c user.name=rewall -c user.email=rewall@host commit -q --amend -F -");
  }
};

}  // namespace

TEST_CASE("of a change that a command finds nobody is the author, and of a snapshot who takes it") {
  const GuardedHost host;
  const auto author = [&](const std::string& revision) {
    return host.ok("git -C repo log -1 --format='%an %(trailers:key=Rewall-Actor,valueonly)' " + revision);
  };
  const auto me = author("HEAD");
  REQUIRE_FALSE(has(me, "unknown"));
  const std::string change = "iptables -A INPUT -p tcp --dport 81 -j ACCEPT; ";
  SECTION("undo") {
    host.ok(change + "rewall undo");
  }
  SECTION("restore") {
    host.ok(change + "rewall restore old");
  }
  SECTION("try") {
    host.ok(change + "rewall try --for 10m -- iptables -N x; rewall confirm");
  }
  SECTION("a guard that fires") {
    host.ok("rewall try --for 10m -- iptables -N x; " + change);
    host.time_is_up();
    host.until_gone();
  }
  CHECK(host.ok("git -C repo log -1 --format=%s HEAD~1").starts_with("filter/INPUT: +1 tcp dport 81"));
  CHECK(has(author("HEAD~1"), "unknown"));
  CHECK(author("HEAD") == me);
  host.ok(change + "rewall snapshot");
  CHECK(author("HEAD") == me);
}

TEST_CASE("undo goes back change by change, and redo forward again") {
  const UndoHost host;
  const auto all = host.rules();
  const auto newest = host.hash("HEAD");
  const auto said = host.ends(0, "rewall undo");
  CHECK(has(said, "taking back " + newest.substr(0, 10) + " 'filter/INPUT: +1 tcp dport 443 ACCEPT'"));
  CHECK(has(said, "go back to " + host.hash("HEAD~2").substr(0, 10)));
  CHECK(host.ports() == "22 80");
  CHECK(host.trailer("Undoes") == newest);
  CHECK(host.trailer("Restores") == host.hash("HEAD~2"));
  host.ok("rewall undo");
  CHECK(host.ports() == "22");
  CHECK(has(host.ends(3, "rewall undo"),
            "every change is undone; LIVE is untouched\nhint: 'rewall -C " + host.repository() + " redo'"));
  CHECK(host.ports() == "22");
  host.ok("rewall redo");
  CHECK(host.ports() == "22 80");
  CHECK(host.trailer("Trigger") == "redo");
  CHECK(has(host.ends(0, "rewall redo"), "putting back " + newest.substr(0, 10)));
  CHECK(host.trailer("Restores") == newest);
  CHECK(host.rules() == all);
  CHECK(has(host.ends(3, "rewall redo"), "nothing to redo: "));
  host.ok("rewall undo; rewall undo; rewall redo; rewall undo");
  CHECK(host.ports() == "22");
}

TEST_CASE("undo takes a snapshot for a change that names one of another history") {
  const UndoHost host;
  const std::string gone(40, 'e');
  const auto trigger = GENERATE(as<std::string>(), "rollback", "boot", "redo", "undo");
  host.rewrite_message("s/^Rewall-Trigger:.*/Rewall-Trigger: " + trigger + "\\nRewall-Restores: " + gone +
                       "/");
  const auto newest = host.hash("HEAD").substr(0, 10);
  const auto said = host.ends(0, "rewall undo");
  INFO(said);
  CHECK(has(said, newest + " names eeeeeeeeee, which this history does not have: it counts as a change"));
  CHECK(has(said, "taking back " + newest));
  CHECK(host.ports() == "22 80");
  host.ok("rewall undo");
  CHECK(host.ports() == "22");
  CHECK(has(host.ends(0, "rewall redo; rewall redo"), newest + " names eeeeeeeeee, "));
  CHECK(host.ports() == "22 80 443");
}

TEST_CASE("undo works as far as a shallow clone goes") {
  const UndoHost host;
  host.ok(
      "rewall undo; git clone -q --depth 3 file://$PWD/repo shallow; mv repo/.git old; mv shallow/.git "
      "repo/.git; "
      "chmod -R go= repo/.git; git -C repo remote remove origin");
  CHECK(host.ends(0, "rewall log --oneline | wc -l") == "3\n");
  host.ok("rewall redo");
  CHECK(host.ports() == "22 80 443");
  host.ok("rewall undo");
  CHECK(host.ports() == "22 80");
  CHECK(has(host.ends(3, "rewall undo"), "nothing to undo"));
  host.ok("rewall verify");
}

TEST_CASE("a change after an undo is the newest, and ends what redo could put back") {
  const UndoHost host;
  host.ok("rewall undo");
  SECTION("recorded") {
    host.open(8080);
    CHECK(has(host.ends(3, "rewall redo"),
              "changed after the undo, by " + host.hash("HEAD").substr(0, 10) + " ('filter/INPUT: +1"));
    host.ok("rewall undo");
  }
  SECTION("of a file") {
    host.ok("git -C repo show HEAD:rules.v4 | sed 's/^-A.*dport 80 .*/&\\n-A INPUT " + UndoHost::rule(8080) +
            "/' >more; rewall apply more");
    CHECK(host.ports() == "22 80 8080");
    CHECK(has(host.ends(3, "rewall redo"), "changed after the undo"));
    host.ok("rewall undo");
  }
  SECTION("not recorded") {
    host.ok("iptables -A INPUT " + UndoHost::rule(8080));
    CHECK(has(host.ends(3, "rewall redo"),
              "changed after the undo; LIVE is untouched\nhint: see what changed: rewall -C " +
                  host.repository() + " diff;"));
    CHECK(has(host.ends(1, "rewall diff"), "+ 3     -p tcp --dport 8080 -j ACCEPT"));
    CHECK(host.ports() == "22 80 8080");
    CHECK(has(host.ends(1, "rewall undo --dry-run"), "taking back the change that is not recorded yet"));
    CHECK(host.ports() == "22 80 8080");
    CHECK(has(host.ends(0, "rewall undo"), "taking back "));
  }
  SECTION("that watch recorded") {
    host.ok("iptables -A INPUT " + UndoHost::rule(8080) + "; rewall watch --once");
    CHECK(host.trailer("Trigger") == "watch");
    host.ok("rewall undo");
  }
  CHECK(host.ports() == "22 80");
  host.ok("rewall undo");
  CHECK(host.ports() == "22");
  host.ok("rewall redo");
  CHECK(host.ports() == "22 80");
}

TEST_CASE("undo takes back policies, chains and sets, and leaves what it does not touch") {
  const UndoHost host;
  host.ok(
      "ipset create a hash:ip; ipset add a 192.0.2.1; ipset create b hash:ip; ipset add b 192.0.2.2; "
      "iptables -N own; iptables -A own -j LOG; ip6tables -A INPUT -j DROP; rewall snapshot");
  const auto before = host.rules() + host.ok("ip6tables-save -t filter | grep -v '^#'; ipset list -n");
  host.ok(
      "iptables -P FORWARD DROP; iptables -F own; iptables -X own; iptables -N other; ipset add b "
      "192.0.2.3; ipset destroy a; ipset create c hash:net; iptables -t nat -A POSTROUTING -j "
      "MASQUERADE; ip6tables -P INPUT DROP; rewall snapshot");
  host.ok("rewall undo");
  CHECK(host.ok("ipset save | grep '^add' | sort") == "add a 192.0.2.1\nadd b 192.0.2.2\n");
  CHECK(host.ok("ipset list -n | sort") == "a\nb\n");
  CHECK(host.ok("rewall diff --stat HEAD~2 LIVE").empty());
  host.ok("rewall redo");
  CHECK(host.ok("rewall diff --stat HEAD~2 LIVE").empty());
  CHECK(has(host.rules(), "MASQUERADE"));
}

TEST_CASE("undo steps over snapshots of foreign parts, which stay") {
  const UndoHost host;
  host.ok("iptables -N f2b-sshd; iptables -I INPUT -j f2b-sshd; rewall snapshot");
  host.ok("iptables -A f2b-sshd -s 203.0.113.2 -j REJECT; rewall snapshot -m 'with bans'");
  const auto newest = host.ok("git -C repo log -2 --abbrev=10 --format=%h");
  const auto said = host.ends(0, "rewall undo");
  CHECK(has(said, "passed over: " + newest.substr(0, 10) + ", " + newest.substr(11, 10) +
                      ", foreign parts alone, which stay as they are\n"));
  CHECK(host.ports() == "22 80");
  CHECK(has(host.rules(), "-A INPUT -j f2b-sshd"));
  CHECK(has(host.rules(), "-A f2b-sshd -s 203.0.113.2/32 -j REJECT"));
  host.ok("iptables -A f2b-sshd -s 203.0.113.3 -j REJECT; rewall redo");
  CHECK(host.ports() == "22 80 443");
  CHECK(has(host.rules(), "203.0.113.3"));
  CHECK_FALSE(has(host.ends(0, "rewall undo"), "passed over"));
}

TEST_CASE("undo of an exact restore brings foreign parts back") {
  const UndoHost host;
  host.ok(
      "iptables -N f2b-sshd; iptables -A f2b-sshd -s 198.51.100.7 -j REJECT; iptables -I INPUT -j "
      "f2b-sshd; rewall snapshot");
  const auto banned = host.rules();
  host.ok("rewall restore --exact HEAD~1");
  CHECK(host.trailer("Exact") == "yes");
  CHECK_FALSE(has(host.rules(), "f2b"));
  CHECK(has(host.ok("rewall log --oneline -n 1"), host.hash("HEAD").substr(0, 10)));
  SECTION("as they were") {
    host.ok("rewall undo");
    CHECK(host.rules() == banned);
    host.ok("rewall redo");
    CHECK_FALSE(has(host.rules(), "f2b"));
  }
  SECTION("but for what their owner made anew") {
    host.ok(
        "iptables -N f2b-sshd; iptables -A f2b-sshd -s 198.51.100.8 -j REJECT; iptables -I INPUT -j "
        "f2b-sshd; rewall snapshot; rewall undo");
    CHECK(has(host.rules(), "198.51.100.8"));
    CHECK(host.ports() == "22 80 443");
  }
}

TEST_CASE(
    "undo says what an owner changed since in a foreign chain, and --exact takes it back all the same") {
  const UndoHost host;
  host.ok(
      "iptables -N f2b-sshd; iptables -I INPUT -j f2b-sshd; rewall snapshot; rewall try --keep -- iptables "
      "-I "
      "f2b-sshd -s 198.51.100.7 -j REJECT");
  const auto change = host.hash("HEAD");
  SECTION("alone, it is taken back") {
    host.ok("rewall undo");
    CHECK_FALSE(has(host.rules(), "198.51.100.7"));
    host.ok("rewall redo");
    CHECK(has(host.rules(), "198.51.100.7"));
  }
  SECTION("with a ban since") {
    host.ok("iptables -I f2b-sshd -s 203.0.113.2 -j REJECT; rewall snapshot");
    const auto head = host.hash("HEAD");
    for (const char* command : {"rewall undo --dry-run", "rewall undo"}) {
      INFO(command);
      const auto said = host.ends(3, command);
      INFO(said);
      CHECK(has(said, "nothing else is left of the change: kept as they are: fail2ban"));
      CHECK_FALSE(has(said, "already match"));
      CHECK(has(said, "undo --exact"));
      CHECK(host.hash("HEAD") == head);
    }
    CHECK(has(host.ends(1, "rewall undo --exact --dry-run"), "198.51.100.7"));
    host.ok("rewall undo --exact");
    CHECK(host.trailer("Undoes") == change);
    CHECK_FALSE(has(host.rules(), "198.51.100.7"));
    CHECK(host.ports() == "22 80 443");
  }
}

TEST_CASE("an import and other snapshots that change nothing are no changes to undo") {
  const UndoHost host;
  SECTION("an import") {
    host.ok("printf '*filter\\n:INPUT DROP [0:0]\\nCOMMIT\\n' >old.bak; rewall import old.bak");
  }
  SECTION("an empty snapshot") {
    host.ok("rewall snapshot --allow-empty");
  }
  SECTION("other expectations") {
    host.ok("echo 'accept -p tcp --dport 22' >repo/expect; rewall snapshot");
  }
  SECTION("a shutdown, and the boot that loaded all again") {
    host.ok("iptables -F; rewall snapshot");
    host.rewrite_message("s/^Rewall-Trigger: .*/Rewall-Trigger: shutdown/");
    for (const int port : {22, 80, 443}) host.ok("iptables -A INPUT " + UndoHost::rule(port));
    host.ok("rewall snapshot");
  }
  host.ok("rewall undo");
  CHECK(host.ports() == "22 80");
  host.ok("rewall redo");
  CHECK(host.ports() == "22 80 443");
}

TEST_CASE("undo and redo know after a boot and in a clone what was done and undone") {
  const UndoHost host;
  host.ok("rewall undo");
  std::string at = "rewall";
  SECTION("a boot that loads what HEAD says") {
    host.ok("iptables -F; rewall restore --boot");
  }
  SECTION("a boot into something else") {
    host.ok("iptables -F; iptables -A INPUT -j LOG; rewall restore --boot");
    CHECK(host.trailer("Trigger") == "boot");
  }
  SECTION("a clone") {
    host.ok(
        "git init -q --bare remote; rewall remote add origin $PWD/remote; rewall push; "
        "rewall -C again clone $PWD/remote");
    at = "rewall -C again";
  }
  CHECK(host.ports() == "22 80");
  host.ok(at + " redo");
  CHECK(host.ports() == "22 80 443");
  host.ok(at + " undo; " + at + " undo");
  CHECK(host.ports() == "22");
}

TEST_CASE("undo and redo read the history of a version that did not say what an undo took back") {
  const UndoHost host;
  host.ok("rewall undo");
  host.rewrite_message("/^Rewall-Undoes/d");
  SECTION("one undo") {
    host.ok("rewall redo");
    CHECK(host.ports() == "22 80 443");
    host.ok("rewall undo; rewall undo");
    CHECK(host.ports() == "22");
  }
  SECTION("the next change") {
    host.ok("rewall undo");
    CHECK(host.ports() == "22");
    host.ok("rewall redo; rewall redo");
    CHECK(host.ports() == "22 80 443");
  }
  SECTION("a second undo, which was a redo then") {
    host.ok("rewall redo");
    host.rewrite_message("s/^Rewall-Trigger: redo/Rewall-Trigger: undo/");
    CHECK(host.trailer("Undoes").empty());
    host.ends(3, "rewall redo");
    host.ok("rewall undo");
    CHECK(host.ports() == "22 80");
    host.ok("rewall undo");
    CHECK(host.ports() == "22");
  }
}

TEST_CASE("undo and redo are restores: guarded, dry, as JSON") {
  const UndoHost host;
  const auto before = host.hash("HEAD");
  CHECK(has(host.ends(1, "rewall undo --dry-run"), "dry run: nothing was changed"));
  CHECK(host.hash("HEAD") == before);
  CHECK(host.ports() == "22 80 443");
  const auto undone = json::parse(host.ok("rewall undo --json"));
  CHECK(undone["changed"] == true);
  CHECK(undone["hash"] == host.hash("HEAD"));
  CHECK(undone["restored"] == host.hash("HEAD~2"));
  const auto logged = json::parse(host.ok("rewall log -n 1 --json"));
  CHECK(logged[0]["undoes"] == before);
  CHECK(logged[0]["restores"] == host.hash("HEAD~2"));
  CHECK(logged[0]["exact"] == false);
  CHECK(has(host.ok("rewall show"), "undoes   " + before));
  host.ends(1, "rewall redo --dry-run");
  CHECK(host.ports() == "22 80");
  host.ok("rewall redo --json -m 'as it was'");
  CHECK(host.ok("git -C repo log -1 --format=%s") == "as it was\n");
  const auto refused = json::parse(host.sh("rewall redo --json").out);
  CHECK(refused["error"]["code"] == 3);
  CHECK(refused["error"]["live"] == "untouched");
}

TEST_CASE("what a guard took back is no change that undo could put in force") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall try --for 10m --yes -- ./break");
  const auto broken = host.live();
  CHECK(broken != before);
  for (const char* command : {"undo", "redo", "undo --dry-run"}) {
    INFO(command);
    CHECK(has(host.ends(3, "rewall " + std::string(command)),
              "'rewall -C " + host.repository() + " confirm' keeps that change, 'rewall -C " +
                  host.repository() + " rollback' reverts it"));
  }
  CHECK(host.live() == broken);
  SECTION("that nobody confirmed") {
    host.time_is_up();
    host.until_gone();
    CHECK(host.live() == before);
    CHECK(has(host.ends(3, "rewall redo"), "nothing to redo"));
  }
  SECTION("that somebody rolled back") {
    host.ok("rewall rollback");
    CHECK(host.live() == before);
  }
  SECTION("that somebody rolled back, though a hand had undone it before") {
    host.ok("rewall checkout HEAD~1 | iptables-restore; rewall rollback");
    CHECK(host.live() == before);
    CHECK(has(host.ok("rewall show"), "rollback"));
  }
  SECTION("but it is one that was confirmed") {
    host.ok("rewall confirm; rewall undo");
    CHECK(host.live() == before);
    host.ok("rewall redo");
    CHECK(host.live() == broken);
    host.ok("rewall undo");
    CHECK(host.live() == before);
  }
  // The one change before it is that from the open firewall.
  host.ok("rewall undo");
  CHECK(has(host.ok("iptables -S INPUT"), "-P INPUT ACCEPT\n"));
  CHECK(has(host.ends(3, "rewall undo"), "nothing to undo"));
}

TEST_CASE("an undo that a guard took back never was") {
  const GuardedHost host;
  const auto before = host.live();
  host.ok("rewall undo --for 10m");
  CHECK(host.live() != before);
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  CHECK(has(host.ends(3, "rewall redo"), "nothing to redo"));
  host.ok("rewall undo --for 10m; rewall confirm; rewall redo");
  CHECK(host.live() == before);
}
