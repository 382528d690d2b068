// Who made a change: real programs, real users, with the kernel's audit trail and without.

#include <linux/audit.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "kernel/audit.h"
#include "support/terminal.h"
#include "support/watched_host.h"

using namespace rewall;
using nlohmann::json;

namespace {

/// The kernel's switch, which is the machine's: put back at the end. The room for records (64 by default) is
/// made larger, as other tests change firewalls at the same time, and audit covers them all.
class Auditing {
 public:
  /// Skips the test that wants it on where the kernel has no audit, or another program has locked it.
  explicit Auditing(bool on, std::uint32_t backlog = 32768) : before_(is_on()) {
    set(on, backlog);
    if (on && !is_on()) skip("auditing cannot be switched on here");
  }
  Auditing(const Auditing&) = delete;
  Auditing& operator=(const Auditing&) = delete;
  ~Auditing() { set(before_, kUsual); }

 private:
  static bool is_on() {
    const auto state = audit_state();
    return state && state->enabled;
  }
  static constexpr std::uint32_t kUsual = 64;
  static void set(bool on, std::uint32_t backlog) {
    struct {
      nlmsghdr header{};
      audit_status status{};
    } message;
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = AUDIT_SET;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    message.status.mask = AUDIT_STATUS_ENABLED | AUDIT_STATUS_BACKLOG_LIMIT;
    message.status.backlog_limit = on ? backlog : kUsual;
    message.status.enabled = on ? 1 : 0;
    const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
    char answer[256];
    if (::send(socket, &message, sizeof message, 0) > 0) ::recv(socket, answer, sizeof answer, 0);
    ::close(socket);
  }
  bool before_;
};

/// Tables of the legacy backend of a size that no other test has: audit covers all network namespaces.
constexpr const char* kManyLegacyRules =
    "(echo '*filter'; for i in $(seq 37); do echo \"-A OUTPUT -p udp --dport $i\"; done; echo COMMIT) >many; "
    "iptables-legacy-restore many; ip6tables-legacy-restore many; rewall snapshot; ";

/// Runs a command as nobody, who may change the firewall.
constexpr const char* kNobody =
    "nobody() { setpriv --reuid nobody --clear-groups --inh-caps +net_admin,+net_raw --ambient-caps "
    "+net_admin,+net_raw \"$@\"; }; ";

/// Commands that watch hears of together, however long they take; recorded as `count` snapshots. The newest.
json at_once(const WatchedHost& host, const std::string& commands, int count = 1) {
  const int before = host.snapshots();
  host.signal("STOP");
  const auto done = host.sh(commands);
  host.signal("CONT");
  INFO(commands << done.err);
  REQUIRE(done.status == 0);
  host.until_snapshots(before + count);
  return host.newest();
}

std::string body(const WatchedHost& host) {
  return host.ok("git -C repo log -n 1 --format=%B");
}

}  // namespace

TEST_CASE("with auditing on, the command line and the user are told for both backends") {
  const Auditing on(true);
  const WatchedHost host(kManyLegacyRules);
  auto made = host.change("iptables -A INPUT -p tcp --dport 443 -m comment --comment 'two words' -j ACCEPT");
  CHECK(made["commands"] ==
        json::array({"iptables -A INPUT -p tcp --dport 443 -m comment --comment 'two words' -j ACCEPT"}));
  CHECK(made["actor"] == "root");
  CHECK(made["author"].get<std::string>().starts_with("root <root@"));
  CHECK(has(body(host), "\n\niptables, pid "));

  made = host.change("ip6tables-restore --noflush <<'END'\n*filter\n-A INPUT -j LOG\nCOMMIT\nEND\n");
  CHECK(made["commands"] == json::array({"ip6tables-restore --noflush"}));

  made = host.change("iptables-legacy -A INPUT -p tcp --dport 80 -j ACCEPT; sleep 1");
  CHECK(made["commands"] == json::array({"iptables-legacy -A INPUT -p tcp --dport 80 -j ACCEPT"}));
  CHECK(made["backend"] == "nft+legacy");
  made = host.change("ip6tables-legacy -P FORWARD DROP; sleep 1");
  CHECK(made["commands"] == json::array({"ip6tables-legacy -P FORWARD DROP"}));
  CHECK(made["actor"] == "root");

  // Several in one, in their order, each once.
  host.ok("rewall config watch.settle 1s");
  host.signal("HUP");
  made = host.change("sleep 0.3; iptables -N one; iptables -N two; ip6tables -N three");
  CHECK(made["commands"] == json::array({"iptables -N one", "iptables -N two", "ip6tables -N three"}));

  // 128 bytes of it are known, where the process has gone already.
  const std::string comment(100, 'x');
  const auto whole =
      "iptables -A INPUT -m comment --comment " + comment + " -m comment --comment " + comment + " -j LOG";
  made = host.change(whole);
  const auto command = made["commands"][0].get<std::string>();
  const bool cut = command.ends_with(" ...");
  CHECK(command.size() > 30);
  CHECK((cut ? whole.starts_with(command.substr(0, command.size() - 4)) : command == whole));
}

