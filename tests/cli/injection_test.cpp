// Faults by injection into a restore: each ends with an exit status that tells the truth, with LIVE as it
// was, and with nothing of the restore's own left behind.
#include <algorithm>

#include "core/file.h"
#include "kernel/firewall.h"
#include "ops/context/session.h"
#include "ops/restore/restore.h"
#include "support/host.h"

using namespace rewall;

namespace {

/// A host whose newest snapshot is LIVE, and whose one before (tag `wanted`) differs from it in tables of
/// both families, in the members of a set, in a set's type and in a set that LIVE lacks.
class Faulty : public Host {
 public:
  Faulty() {
    ok("ipset create members hash:ip; ipset add members 192.0.2.1; ipset create type hash:ip; "
       "ipset create gone hash:net; ipset add gone 198.51.100.0/24; "
       "iptables -A INPUT -m set --match-set members src -j ACCEPT; "
       "iptables -A INPUT -m set --match-set type src -j ACCEPT; "
       "iptables -A INPUT -m set --match-set gone src -j DROP; ip6tables -t mangle -P FORWARD DROP; "
       "ip6tables -t mangle -A FORWARD -s 2001:db8::1 -j ACCEPT; "
       "rewall init; rewall tag wanted; iptables -F; ipset destroy gone; ipset destroy type; "
       "ipset create type hash:net; ipset add members 192.0.2.2; iptables -P INPUT DROP; "
       "iptables -A INPUT -m set --match-set type src -j DROP; "
       "iptables -A INPUT -m set --match-set members src -j LOG; ip6tables -P INPUT DROP; "
       "ip6tables -t mangle -P FORWARD ACCEPT; ip6tables -t mangle -F; rewall snapshot; rewall tag live");
  }

  std::string live() const {
    return rules() + ok("ip6tables-save | sed -e '/^#/d' -e 's/\\[[0-9]*:[0-9]*\\]//'; "
                        "ipset save | sed 's/ initval [^ ]*//' | sort");
  }

  /// A restore of `wanted` under strace(1): `calls` of its main thread alone, which is the one that loads; in
  /// `log`.
  Outcome traced(const std::string& calls, const std::string& inject = "") const {
    return sh("ASAN_OPTIONS=detect_leaks=0 strace -qq -y -e signal=none -o log -e trace=" + calls +
              (inject.empty() ? "" : " -e inject=" + inject) + " " + shell_quote(REWALL_PROGRAM) +
              " restore wanted");
  }

  std::vector<std::string> log() const {
    std::vector<std::string> lines;
    const std::string text = ok("cat log");
    for (const auto line : split_lines(text)) lines.emplace_back(line);
    return lines;
  }

  /// Which of the calls of this name comes first behind (or is itself) the one that `is` tells; from 1. A
  /// whole restore is run for it, and taken back.
  template <class Is>
  std::string find(const std::string& call, const std::string& calls, const Is& is) const {
    const auto outcome = traced(calls);
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    int count = 0;
    bool found = false;
    for (const auto& line : log()) {
      found = found || is(line);
      if (!line.starts_with(call + "(")) continue;
      ++count;
      if (found) break;
    }
    REQUIRE(found);
    ok("rewall restore live");
    return std::to_string(count);
  }

  /// The restore has ended with `status`, and nothing else is otherwise than it was.
  void unharmed(const Outcome& outcome, int status, const std::string& before,
                const std::string& said) const {
    INFO(outcome.out << outcome.err);
    CHECK(outcome.status == status);
    CHECK(has(outcome.err, said));
    CHECK(live() == before);
    CHECK(ok("ls repo/.git/rewall | grep -c journal || true") == "0\n");
    CHECK(ok("rewall status").find("interrupted") == std::string::npos);
    ok("git -C repo fsck --strict");
  }
};

bool is_batch(const std::string& line) {
  return line.starts_with("sendmsg(");
}

}  // namespace

TEST_CASE("a transaction that cannot be sent changes nothing") {
  const Faulty host;
  const auto before = host.live();
  const auto refused = [&](const std::string& error, int status, const std::string& words) {
    INFO(error);
    const auto outcome = host.traced("sendmsg", "sendmsg:error=" + error + ":when=1");
    REQUIRE(has(host.ok("cat log"), "INJECTED"));
    host.unharmed(outcome, status, before, words);
    CHECK(has(outcome.err, "LIVE is what it was before"));
  };
  refused("ENOBUFS", 4, "No buffer space available");
  refused("EMSGSIZE", 4, "Message too long");
  refused("ENOMEM", 4, "Cannot allocate memory");
  refused("EPERM", 4, "the kernel forbids it, although this process has CAP_NET_ADMIN");
  host.ok("rewall restore wanted; rewall status");
}

