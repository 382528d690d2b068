// Expectations, and what a change does that breaks one or locks its author out.
#include <nlohmann/json.hpp>

#include "support/guarded_host.h"

using namespace rewall;

namespace {

using Json = nlohmann::json;

/// A host that lets ssh in and nothing else, by rules that are recorded, and ./closed.v4 that lets nothing
/// in.
class FilteringHost : public GuardedHost {
 public:
  /// `first` is run before the rules are made.
  explicit FilteringHost(const std::string& first = "true") {
    // Where NAT is, a packet that may be an answer may be anybody's.
    ok("ip link set lo up; iptables -t nat -F; iptables -F INPUT; " + first +
       "; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; "
       "iptables -A INPUT -p tcp --dport 3306 -j REJECT; rewall snapshot; iptables-save >open.v4; "
       "sed '/dport 22 /d' open.v4 >closed.v4; "
       "sed 's/--dport 22 /&-m limit --limit 3\\/min /' open.v4 >rated.v4");
  }
  std::string rules() const { return ok("iptables -S INPUT"); }
};

// A session that comes over loopback, where its answers come in too.
const std::string kAnswers = "iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT";
const std::string kSession = "export SSH_CONNECTION='127.0.0.1 40000 127.0.0.1 22'; ";

}  // namespace

TEST_CASE("an expectation is added, listed, held against a revision, and removed") {
  const FilteringHost host;
  CHECK(has(host.ok("rewall expect 2>&1"), "no expectations"));
  CHECK(has(host.ends(0, "rewall check"), "nothing to check"));
  CHECK(has(host.ends(0, "rewall expect add accept -p tcp --dport 22 -s 192.0.2.7 --comment 'the office'"),
            "added: accept -p tcp --dport 22 -s 192.0.2.7  # the office; the next snapshot records it"));
  CHECK(has(host.ends(0, "rewall expect add reject -p tcp --dport 3306"), "added"));
  CHECK(has(host.ends(0, "rewall expect add drop -p udp --dport 53 --state NEW"), "added"));
  CHECK(has(host.ends(0, "rewall expect add drop --state NEW --dport 53 -p udp"),
            "line 3 says so already: drop -p udp --dport 53 --state NEW"));
  CHECK(host.ok("cat repo/expect") ==
        "accept -p tcp --dport 22 -s 192.0.2.7  # the office\nreject -p tcp --dport 3306\n"
        "drop -p udp --dport 53 --state NEW\n");
  CHECK(host.ok("rewall expect") ==
        "  1  accept -p tcp --dport 22 -s 192.0.2.7  # the office\n  2  reject -p tcp --dport 3306\n"
        "  3  drop -p udp --dport 53 --state NEW\n");
  CHECK(has(host.ends(0, "rewall check"), "3 expectations: 3 hold"));
  // Of the snapshot `open` nothing is closed.
  const auto said = host.ends(1, "rewall check open");
  CHECK(has(said, "holds     accept -p tcp --dport 22"));
  CHECK(has(said, "FAILS     reject -p tcp --dport 3306\n            ACCEPT by "));
  CHECK(has(said, "3 expectations: 1 holds, 2 fail"));
  host.ok("rewall snapshot; git -C repo show HEAD:expect | cmp - repo/expect");
  CHECK(has(host.ends(0, "rewall expect remove 2"), "removed: reject -p tcp --dport 3306"));
  CHECK(
      host.ok("rewall expect") ==
      "  1  accept -p tcp --dport 22 -s 192.0.2.7  # the office\n  2  drop -p udp --dport 53 --state NEW\n");
  CHECK(has(host.ends(2, "rewall expect remove 3"), "has no expectation 3"));
}

TEST_CASE("an expectation that does not hold today is added, and said") {
  const FilteringHost host;
  CHECK(has(host.ends(0, "rewall expect add accept -p tcp --dport 80"),
            "it does not hold in the live rules: DROP by ip filter INPUT policy DROP"));
}

TEST_CASE("a line that is no expectation is an error that names the line and the word") {
  const FilteringHost host;
  const auto says = [&](const std::string& text, const std::string& words) {
    INFO(text);
    host.ok("printf '# ssh\\n\\n" + text + "\\n' >repo/expect");
    CHECK(has(host.ends(2, "rewall check"), "expect:3: " + words));
    CHECK(has(host.ends(3, "rewall apply --family ipv4 closed.v4"), "expect:3: " + words));
  };
  says("allow -p tcp", "'allow' is no verdict");
  says("accept -p tcp --dport banana", "");
  says("accept --zzz", "");
  says("accept -s \"192.0.2.7", "a quote is not closed");
  CHECK(has(host.rules(), "--dport 22 "));
  host.ok("echo 'drop -p tcp --dport 23' >other");
  CHECK(has(host.ends(0, "rewall check --file other"), "1 hold"));
  CHECK(has(host.ends(2, "rewall check --file nowhere"), "nowhere"));
}

