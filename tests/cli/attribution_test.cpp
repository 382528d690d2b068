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
  explicit Auditing(bool on) : before_(audit_enabled().value_or(false)) {
    set(on);
    if (on && audit_enabled() != true) skip("auditing cannot be switched on here");
  }
  Auditing(const Auditing&) = delete;
  Auditing& operator=(const Auditing&) = delete;
  ~Auditing() { set(before_); }

 private:
  static void set(bool on) {
    struct {
      nlmsghdr header{};
      audit_status status{};
    } message;
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = AUDIT_SET;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    message.status.mask = AUDIT_STATUS_ENABLED | AUDIT_STATUS_BACKLOG_LIMIT;
    message.status.backlog_limit = on ? 32768 : 64;
    message.status.enabled = on ? 1 : 0;
    const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
    char answer[256];
    if (::send(socket, &message, sizeof message, 0) > 0) ::recv(socket, answer, sizeof answer, 0);
    ::close(socket);
  }
  bool before_;
};

std::string body(const WatchedHost& host) {
  return host.ok("git -C repo log -n 1 --format=%B");
}

}  // namespace

TEST_CASE("with auditing on, the command line and the user are told for both backends") {
  const Auditing on(true);
  const WatchedHost host;
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
  CHECK(actor.ends_with(", 192.0.2.7"));
  CHECK(made["author"].get<std::string>().starts_with("nobody <nobody@"));
  CHECK(made["commands"] == json::array({"iptables -A INPUT -p tcp --dport 443 -j ACCEPT"}));
}

TEST_CASE("a change of another network namespace is not taken for one of ours") {
  const Auditing on(true);
  const WatchedHost host(
      "rewall config watch.settle 300ms; iptables-legacy -A INPUT -p udp -j ACCEPT; rewall snapshot");
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