TEST_CASE("a signal in the system call only makes it be done again") {
  const Faulty host;
  const auto outcome = host.traced("sendmsg", "sendmsg:error=EINTR:when=1");
  INFO(outcome.err);
  REQUIRE(has(host.ok("cat log"), "INJECTED"));
  CHECK(outcome.status == 0);
  CHECK(host.ok("rewall diff wanted LIVE").empty());
}

TEST_CASE("a transaction whose answer is lost is found out by what is in force, and taken back") {
  const Faulty host;
  const auto before = host.live();
  const auto answer = host.find("recvmsg", "sendmsg,recvmsg", is_batch);
  for (const std::string error : {"EAGAIN", "ENOMEM"}) {
    INFO(error);
    const auto outcome = host.traced("sendmsg,recvmsg", "recvmsg:error=" + error + ":when=" + answer);
    const auto log = host.log();
    const auto hit = std::ranges::find_if(log, [](const auto& line) { return has(line, "INJECTED"); });
    REQUIRE(hit != log.end());
    REQUIRE(hit != log.begin());
    REQUIRE(is_batch(*(hit - 1)));
    REQUIRE_FALSE(has(*(hit - 1), "= -1"));  // the kernel has carried it out
    host.unharmed(outcome, 4, before, "LIVE is what it was before");
  }
  // An answer that comes late is one, and so is the first where more of them were lost.
  for (const std::string error : {"EINTR", "ENOBUFS"}) {
    const auto outcome = host.traced("sendmsg,recvmsg", "recvmsg:error=" + error + ":when=" + answer);
    REQUIRE(has(host.ok("cat log"), "INJECTED"));
    CHECK(outcome.status == 0);
    CHECK(host.ok("rewall diff wanted LIVE").empty());
    host.ok("rewall restore live");
  }
}

TEST_CASE("a rule that only the live tables refuse is named, and nothing of either family is in force") {
  const Host host;
  host.ok(
      "iptables -N a; iptables -N b; iptables -A INPUT -j a; iptables -A a -j b; iptables -A b -j LOG; "
      "ip6tables -P INPUT DROP; rewall init");
  // What no kernel ever held: an import is of what somebody wrote. In parts it loads: `a -> b` is there, and
  // what is staged is `b -> a`.
  host.ok(
      "mkdir f; sed -e s/:INPUT.DROP/:INPUT\\ ACCEPT/ -e '/^COMMIT/i -A INPUT -s 2001:db8::2/128 -j DROP' "
      "repo/rules.v6 >f/rules.v6; "
      "sed '/-A b/a -A b -s 192.0.2.1/32 -j DROP\\n-A b -j a\\n-A b -s 192.0.2.2/32 -j DROP' repo/rules.v4 "
      ">f/rules.v4; "
      "rewall import f/rules.v6 f/rules.v4; rewall tag loop HEAD~1; ipset create s hash:ip");
  REQUIRE(has(host.ok("rewall checkout --family ipv6 loop"), "2001:db8::2/128"));
  const auto save = "iptables-save | grep -v ^#; ip6tables-save | grep -v ^#; ipset save";
  const auto before = host.ok(save);
  const auto said = host.ends(4, "rewall restore loop");
  INFO(said);
  CHECK(has(said, "ip filter b rule 3: "));
  CHECK(has(said, "LIVE is what it was before"));
  CHECK(host.ok(save) == before);
  host.ok("rewall status; test ! -e repo/.git/rewall/journal");
}