TEST_CASE("what hangs on something that nobody knows is not proved, and says on what") {
  const FilteringHost host;
  host.ok("rewall expect add accept -p tcp --dport 22");
  const auto said = host.ends(1, "rewall check file:rated.v4");
  CHECK(has(said, "unproved  accept -p tcp --dport 22\n            depends on "));
  CHECK(has(said, "limit"));
  const auto json = Json::parse(host.sh("rewall --json check file:rated.v4").out);
  REQUIRE(json.size() == 1);
  CHECK(json[0]["answer"] == "unproved");
  CHECK(json[0]["verdict"] == "DEPENDS");
  CHECK(json[0]["depends_on"].size() == 1);
  // Before a change it is said, and no more.
  CHECK(has(host.ends(0, "rewall apply --family ipv4 rated.v4"), "an expectation cannot be proved: "));
}

TEST_CASE("a change that breaks an expectation is refused, and made with --force") {
  const FilteringHost host;
  host.ok("rewall expect add accept -p tcp --dport 22; rewall snapshot");
  const auto rules = host.rules();
  const auto head = host.hash("HEAD");
  const std::string words =
      "the wanted rules fail an expectation: 'accept -p tcp --dport 22' (line 1): DROP by ip "
      "filter INPUT policy DROP";
  for (const std::string command :
       {"apply --family ipv4 closed.v4", "apply --for 10m --family ipv4 closed.v4"}) {
    INFO(command);
    const auto said = host.ends(3, "rewall " + command);
    CHECK(has(said, words));
    CHECK(has(said, "LIVE is untouched"));
  }
  CHECK_FALSE(host.armed());
  const auto tried = host.ends(3, "rewall apply --dry-run --family ipv4 closed.v4");
  CHECK(has(tried, "-p tcp --dport 22 -j ACCEPT"));
  CHECK(has(tried, words));
  const auto json = Json::parse(host.sh("rewall --json apply --dry-run --family ipv4 closed.v4").out);
  CHECK(json["error"]["code"] == 3);
  CHECK(json["error"]["live"] == "untouched");
  CHECK(host.rules() == rules);
  CHECK(host.hash("HEAD") == head);
  CHECK(has(host.ends(0, "rewall apply --force --family ipv4 closed.v4"), words));
  CHECK_FALSE(has(host.rules(), "--dport 22 "));
  // The way back of that is a change like any other, and holds.
  host.ok("rewall undo");
  CHECK(host.rules() == rules);
  CHECK(has(host.ends(3, "rewall redo"), words));
  host.ok("rewall redo --force; rewall restore HEAD~1");
  CHECK(host.rules() == rules);
}

TEST_CASE("a way back asks for no expectation, and a boot says it") {
  const FilteringHost host;
  host.ok(
      "rewall apply --force --family ipv4 closed.v4; rewall expect add accept -p tcp --dport 22; rewall "
      "snapshot; "
      "rewall apply --for 10m --family ipv4 open.v4; rewall rollback");
  CHECK_FALSE(has(host.rules(), "--dport 22 "));
  host.ok("rewall apply --for 10m --family ipv4 open.v4");
  host.time_is_up();
  host.until_gone();
  CHECK_FALSE(has(host.rules(), "--dport 22 "));
  host.ok("iptables -F; iptables -P INPUT ACCEPT");
  CHECK(has(host.ends(0, "rewall restore --boot"), "the wanted rules fail an expectation: "));
  CHECK_FALSE(has(host.rules(), "--dport 22 "));
  host.ok("echo nonsense >repo/expect; iptables -F");
  CHECK(has(host.ends(0, "rewall restore --boot"), "'nonsense' is no verdict"));
}

