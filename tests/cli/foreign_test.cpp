#include <catch2/catch.hpp>
#include <filesystem>
#include <iterator>
#include <string>

#include "support/corpus.h"
#include "support/fail2ban.h"
#include "support/host.h"

using namespace rewall;

namespace {

/// Docker's rules for one published port, as its own tests expect them in an IPv4 host.
constexpr const char* kDocker =
    "moby__daemon__libnetwork__drivers__bridge__internal__iptabler__testdata__TestIptabler__hairpin=false,"
    "internal="
    "false,icc=false,masq=true,snat=false,gwm=nat,b~2";

/// A person's rules from before Docker.
constexpr const char* kOwn =
    "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -p tcp "
    "--dport 22 -j "
    "ACCEPT; iptables -P INPUT DROP; iptables -A FORWARD -i wg0 -o eth0 -j ACCEPT; iptables -t nat -A "
    "POSTROUTING -o "
    "eth0 -j MASQUERADE";

/// Loads a dump beside what is there, Docker's rules in front as Docker puts them.
std::string add_docker(const std::filesystem::path& dump) {
  return "sed 's/^-A \\(FORWARD\\|PREROUTING\\|OUTPUT\\|POSTROUTING\\) /-I \\1 /' " +
         shell_quote(dump.string()) + " | iptables-restore --noflush";
}

/// The lines of iptables-save that name Docker's chains and bridge or its container.
constexpr const char* kDockersLines =
    "iptables-save | sed 's/\\[.*\\]//' | grep -E 'DOCKER|br-dummy|192\\.168\\.0\\.2|^[*]'";

}  // namespace

TEST_CASE("a revision from before docker leaves docker's chains, jumps and NAT rules as they are") {
  const auto folder = corpus();
  const Host host;
  host.ok(kOwn);
  host.ok("rewall init");
  host.ok(add_docker(folder / "dumps" / kDocker));
  host.ok("iptables -A INPUT -p tcp --dport 8080 -j ACCEPT; rewall snapshot");
  const auto docker = host.ok(kDockersLines);
  REQUIRE(has(docker, "-A POSTROUTING -s 192.168.0.0/24 ! -o br-dummy -j MASQUERADE"));

  const auto said = host.ends(0, "rewall restore HEAD~1");
  CHECK(has(said, "kept as they are: docker (6 chains, 5 rules)"));
  CHECK(host.ok(kDockersLines) == docker);
  CHECK_FALSE(has(host.rules(), "--dport 8080 -j ACCEPT"));
  CHECK(has(host.ok("rewall status"), "matches HEAD"));

  // The other direction: what Docker has now stays, the port comes back.
  host.ok("iptables -F DOCKER; iptables -t nat -F DOCKER");
  const auto now = host.ok(kDockersLines);
  CHECK(has(host.ends(0, "rewall restore HEAD~1"), "kept as they are: docker (2 chains)"));
  CHECK(host.ok(kDockersLines) == now);
  CHECK(has(host.rules(), "--dport 8080 -j ACCEPT"));

  // And on a host that Docker has left, its parts do not come back.
  host.ok("rewall snapshot; rewall restore --exact $(git -C repo rev-list --max-parents=0 HEAD)");
  CHECK_FALSE(has(host.rules(), "DOCKER"));
  const auto left = host.ends(0, "rewall restore HEAD~1");
  CHECK(has(left, "left out, as they are not there now: docker (6 chains, 5 rules)"));
  CHECK_FALSE(has(host.rules(), "DOCKER"));
  CHECK(has(host.rules(), "--dport 8080 -j ACCEPT"));
}

TEST_CASE("an exact restore brings docker's parts back as they were") {
  const auto folder = corpus();
  const Host host;
  host.ok(kOwn);
  host.ok(add_docker(folder / "dumps" / kDocker));
  host.ok("rewall init");
  const auto then = host.rules();
  host.ok("iptables -F DOCKER; iptables -t nat -F; iptables -F FORWARD");
  host.ok("rewall restore HEAD --exact");
  CHECK(host.rules() == then);
}