TEST_CASE("login and terminal and ssh address are told") {
  const Auditing on(true);
  const WatchedHost host("cat >terminal.py <<'END'" + std::string(kTerminal) + "END\n");
  const auto made = host.change(
      "python3 terminal.py \"echo 65534 >/proc/self/loginuid; export SSH_CONNECTION='192.0.2.7 50000 "
      "192.0.2.1 22'; "
      "bash -c 'iptables -A INPUT -p tcp --dport 443 -j ACCEPT; sleep 2; true'\"");
  const auto actor = made["actor"].get<std::string>();
  CHECK(actor.starts_with("nobody, pts/"));
  // Whoever starts a program chooses its environment.
  CHECK(actor.ends_with(", 192.0.2.7 (perhaps)"));
  CHECK(made["author"].get<std::string>().starts_with("nobody <nobody@"));
  CHECK(made["commands"] == json::array({"iptables -A INPUT -p tcp --dport 443 -j ACCEPT"}));
}

TEST_CASE("a change of another network namespace is not taken for one of ours") {
  const Auditing on(true);
  const WatchedHost host(
      "rewall config watch.settle 300ms; iptables-legacy -A INPUT -p udp -j ACCEPT; rewall snapshot; " +
      std::string(kManyLegacyRules));
  const int before = host.snapshots();
  host.ok(
      "unshare -n sh -c 'iptables -N other; iptables-legacy -N other; ip6tables-legacy -P INPUT DROP'; sleep "
      "0.8");
  CHECK(host.snapshots() == before);
  // At the same moment as one of ours.
  auto made = host.change(
      "unshare -n sh -c 'iptables-legacy -N other; iptables -A INPUT -j DROP' & iptables-legacy -A INPUT -p "
      "tcp -j ACCEPT; "
      "wait; unshare -n sh -c 'iptables-legacy -P INPUT DROP'");
  CHECK(made["commands"] == json::array({"iptables-legacy -A INPUT -p tcp -j ACCEPT"}));
  made = host.change(
      "unshare -n sh -c 'iptables -A INPUT -j DROP; iptables -A INPUT -j LOG' & iptables -A INPUT -p udp -j "
      "LOG; wait");
  CHECK(made["commands"] == json::array({"iptables -A INPUT -p udp -j LOG"}));
  host.is_recorded();
}

TEST_CASE("without auditing, or without the right to hear it, watch works, says less and invents nothing") {
  const bool may_hear = GENERATE(true, false);
  const Auditing audit(!may_hear);
  const WatchedHost host("rewall config watch.poll 200ms",
                         may_hear ? "" : "setpriv --bounding-set=-audit_read,-audit_control");
  const auto made = host.change("iptables -A INPUT -p tcp --dport 443 -j ACCEPT");
  // A process that has gone before it was looked at has but a name.
  const auto command = made["commands"][0].get<std::string>();
  CHECK((command == "iptables" || command == "iptables -A INPUT -p tcp --dport 443 -j ACCEPT"));
  CHECK(has(body(host), "\n\niptables, pid "));
  const auto legacy = host.change("iptables-legacy -A INPUT -p tcp --dport 80 -j ACCEPT");
  CHECK(legacy["commands"].empty());
  CHECK(legacy["actor"].is_null());
  CHECK(legacy["author"].get<std::string>().starts_with("unknown <unknown@"));
  const auto set = host.change("ipset create s hash:ip");
  CHECK(set["commands"].empty());
  CHECK(set["author"].get<std::string>().starts_with("unknown <unknown@"));
  host.is_recorded();
}

