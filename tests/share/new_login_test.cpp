// Who may confirm with --new-session, through a real sshd.
#include "servers.h"

using namespace rewall;

TEST_CASE("only a connection that began after the guard was armed is the proof", "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  const std::string ssh = "ssh -F ssh_config -p 2222 -S shared root@127.0.0.1 ";
  host.ok(
      "ssh -F ssh_config -p 2222 -M -S shared -fN root@127.0.0.1; "
      "rewall try --for 10m -- iptables -A INPUT -p tcp --dport 25 -j DROP");
  const std::string confirm = REWALL_PROGRAM " -C " + host.repository() + " confirm --new-session";
  // New logins over the old connection, in sessions of their own too, and in an environment that lies.
  for (const std::string& around :
       {confirm, "setsid -w " + confirm, "env SSH_CONNECTION='127.0.0.1 1 127.0.0.1 2222' " + confirm}) {
    const auto said = host.ends(3, ssh + shell_quote(around) + " 2>&1");
    INFO(said);
    CHECK(has(said, "the guard is still armed"));
    CHECK(has(said, "confirm from a new connection"));
    host.ok("test -e repo/.git/rewall/guard");
  }
  CHECK(has(host.ends(3, ssh + shell_quote(confirm) + " 2>&1"),
            "ssh -o ControlPath=none -p 2222 root@127.0.0.1 'rewall -C " + host.repository() +
                " confirm --new-session'"));
  host.ok("ssh -F ssh_config -p 2222 root@127.0.0.1 " + shell_quote(confirm));
  host.ok("test ! -e repo/.git/rewall/guard; ssh -F ssh_config -S shared -O exit root@127.0.0.1 2>&1; true");
}

TEST_CASE("of two logins that were there before none confirms, and the command that is printed does",
          "[share]") {
  const Host host;
  const SshServer server(host);
  server.make_repository();
  const std::string rewall = REWALL_PROGRAM " -C " + host.repository();
  const std::string confirm = rewall + " confirm --new-session";
  // Two connections, each with a login at work; the first arms.
  host.ok(
      "for n in one two; do ssh -F ssh_config -p 2222 -M -S $n -fN root@127.0.0.1; mkfifo $n.in; "
      "(ssh -F ssh_config -p 2222 -S $n root@127.0.0.1 bash <$n.in >$n.out 2>&1 &); done; exec 7>one.in "
      "8>two.in; "
      "echo '" +
      rewall +
      " try --yes --for 10m -- iptables -A INPUT -p tcp --dport 25 -j DROP; echo done' >&7; echo 'echo here' "
      ">&8; "
      "for i in $(seq 1200); do grep -qs done one.out && grep -qs here two.out && break; sleep 0.05; done; "
      "for n in 7 8; do echo '" +
      confirm +
      "; echo status $?' >&$n; done; "
      "for i in $(seq 1200); do grep -qs status one.out && grep -qs status two.out && break; sleep 0.05; "
      "done");
  const auto one = host.ok("cat one.out");
  const auto two = host.ok("cat two.out");
  INFO(one << "--\n" << two);
  CHECK(has(one, "status 3"));
  CHECK(has(two, "status 3"));
  CHECK(has(two, "this connection began before the guard was armed"));
  host.ok("test -e repo/.git/rewall/guard");
  // As it is printed where the guard was armed, but for what the client and the program are called here.
  const std::string words = "which proves that it works: ";
  REQUIRE(has(one, words));
  auto printed = one.substr(one.find(words) + words.size());
  printed = printed.substr(0, printed.find('\n'));
  CHECK(printed == "ssh -o ControlPath=none -p 2222 root@127.0.0.1 'rewall -C " + host.repository() +
                       " confirm --new-session'");
  printed.replace(printed.find("'rewall "), 8, "'" REWALL_PROGRAM " ");
  host.ok("ssh() { command ssh -F ssh_config \"$@\"; }; " + printed);
  host.ok(
      "test ! -e repo/.git/rewall/guard; for n in one two; do ssh -F ssh_config -S $n -O exit root@127.0.0.1 "
      "2>&1; done; true");
}