TEST_CASE("the suggested expectations hold, and are suggested once") {
  const FilteringHost host;
  host.ok(
      "ip link add eth0 type veth peer name peer0; ip address add 192.0.2.1/24 dev eth0; ip link set eth0 "
      "up; "
      "(exec python3 -c 'import socket, time; s = socket.create_server((\"192.0.2.1\", 22)); "
      "time.sleep(600)' >/dev/null 2>&1) & "
      "echo");
  host.until("grep -q ':0016 00000000:0000 0A' /proc/net/tcp");
  const auto lines = host.ok("rewall check --suggest");
  INFO(lines);
  CHECK(has(lines, "accept -4 -p tcp --dport 22 -i eth0 --state NEW  # somebody listens there\n"));
  CHECK(has(lines, "reject -4 -p tcp --dport 3306 -i eth0 --state NEW  # mysql\n"));
  CHECK(has(lines, "drop -4 -p tcp --dport 6379 -i eth0 --state NEW  # redis\n"));
  CHECK_FALSE(has(lines, "accept -4 -p tcp --dport 6379"));
  host.ok("rewall check --suggest >>repo/expect");
  CHECK(has(host.ends(0, "rewall check"), " hold"));
  CHECK(has(host.ends(0, "rewall check --suggest"), "nothing to suggest"));
}

TEST_CASE("fleet check holds each host against its own expectations") {
  const FilteringHost host;
  host.ok(
      "echo 'accept -p tcp --dport 22' >repo/expect; rewall snapshot; git init -q --bare r.git; "
      "rewall remote add origin $PWD/r.git; rewall push; "
      "unshare -u sh -c 'hostname other; " REWALL_PROGRAM
      " -C other init; echo \"accept -p tcp --dport 80\" "
      ">other/expect; " REWALL_PROGRAM " -C other snapshot; " REWALL_PROGRAM
      " -C other remote add origin "
      "$PWD/r.git; " REWALL_PROGRAM " -C other push'; rewall fetch");
  const auto said = host.ends(1, "rewall fleet check");
  CHECK(has(said, "other\nFAILS     accept -p tcp --dport 80"));
  CHECK(has(said, "holds     accept -p tcp --dport 22"));
  host.ends(0, "rewall fleet check $(hostname)");
}

// --- the caller's own session

TEST_CASE("a lockout is refused without --force or --for, and names the rule") {
  const FilteringHost host(kAnswers);
  const auto rules = host.rules();
  const std::string closed = kSession + "rewall apply --family ipv4 ";
  const auto said = host.ends(3, closed + "closed.v4");
  CHECK(
      has(said,
          "this would lock you out: a new ssh connection from 127.0.0.1 to 127.0.0.1 port 22: its packets in "
          "meet DROP by ip filter INPUT policy DROP"));
  CHECK(has(said, "to try it with a way back: --for 10m; to make the change all the same: --force"));
  CHECK(host.rules() == rules);
  CHECK(has(host.ends(3, closed + "--dry-run closed.v4"), "this would lock you out"));
  CHECK(has(host.ends(3, closed + "--yes closed.v4"), "this would lock you out"));
  const auto guarded = host.ends(0, closed + "--for 10m closed.v4");
  CHECK(has(guarded, "this would lock you out"));
  CHECK(has(guarded, "new ssh: BLOCKED (its packets in meet DROP by ip filter INPUT policy DROP)"));
  host.ok("rewall rollback");
  CHECK(host.rules() == rules);
  CHECK(has(host.ends(0, closed + "--for 10m open.v4 && rewall status"), "nothing changed"));
  // What is closed already stays so.
  host.ok(
      "rewall apply --force --family ipv4 closed.v4; echo '-A INPUT -s 192.0.2.9 -j DROP' >more; "
      "sed '/^-A INPUT/r more' closed.v4 >closed2.v4");
  CHECK(has(host.ends(0, closed + "closed2.v4"), "as the live rules have it"));
  host.ok(closed + "--for 10m open.v4 2>&1 | grep 'new ssh: ok' && rewall confirm");
  CHECK(has(host.ends(0, closed + "--force closed.v4"), "this would lock you out"));
}

