#include <nlohmann/json.hpp>

#include "support/host.h"

using namespace rewall;
using nlohmann::json;

namespace {

const char* const kWeb =
    "cat >web <<'END'\n"
    "# written by hand\n"
    "*filter\n"
    ":INPUT DROP [0:0]\n"
    ":FORWARD ACCEPT [0:0]\n"
    ":OUTPUT ACCEPT [0:0]\n"
    "-A INPUT -p tcp --dport 443 -j ACCEPT\n"
    "COMMIT\n"
    "END\n";

}  // namespace

TEST_CASE("apply makes LIVE what a rules file says, and the history says so") {
  const Host host;
  host.ok("iptables -A INPUT -s 192.0.2.1 -j DROP; iptables -t nat -A PREROUTING -j RETURN; rewall init");
  host.ok("ip6tables -A INPUT -j LOG; rewall snapshot");
  host.ok(kWeb);
  const auto said = json::parse(host.ok("rewall --json apply web"));
  CHECK(said["changed"] == true);
  CHECK(said["restored"].is_null());
  CHECK(said["hash"].get<std::string>() + "\n" == host.ok("git -C repo rev-parse HEAD"));
  CHECK(said["subject"].is_string());
  CHECK(host.ok("iptables-save | grep ^-A") == "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n");
  CHECK(has(host.ok("ip6tables-save"), "-A INPUT -j LOG"));  // the file does not speak of it
  const auto log = json::parse(host.ok("rewall log -n 1 --json"));
  CHECK(log[0]["trigger"] == "apply");
  CHECK(log[0]["commands"] == json::array({"rewall --json apply web"}));
  host.ok("rewall undo");
  CHECK(host.ok("iptables-save | grep ^-A | sort") ==
        "-A INPUT -s 192.0.2.1/32 -j DROP\n-A PREROUTING -j RETURN\n");
}

TEST_CASE("apply reads standard input, a family, a table and a folder") {
  const Host host;
  host.ok(kWeb);
  host.ok("rewall init; rewall apply - <web");
  CHECK(has(host.rules(), "--dport 443"));
  host.ok("rewall apply --family ipv6 web");
  CHECK(has(host.ok("ip6tables-save"), "--dport 443"));

  host.ok("mkdir folder; printf 'create good hash:ip\\nadd good 192.0.2.7\\n' >folder/ipset");
  host.ok("sed 's/--dport 443/-m set --match-set good src/;s/-p tcp//' web >folder/rules.v4");
  host.ok("rewall apply folder");
  CHECK(has(host.rules(), "-A INPUT -m set --match-set good src -j ACCEPT"));
  CHECK(has(host.ok("ipset list good"), "192.0.2.7"));
  CHECK(has(host.ok("ip6tables-save"), "--dport 443"));

  host.ok("{ cat web; printf '*nat\\n:PREROUTING ACCEPT\\n-A PREROUTING -j RETURN\\nCOMMIT\\n'; } >both");
  host.ok("rewall apply --table nat both");
  CHECK(has(host.ok("iptables-save -t nat"), "-A PREROUTING -j RETURN"));
  CHECK(has(host.rules(), "--match-set good"));
}

TEST_CASE("a file that will not do is refused with its place, and LIVE is left alone") {
  const Host host;
  host.ok(kWeb);
  host.ok("iptables -P INPUT DROP; rewall init");
  const auto before = host.rules();
  CHECK(has(host.ends(2, "rewall apply nowhere"), "nowhere: cannot read: No such file"));
  CHECK(has(host.ends(2, "rewall apply - </dev/null"), "no '*table' line found"));
  CHECK(has(host.ends(2, "sed 's/-A INPUT/-A INPTU/' web >bad; rewall apply bad"), "bad:6: "));
  CHECK(has(host.ends(2, "rewall apply"), "FILE"));
  const auto refused =
      json::parse(host.sh("sed 's/ACCEPT$/NOWHERE/' web >bad; rewall --json apply bad").out)["error"];
  CHECK(refused["code"] == 4);
  CHECK(has(refused["message"].get<std::string>(), "bad:6: "));
  CHECK(host.rules() == before);
  CHECK(host.ok("git -C repo rev-list --count HEAD") == "1\n");
}

TEST_CASE("apply takes the options of every change") {
  const Host host;
  host.ok(kWeb);
  host.ok("rewall init");
  CHECK(has(host.ends(1, "rewall apply --dry-run web"), "+ 1     -p tcp --dport 443 -j ACCEPT"));
  CHECK_FALSE(has(host.rules(), "443"));
  host.ok("rewall apply --force --yes -m 'the web server' web");
  CHECK(host.ok("git -C repo log -1 --format=%s") == "the web server\n");
  host.ok("rewall apply --dry-run web");
  CHECK(has(host.ends(0, "rewall apply --for 10m web"), "no guard is armed"));
  CHECK(has(host.ends(2, "rewall apply --table fliter web"), "did you mean 'filter'?"));
}

TEST_CASE("a file for both families is loaded into both, and rules.v4 into IPv4 alone") {
  const Host host;
  host.ok(
      "rewall init; printf '*filter\\n:INPUT DROP [0:0]\\n-6 -A INPUT -s 2001:db8::1 -j ACCEPT\\n"
      "-4 -A INPUT -s 192.0.2.1 -j ACCEPT\\nCOMMIT\\n' >both; cp both rules.v4");
  host.ok("rewall apply --yes both");
  CHECK(host.ok("iptables -S INPUT") == "-P INPUT DROP\n-A INPUT -s 192.0.2.1/32 -j ACCEPT\n");
  CHECK(host.ok("ip6tables -S INPUT") == "-P INPUT DROP\n-A INPUT -s 2001:db8::1/128 -j ACCEPT\n");
  host.ok("ip6tables -P INPUT ACCEPT; ip6tables -F; iptables -F");
  CHECK(has(host.ends(0, "rewall apply --yes rules.v4"), "rules.v4: 1 line marked for IPv6 (-6) left out"));
  CHECK(host.ok("iptables -S INPUT") == "-P INPUT DROP\n-A INPUT -s 192.0.2.1/32 -j ACCEPT\n");
  CHECK(host.ok("ip6tables -S INPUT") == "-P INPUT ACCEPT\n");
  host.ok("printf '*filter\\n-A INPUT -s 2001:db8::1 -j DROP\\nCOMMIT\\n' >wrong.v4");
  CHECK(has(host.ends(2, "rewall apply --yes wrong.v4"), "its family is in doubt"));
}

TEST_CASE("a pipe is read by apply and as standard input, with a limit, and not as file:") {
  const Host host;
  host.ok(kWeb);
  host.ok("rewall init; mkfifo pipe; { cat web >pipe & }; rewall apply --yes --family ipv4 pipe");
  CHECK(has(host.rules(), "--dport 443"));
  CHECK(has(host.ends(2, "rewall diff file:pipe"), "pipe: not a plain file"));
  CHECK(has(host.ends(2, "rewall diff - </dev/zero"), "standard input: more than 256 MiB"));
}