TEST_CASE(
    "what is undone before it is recorded has a snapshot of the same files, which says what stood and by "
    "whom") {
  const Auditing on(true);
  const WatchedHost host(
      "ipset create s hash:ip; iptables -A INPUT -p udp -j LOG; rewall "
      "snapshot");
  const auto tree = host.ok("git -C repo rev-parse 'HEAD^{tree}'");
  auto made = at_once(host, "iptables -I INPUT -s 192.0.2.9 -j ACCEPT; iptables -D INPUT 1");
  CHECK(made["subject"] == "filter/INPUT: +1 from 192.0.2.9/32 ACCEPT (undone)");
  CHECK(made["trigger"] == "watch");
  CHECK(made["actor"] == "root");
  CHECK(made["commands"] == json::array({"iptables -I INPUT -s 192.0.2.9 -j ACCEPT", "iptables -D INPUT 1"}));
  CHECK(made["author"].get<std::string>().starts_with("root <root@"));
  CHECK(host.ok("git -C repo rev-parse 'HEAD^{tree}'") == tree);
  const auto told = body(host);
  CHECK(has(told,
            "\ncame and went: ip filter INPUT: -s 192.0.2.9/32 -j ACCEPT\n  done by: iptables -I INPUT -s "
            "192.0.2.9 "
            "-j ACCEPT (iptables, pid "));
  CHECK(has(told, ", by root)\n  undone by: iptables -D INPUT 1 (iptables, pid "));
  // It is nothing that undo takes back.
  CHECK(has(host.sh("rewall undo --dry-run").err, "nothing"));
  made = at_once(host, "iptables -P FORWARD DROP; iptables -P FORWARD ACCEPT");
  CHECK(made["subject"] == "filter/FORWARD: policy ACCEPT -> DROP (undone)");
  CHECK(has(body(host), "\nwas DROP for a moment: the policy of ip filter FORWARD\n"));
  made = at_once(host, "iptables -D INPUT 1; iptables -I INPUT -p tcp --dport 22 -j ACCEPT");
  CHECK(made["subject"] == "filter/INPUT: -1 tcp dport 22 ACCEPT (undone)");
  CHECK(has(body(host), "\nwas gone for a moment: ip filter INPUT: -p tcp -m tcp --dport 22 -j ACCEPT\n"));
  made = at_once(host, "ip6tables -A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT; ip6tables -F");
  CHECK(made["subject"] == "ip6 filter/INPUT: +1 tcp dports 22,80 ACCEPT (undone)");
  made = at_once(host, "iptables -A INPUT -m set --match-set s src -j DROP; iptables -D INPUT 3");
  CHECK(has(body(host), "\ncame and went: ip filter INPUT: -m set --match-set s src -j DROP\n"));
  made = at_once(host, "iptables -N mine; iptables -A mine -j LOG; iptables -F mine; iptables -X mine");
  CHECK(has(body(host), "\ncame and went: ip filter mine: -j LOG\n"));
  CHECK(has(body(host), "\ncame and went: chain ip filter mine\n"));
  CHECK(host.ok("git -C repo rev-parse 'HEAD^{tree}'") == tree);
  // What one transaction takes away and brings again was there all the time.
  const int before = host.snapshots();
  host.ok(
      "iptables-save | iptables-restore; iptables -Z; iptables-save -t filter | iptables-restore -c; sleep "
      "1.5");
  CHECK(host.snapshots() == before);
  host.is_recorded();
}