TEST_CASE("a doubt asks, and without a terminal it is a no") {
  const FilteringHost host(kAnswers);
  const auto rules = host.rules();
  const std::string rated = kSession + "rewall apply --family ipv4 ";
  const auto said = host.ends(3, rated + "rated.v4");
  CHECK(has(said, "nobody can prove that you still get in: "));
  CHECK(has(said, "limit"));
  CHECK(has(said, "to try it with a way back: --for 10m; to answer the question in advance: --yes"));
  CHECK(host.rules() == rules);
  host.ok(rated + "--for 10m rated.v4");
  CHECK(has(host.rules(), "limit"));
  host.ok("rewall rollback");
  CHECK(host.rules() == rules);
  CHECK(has(host.ends(1, rated + "--dry-run rated.v4"), "nobody can prove"));
  const std::string asked =
      kSession + GuardedHost::on_terminal("apply --family ipv4 rated.v4", "'(yes or no)' answer:");
  CHECK(has(host.ends(3, asked + "no"), "nobody can prove"));
  CHECK(host.rules() == rules);
  host.ends(0, asked + "yes");
  CHECK(has(host.rules(), "limit"));
  // As it is, it stays.
  host.ok("sed 's/3306/3307/' rated.v4 >rated2.v4");
  CHECK(has(host.ends(0, rated + "rated2.v4"), "as the live rules have it"));
  host.ok(rated + "--force open.v4; " + rated + "--yes rated.v4");
}

TEST_CASE("what try does is checked when it is done, and --keep keeps no lockout") {
  const FilteringHost host(kAnswers);
  const auto rules = host.rules();
  const auto said = host.ends(0, kSession + "rewall try --for 10m --keep -- iptables -F INPUT");
  CHECK(has(said, "the rules in force lock you out: "));
  CHECK(has(said, "so it is not kept without a question"));
  CHECK(host.armed());
  host.ok("rewall rollback");
  CHECK(host.rules() == rules);
  host.ok(kSession + "rewall try --for 10m --keep -- iptables -A INPUT -p udp -j ACCEPT");
  CHECK_FALSE(host.armed());
}

TEST_CASE("a partial read checks the whole ruleset") {
  const FilteringHost host(kAnswers);
  // The rule that closes stands in a chain that does not change, behind a jump that does.
  host.ok(
      "iptables -N lock; iptables -A lock -p tcp -j DROP; for i in $(seq 40); do iptables -A lock -s "
      "10.0.0.$i; "
      "done; iptables -N other; rewall snapshot; iptables -I INPUT 1 -j lock; rewall snapshot; rewall undo "
      "--force");
  const auto said = host.ends(3, kSession + "rewall redo");
  CHECK(has(said, "DROP by ip filter lock 1: -p tcp -j DROP"));
}

TEST_CASE("a session that ends elsewhere, and none at all, keep nothing away") {
  const FilteringHost host(kAnswers);
  const std::string elsewhere = "export SSH_CONNECTION='198.51.100.7 40000 203.0.113.5 22'; ";
  CHECK(has(host.ends(0, elsewhere + "rewall apply --family ipv4 closed.v4"),
            "your ssh session does not end in this network namespace"));
  host.ok("rewall undo; export SSH_CONNECTION=nonsense; rewall apply --family ipv4 closed.v4");
  host.ok("rewall undo; unset SSH_CONNECTION; rewall apply --family ipv4 closed.v4");
}

TEST_CASE(
    "a session of mosh is its packets too, and one of sshd without a word in the environment its "
    "connection") {
  const FilteringHost host(kAnswers);
  const std::string served =
      "import os, socket, subprocess, sys\n"
      "open('/proc/self/comm', 'w').write(sys.argv[1])\n"
      "udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(('127.0.0.1', 60001))\n"
      "server = socket.create_server(('127.0.0.1', 22)); client = socket.create_connection(('127.0.0.1', "
      "22))\n"
      "peer = server.accept()[0]; server.close()\n"
      "sys.exit(subprocess.run(sys.argv[2:], close_fds=True).returncode)\n";
  host.ok("cat >served.py <<'END'\n" + served + "END\n");
  const std::string apply = REWALL_PROGRAM " apply --family ipv4 ";
  host.ok("sed '/^-A INPUT/d' open.v4 >none.v4");
  const auto mosh = host.ends(3, kSession + "python3 served.py mosh-server " + apply + "none.v4");
  CHECK(has(mosh, "your mosh session from 127.0.0.1 to 127.0.0.1 port 60001: its packets in meet DROP"));
  // Its packets are let in as those of an open connection; who logs in anew needs ssh.
  CHECK(has(host.ends(3, kSession + "python3 served.py mosh-server " + apply + "closed.v4"),
            "a new ssh connection from 127.0.0.1 to 127.0.0.1 port 22"));
  const auto sshd = host.ends(3, "unset SSH_CONNECTION; python3 served.py sshd-session " + apply + "none.v4");
  CHECK(has(sshd, "your ssh session from 127.0.0.1 port "));
}
