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