TEST_CASE(
    "a journal that has no room on the disk costs the record, not the restore, and not what was there") {
  const Faulty host;
  const auto before = host.live();
  host.ok("rewall restore wanted");
  const auto wanted = host.live();
  host.ok("rewall restore live");
  const auto of_journal = [](const std::string& line) { return has(line, "/.git/rewall/journal"); };
  // Not at write(2): sanitizers have calls of their own there, a different number each time.
  for (const std::string call : {"fsync", "rename"}) {
    const auto when = host.find(call, call, of_journal);
    const auto outcome = host.traced(call, call + ":error=ENOSPC:when=" + when);
    const auto text = host.ok("cut -c1-120 log");
    INFO(call << " " << when << "\n" << text);
    const auto log = host.log();
    REQUIRE(std::ranges::any_of(log,
                                [&](const auto& line) { return has(line, "INJECTED") && of_journal(line); }));
    INFO(outcome.err);
    CHECK(outcome.status == 0);
    CHECK(has(outcome.err, "No space left on device"));
    CHECK(has(outcome.err, "NOT RECORDED"));
    CHECK(host.live() == wanted);
    CHECK(host.ok("ls repo/.git/rewall | grep -c journal || true") == "0\n");
    // The way back that it prints.
    const std::string way_back = "restore file:";
    const auto at = outcome.err.find(way_back);
    REQUIRE(at != std::string::npos);
    host.ok("rewall " + outcome.err.substr(at, outcome.err.find('\n', at) - at));
    CHECK(host.live() == before);
  }
}

TEST_CASE("without ipset a restore that needs sets is refused, and says which package has it") {
  const Host host;
  host.ok(
      "ipset create s hash:ip; iptables -A INPUT -m set --match-set s src -j DROP; rewall init; iptables -F; "
      "ipset destroy s; ip6tables -P INPUT DROP; rewall snapshot; mkdir bin; "
      "for p in iptables ip6tables; do for b in nft legacy; do for a in save restore; do "
      "ln -s /usr/sbin/$p-$b-$a bin; done; done; ln -s /usr/sbin/$p bin; done");
  const auto save = "iptables-save | grep -v ^#; ip6tables-save | grep -v ^#";
  const auto before = host.ok(save);
  const auto said = host.ends(4, "PATH=$PWD/bin rewall restore HEAD~1");
  CHECK(has(said, "ipset: no such program in PATH"));
  CHECK(has(said, "apt install ipset"));
  CHECK(host.ok(save) == before);
  host.ok("rewall status; test ! -e repo/.git/rewall/journal; rewall restore HEAD~1");
  // HEAD~1 has no set now: one that would only be removed needs the program too.
  const auto with_set = host.ok(save);
  const auto kept = host.ends(4, "PATH=$PWD/bin rewall restore HEAD~1");
  CHECK(has(kept, "ipset: no such program in PATH"));
  CHECK(has(kept, "apt install ipset"));
  CHECK(host.ok(save) == with_set);
  host.ok(
      "mkdir f; : >f/ipset; printf '*filter\\n:INPUT ACCEPT [0:0]\\n:FORWARD ACCEPT [0:0]\\n"
      ":OUTPUT ACCEPT [0:0]\\nCOMMIT\\n' >f/rules.v4");
  CHECK(has(host.ends(4, "PATH=$PWD/bin rewall restore file:f"), "LIVE is what it was before"));
  CHECK(host.ok(save) == with_set);
  host.ok("rewall status; test ! -e repo/.git/rewall/journal");
}

TEST_CASE("a program that hangs is killed at its deadline, and LIVE is intact") {
  const Faulty host;
  const auto before = host.live();
  const auto restore_with = [&](const std::string& program, const std::string& when) {
    INFO(program << " " << when);
    host.ok("rm -rf bin; mkdir bin; install -m 755 /dev/stdin bin/" + program + " <<'END'\n#!/bin/sh\nif " +
            when + "; then exec sleep 600; fi\nexec /usr/sbin/" + program + " \"$@\"\nEND\n");
    std::string text;
    int status = 0;
    host.inside([&] {
      const std::string path = std::getenv("PATH");
      ::setenv("PATH", ((host.folder() / "bin").string() + ":" + path).c_str(), 1);
      Session session(host.repository(), BackendChoice::automatic, host_firewall(std::chrono::seconds(3)));
      const auto restored = restore(session, "wanted", {});
      ::setenv("PATH", path.c_str(), 1);
      if (restored) return;
      text = restored.error().message;
      status = exit_code(restored.error().kind);
    });
    INFO(text);
    CHECK(has(text, "gave no answer within 3 s"));
    CHECK(status == 4);
    CHECK(host.live() == before);
    CHECK(host.ok("ls repo/.git/rewall | grep -c journal || true") == "0\n");
    host.ok("rewall status");
  };
  const std::string journal = "[ -e " + shell_quote(host.repository() + "/.git/rewall/journal") + " ]";
  restore_with("iptables-nft-restore", "true");
  restore_with("ip6tables-nft-restore", "true");
  restore_with("ipset", "[ \"$1\" = restore ] && ! " + journal);
  restore_with("ipset", "[ \"$1\" = restore ] && " + journal);
}