TEST_CASE("docker's rules stay in the legacy backend too") {
  const auto folder = corpus();
  const Host host;
  const std::string legacy =
      "iptables() { iptables-legacy \"$@\"; }; iptables-restore() { iptables-legacy-restore "
      "\"$@\"; }; iptables-save() { iptables-legacy-save; }; ";
  host.ok(legacy + kOwn);
  host.ok("rewall --backend legacy init");
  host.ok(legacy + add_docker(folder / "dumps" / kDocker));
  host.ok("iptables-legacy -A INPUT -p tcp --dport 8080 -j ACCEPT");
  const auto docker = host.ok(legacy + kDockersLines);
  REQUIRE(has(docker, "-j MASQUERADE"));
  host.ok("rewall --backend legacy restore HEAD");
  CHECK(host.ok(legacy + kDockersLines) == docker);
  CHECK_FALSE(has(host.ok("iptables-legacy-save"), "--dport 8080 -j ACCEPT"));
}

TEST_CASE("yesterday's revision keeps today's bans") {
  const Host host;
  host.ok(kOwn);
  host.ok(
      "iptables -N f2b-sshd; iptables -A f2b-sshd -j RETURN; iptables -I INPUT -p tcp -m multiport --dports "
      "22 -j "
      "f2b-sshd; ipset create f2b-web hash:ip timeout 86400; iptables -I INPUT -p tcp -m multiport --dports "
      "80,443 -m "
      "set --match-set f2b-web src -j REJECT; iptables -I f2b-sshd -s 203.0.113.1 -j REJECT; ipset add "
      "f2b-web "
      "203.0.113.1");
  host.ok("rewall init");
  host.ok("iptables -I f2b-sshd -s 203.0.113.2 -j REJECT; iptables -D f2b-sshd -s 203.0.113.1 -j REJECT");
  host.ok("ipset add f2b-web 203.0.113.2; ipset del f2b-web 203.0.113.1");
  const auto today = host.rules();
  SECTION("a ban that ends by itself is no part of a revision") {
    CHECK(has(host.ends(0, "rewall restore HEAD"), "kept as they are: fail2ban (1 chain)\n"));
    CHECK(host.rules() == today);
  }
  // Such a set may hold members that stay for ever.
  host.ok("ipset add f2b-web 203.0.113.3 timeout 0");
  SECTION("nothing else changed: LIVE was that already") {
    const auto said = host.ends(0, "rewall restore HEAD");
    CHECK(has(said, "nothing to do: the live rules already match "));
    CHECK(has(said, "kept as they are: fail2ban (1 chain, 1 set)"));
    CHECK(host.rules() == today);
  }
  SECTION("a port was opened: it is closed again") {
    host.ok("iptables -A INPUT -p tcp --dport 8080 -j ACCEPT");
    host.ok("rewall restore HEAD");
    CHECK(host.rules() == today);
  }
  CHECK(has(host.ok("ipset save f2b-web"), "add f2b-web 203.0.113.2 timeout "));
  CHECK(has(host.ok("ipset save f2b-web"), "add f2b-web 203.0.113.3 timeout 0\n"));
  CHECK_FALSE(has(host.ok("ipset save f2b-web"), "203.0.113.1"));
}