TEST_CASE("who undid what they did is no author of what somebody else did to the same chain") {
  const Auditing on(true);
  const WatchedHost host;
  const auto made = at_once(host, std::string(kNobody) +
                                      "nobody iptables -A INPUT -p tcp --dport 1 -j ACCEPT; nobody iptables "
                                      "-D INPUT 2; iptables -P INPUT "
                                      "DROP");
  CHECK(made["subject"] == "filter/INPUT: policy ACCEPT -> DROP");
  CHECK(made["author"].get<std::string>().starts_with("root <root@"));
  CHECK(made["actor"] == "root");
  CHECK(made["commands"] == json::array({"iptables -P INPUT DROP"}));
  CHECK(made["parts"].empty());
  const auto told = body(host);
  CHECK(
      has(told,
          "\ncame and went: ip filter INPUT: -p tcp -m tcp --dport 1 -j ACCEPT\n  done by: iptables -A INPUT "
          "-p tcp --dport 1 -j ACCEPT (iptables, pid "));
  CHECK(has(told, ", by nobody)\n"));
}

TEST_CASE("several people in one snapshot have their parts each, and log and blame know them") {
  const Auditing on(true);
  const WatchedHost host;
  const auto made =
      at_once(host, std::string(kNobody) +
                        "iptables -P INPUT DROP; nobody iptables -A FORWARD -p tcp --dport 80 -j ACCEPT");
  CHECK(made["author"].get<std::string>().starts_with("nobody <nobody@"));
  REQUIRE(made["parts"].size() == 2);
  CHECK(made["parts"][0]["actor"] == "root");
  CHECK(made["parts"][0]["parts"] == json::array({"ip filter INPUT"}));
  CHECK(made["parts"][1]["actor"] == "nobody");
  CHECK(made["parts"][1]["perhaps"] == false);
  CHECK(made["parts"][1]["parts"] == json::array({"ip filter FORWARD"}));
  const auto told = body(host);
  CHECK(has(told, ", by root: ip filter INPUT\n"));
  CHECK(has(told, ", by nobody: ip filter FORWARD\n"));
  CHECK(has(told, "\nRewall-Part: root <root@"));
  for (const std::string who : {"root", "nobody"}) {
    const auto found = json::parse(host.ok("rewall log --json -n 1 --author '^" + who + " '"));
    REQUIRE(found.size() == 1);
    CHECK(found[0]["hash"] == made["hash"]);
  }
  const auto blamed = json::parse(host.ok("rewall blame --json --chain FORWARD"));
  CHECK(blamed[0]["author"].get<std::string>().starts_with("nobody <"));
  CHECK(has(host.ok("rewall show"), "part     nobody: ip filter FORWARD\n"));
  // Two in one chain: which rule is whose nothing says.
  at_once(host,
          std::string(kNobody) +
              "iptables -A OUTPUT -p tcp --dport 80 -j ACCEPT; nobody iptables -A OUTPUT -p tcp --dport 81 "
              "-j ACCEPT");
  const auto both = json::parse(host.ok("rewall blame --json --chain OUTPUT"));
  CHECK(both[0]["author"].get<std::string>().starts_with("unknown <"));
  CHECK(both[0]["perhaps"] == json::array({"root", "nobody"}));
  CHECK(has(host.ok("rewall blame --chain OUTPUT"), "(perhaps by root or nobody)"));
}

TEST_CASE("a set that changes together with somebody's rules has snapshots of its own, which load each") {
  const Auditing on(true);
  const WatchedHost host(
      "ipset create old hash:ip; ipset add old 192.0.2.1; ipset create both "
      "hash:ip; "
      "ipset add both 192.0.2.2; iptables -A INPUT -m set --match-set old src -j DROP; rewall snapshot");
  at_once(
      host,
      "iptables -D INPUT 2; until ipset destroy old 2>/dev/null; do sleep 0.02; done; ipset create new "
      "hash:net; ipset add new 198.51.100.0/24; "
      "ipset add both 192.0.2.3; ipset del both 192.0.2.2; iptables -A INPUT -m set --match-set new src -j "
      "DROP",
      3);
  const auto log = json::parse(host.ok("rewall log -n 3 --json"));
  for (const int of_sets : {0, 2}) {
    CHECK(log[of_sets]["author"].get<std::string>().starts_with("unknown <"));
    CHECK(log[of_sets]["commands"].empty());
    CHECK(log[of_sets]["actor"].is_null());
    CHECK_FALSE(log[of_sets]["summary"].contains("added"));
  }
  CHECK(log[1]["author"].get<std::string>().starts_with("root <"));
  CHECK(log[1]["commands"].size() == 2);
  for (const std::string kind : {"members", "set-added", "set-removed"})
    CHECK_FALSE(log[1]["summary"].contains(kind));
  CHECK(log[2]["summary"].contains("set-added"));
  CHECK(log[0]["summary"].contains("set-removed"));
  CHECK(host.ok("git -C repo show HEAD~1:ipset | grep ^add") ==
        "add both 192.0.2.2\nadd both 192.0.2.3\nadd new 198.51.100.0/24\nadd old 192.0.2.1\n");
  CHECK(has(host.ok("git -C repo log -n 1 --format=%b HEAD~1"), "in between: this state was not in force"));
  CHECK_FALSE(has(body(host), "in between"));
  host.is_recorded();
  for (const std::string rev : {"HEAD", "HEAD~1", "HEAD~2", "HEAD~3"})
    host.ok("mkdir " + rev + "; git -C repo archive " + rev + " | tar x -C " + rev +
            "; unshare -n sh -c 'ipset restore <" + rev + "/ipset && iptables-restore <" + rev +
            "/rules.v4'");
  // Rules alone, and sets alone, are one snapshot.
  CHECK(at_once(host, "iptables -A INPUT -p udp -j LOG")["author"].get<std::string>().starts_with("root <"));
}

TEST_CASE("foreign parts that came and went are counted in the next foreign snapshot") {
  const WatchedHost host(
      "rewall config watch.foreign 1s; iptables -N f2b-sshd; iptables -A "
      "INPUT -p tcp "
      "-j f2b-sshd; rewall snapshot");
  at_once(host,
          "iptables -A f2b-sshd -s 192.0.2.1 -j REJECT; iptables -F f2b-sshd; iptables -A f2b-sshd -s "
          "192.0.2.2 -j "
          "REJECT");
  CHECK(host.newest()["foreign"] == json::array({"fail2ban"}));
  CHECK(has(body(host), "\nfail2ban: 1 change that came and went\n"));
}

TEST_CASE("two user namespaces that flood the audit trail change no author, and crowd out none") {
  // A queue of 8192 records: whoever changes a firewall waits for room in it (audit_log_start in
  // kernel/audit.c).
  const Auditing on(true, 8192);
  const WatchedHost host(std::string("rewall config watch.settle 20ms; ") + kManyLegacyRules);
  if (host.sh("setpriv --reuid nobody --clear-groups unshare -Urn true").status != 0)
    skip("no user namespaces");
  host.ok(
      "(echo '*filter'; for i in $(seq 37); do echo \"-A OUTPUT -p udp --dport $i\"; done; echo COMMIT) "
      ">like-ours; "
      "chmod 755 .; chmod 644 like-ours; cat >flood <<'END'\n"
      "export XTABLES_LOCKFILE=/dev/null\n"
      "restore() { while test -d /proc/$1; do cat like-ours; done | $2 2>/dev/null; }\n"
      "restore $1 iptables-legacy-restore & restore $1 'iptables-restore --noflush'\nEND\n"
      "sleep 300 >/dev/null 2>&1 </dev/null & echo $! >until; for i in 1 2; do setpriv --reuid nobody "
      "--clear-groups "
      "unshare -Urn bash ./flood $(cat until) >/dev/null 2>&1 </dev/null & done");
  const int before = host.snapshots();
  const auto changed = host.sh(
      "tip=repo/.git/$(sed 's/^ref: //' repo/.git/HEAD); for i in $(seq 50); do h=$(cat $tip); "
      "p=$(test $((i % 2)) = 0 && echo iptables || echo iptables-legacy); "
      "$p -A INPUT -p udp --dport $i -j ACCEPT; n=0; while test $h = $(cat $tip); do sleep 0.02; n=$((n + "
      "1)); "
      "test $n -lt 1500 || exit 1; done; done");
  host.ok("kill $(cat until)");
  INFO(changed.out << changed.err << host.ok("cat watch.err; git -C repo log --format='%an|%s|%b'"));
  CHECK(changed.status == 0);
  CHECK(host.snapshots() == before + 50);
  CHECK(host.ok("git -C repo log -n 50 --format=%an | sort | uniq -c | tr -s ' '") == " 50 root\n");
  CHECK_FALSE(has(host.ok("git -C repo log -n 50 --format=%B"), "nobody"));
}