TEST_CASE("undo takes the newest change of people back, not today's bans") {
  const Host host;
  host.ok("iptables -N f2b-sshd; iptables -A INPUT -j f2b-sshd; rewall init");
  const auto before = host.rules();
  host.ok("iptables -A INPUT -p tcp --dport 8080 -j ACCEPT; rewall snapshot");
  const auto after = host.rules();
  SECTION("not recorded") {
    host.ok("iptables -A f2b-sshd -s 203.0.113.2 -j REJECT");
  }
  SECTION("recorded") {
    host.ok("iptables -A f2b-sshd -s 203.0.113.2 -j REJECT; rewall snapshot");
  }
  host.ok("rewall undo");
  const std::string ban = "-A f2b-sshd -s 203.0.113.2/32 -j REJECT --reject-with icmp-port-unreachable\n";
  const auto without_ban = [&] {
    auto rules = host.rules();
    const auto at = rules.find(ban);
    REQUIRE(at != std::string::npos);
    return rules.erase(at, ban.size());
  };
  CHECK(without_ban() == before);
  host.ok("rewall redo");
  CHECK(without_ban() == after);
}

TEST_CASE("a real fail2ban keeps its bans over restores, and works on") {
  const Host host;
  host.ok(kOwn);
  host.ok("rewall init");
  const Fail2ban fail2ban(host);
  fail2ban.run("set sshd banip 203.0.113.1");
  host.ok("iptables -A INPUT -p tcp --dport 8080 -j ACCEPT; rewall snapshot");
  fail2ban.run("set sshd banip 203.0.113.2");
  fail2ban.run("set sshd unbanip 203.0.113.1");

  // From before fail2ban, and back.
  CHECK(has(host.ends(0, "rewall restore HEAD~1"), "kept as they are: fail2ban (1 chain, 1 rule)"));
  const auto without_port = host.rules();
  CHECK(has(without_port, "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n"));
  CHECK(has(without_port, "-A f2b-sshd -s 203.0.113.2/32 -j REJECT"));
  CHECK_FALSE(has(without_port, "203.0.113.1/32"));
  CHECK_FALSE(has(without_port, "--dport 8080"));
  host.ok("rewall undo");
  CHECK(has(host.rules(), "-A f2b-sshd -s 203.0.113.2/32 -j REJECT"));
  CHECK_FALSE(has(host.rules(), "203.0.113.1/32"));
  CHECK(has(host.rules(), "--dport 8080"));

  // It finds what it left: it checks its chain and jump before each ban.
  fail2ban.run("set sshd banip 203.0.113.3");
  fail2ban.run("set sshd unbanip 203.0.113.2");
  CHECK(has(host.rules(), "-A f2b-sshd -s 203.0.113.3/32 -j REJECT"));
  CHECK_FALSE(has(host.rules(), "203.0.113.2/32"));
  CHECK_FALSE(has(host.ok("cat f2b.log"), "ERROR"));
}

TEST_CASE("owners can be added, replaced and asked for") {
  const Host host;
  host.ok("iptables -N MINE-1; iptables -A INPUT -j MINE-1; iptables -N f2b-x; rewall init");
  host.ok("iptables -A MINE-1 -j DROP; iptables -A f2b-x -j DROP");
  host.ok("rewall config owner.mine.chain 'MINE-* OTHER'; rewall config owner.fail2ban.chain ''");
  CHECK(host.ok("rewall config owner.mine.chain") == "MINE-* OTHER\n");
  CHECK(has(host.ok("rewall config --list"), "owner.mine.chain=MINE-* OTHER"));
  CHECK(has(host.ok("rewall config --list"), "owner.kubernetes.set=KUBE-*"));
  CHECK(has(host.ends(0, "rewall restore HEAD"), "kept as they are: mine (1 chain)"));
  CHECK(has(host.rules(), "-A MINE-1 -j DROP"));
  CHECK_FALSE(has(host.rules(), "-A f2b-x -j DROP"));

  CHECK(host.ends(2, "rewall config owner.mine.rule '('") ==
        "rewall: error: owner.mine.rule: '(' is no regular expression: Unmatched ( or \\(\n");
  CHECK(host.ends(2, "rewall config owner.mine.chian x") ==
        "rewall: error: unknown key 'owner.mine.chian'\nhint: did you mean 'owner.mine.chain'?\n");
  CHECK(has(host.ends(2, "rewall config owner..chain x"), "unknown key 'owner..chain'"));
}
