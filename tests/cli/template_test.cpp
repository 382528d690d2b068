// The templates of the program in the kernel: they load on both backends and for both families, go round
// through a snapshot, and let in and keep out real packets; own templates; and values that mean harm.
#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "support/host.h"
#include "support/skip.h"
#include "support/templates.h"

using namespace rewall;
using nlohmann::json;

TEST_CASE("every template of the program is here, and the list has no other") {
  const Host host;
  const auto listed = json::parse(host.ok("rewall --json template"));
  REQUIRE(listed.size() == filled_templates().size());
  std::set<std::string> names;
  for (const auto& one : listed) {
    names.insert(one["name"]);
    CHECK(one["path"].is_null());
    CHECK_FALSE(one["summary"].get<std::string>().empty());
  }
  for (const auto& one : filled_templates()) CHECK(names.contains(one.name));
  for (const auto& entry : std::filesystem::directory_iterator(REWALL_SOURCE_DIR "/templates"))
    CHECK(names.contains(entry.path().stem()));
}

TEST_CASE("every template loads on both backends and for both families, and goes round through a snapshot") {
  const std::string backend = GENERATE("nft", "legacy");
  for (const auto& one : filled_templates()) {
    const Host host;
    host.ok("rewall --backend " + backend + " init");
    for (const auto& values : {one.needed, one.given}) {
      INFO(backend << " " << one.name << " " << values);
      host.ok("rewall --backend " + backend + " template apply --keep --yes " + one.name + " " + values);
      // By meaning it is what it says, and the snapshot holds it.
      CHECK(host.ok("rewall --backend " + backend + " template diff " + one.name + " " + values).empty());
      CHECK(host.ok("rewall --backend " + backend + " diff").empty());
      const auto recorded = host.ok("git -C repo rev-parse HEAD; cat repo/rules.v4 repo/rules.v6");
      const auto is_as_recorded = [&] {
        host.ok("rewall --backend " + backend + " snapshot");
        CHECK(host.ok("git -C repo rev-parse HEAD; cat repo/rules.v4 repo/rules.v6") == recorded);
      };
      // The host's own programs take it, and print it again.
      host.ok("rewall template render " + one.name + " " + values + " >rules");
      host.ok("for p in iptables ip6tables; do $p-" + backend + "-restore <rules; done");
      is_as_recorded();
      host.ok("for v in 4 6; do p=iptables; test $v = 4 || p=ip6tables; $p-" + backend +
              "-restore <repo/rules.v$v; done");
      is_as_recorded();
      // So does the revision of a file, for people who keep what they rendered.
      CHECK(host.ok("rewall --backend " + backend + " diff file:rules").empty());
    }
  }
}

TEST_CASE("web-server has every rule of the guide") {
  const Host host;
  host.ok("rewall init");
  host.load_guide_firewall();
  const auto told =
      host.sh("rewall --json template diff web-server --set ssh_from=198.51.100.7 --family ipv4");
  CHECK(told.status == 1);
  // From the template to the guide nothing is added or changed: the guide has no rule of its own.
  const auto differs = json::parse(told.out);
  for (const auto& change : differs["changes"]) {
    INFO(change.dump());
    const auto kind = change["kind"].get<std::string>();
    CHECK((kind == "removed" || kind == "chain-removed" || kind == "moved" ||
           (kind == "policy" && change["chain"] == "FORWARD")));
    // What drops comes before what accepts, in the guide's order.
    if (kind == "moved") CHECK_FALSE(has(change["to"].get<std::string>(), "DROP"));
  }
}

TEST_CASE("a template is applied with a guard of ten minutes, and shows what changed") {
  const Host host;
  host.ok("rewall init");
  const auto rules = [&] { return host.ok("iptables -S; ip6tables -S"); };
  const auto before = rules();
  const auto dry = host.ends(1, "rewall template apply --dry-run web-server");
  CHECK(has(dry, "--dport 443 -j ACCEPT"));
  CHECK(rules() == before);
  const auto said = host.ends(0, "rewall template apply web-server");
  CHECK(has(said, "--dport 443 -j ACCEPT"));
  CHECK(has(said, "GUARD ARMED"));
  auto status = json::parse(host.sh("rewall --json status").out);
  CHECK(status["guard"]["seconds_left"].get<int>() > 480);
  CHECK(status["guard"]["seconds_left"].get<int>() <= 600);
  const auto log = json::parse(host.ok("rewall log -n 1 --json"));
  CHECK(log[0]["trigger"] == "apply");
  CHECK(log[0]["commands"] == json::array({"rewall template apply web-server"}));
  // The guard that is armed reverts a second one too.
  host.ok("rewall template apply open");
  host.ends(3, "rewall template apply --for 1h web-server");
  host.ok("rewall rollback");
  CHECK(rules() == before);
  host.ok("rewall template apply --for 1h -m 'the web' web-server");
  status = json::parse(host.sh("rewall --json status").out);
  CHECK(status["guard"]["seconds_left"].get<int>() > 600);
  host.ok("rewall confirm; rewall template apply --keep open");
  CHECK(json::parse(host.sh("rewall --json status").out)["guard"].is_null());
  CHECK(has(host.ok("rewall log -n 2"), "the web"));
  CHECK(has(host.ends(0, "rewall template apply open"), "no guard is armed"));
}

TEST_CASE("a template leaves sets, native tables, and with --family the other family alone") {
  const Host host;
  host.ok(
      "ipset create mine hash:ip; ipset add mine 192.0.2.7; nft add table inet mine; "
      "ip6tables -A INPUT -s 2001:db8::9 -j DROP; iptables -t raw -A PREROUTING -j RETURN; rewall init");
  host.ok("rewall template apply --keep --family ipv4 web-server");
  CHECK(has(host.ok("ipset list mine"), "192.0.2.7"));
  host.ok("nft list table inet mine");
  CHECK(host.ok("ip6tables -S INPUT") == "-P INPUT ACCEPT\n-A INPUT -s 2001:db8::9/128 -j DROP\n");
  CHECK(host.ok("rewall template diff --family ipv4 web-server").empty());
  CHECK(host.ok("iptables -t raw -S PREROUTING") == "-P PREROUTING ACCEPT\n");
  host.ends(1, "rewall template diff web-server");
}

TEST_CASE("values of another type, and those that mean harm, are refused before anything is rendered") {
  const Host host;
  host.ok("rewall init");
  const auto before = host.rules();
  for (const char* value :
       {"ssh_from=$'192.0.2.1\\n-A INPUT -j ACCEPT'", "ssh_from='192.0.2.1 -j ACCEPT'", "ssh_from='\"'",
        "ssh_from=0.0.0.0/0,", "ssh_ports='22 -j ACCEPT'", "ssh_ports=-j",
        "web_ports=80:", "web_ports='$ssh_from'", "mail_ports=$'25\\nCOMMIT\\n*nat'", "other_ports=99999",
        "ssh_from=example.org", "ssh_from=192.0.2.1/24"}) {
    INFO(value);
    for (const char* action : {"render", "apply --keep", "diff"}) {
      const auto refused = host.sh("rewall template " + std::string(action) + " web-server --set " + value);
      CHECK(refused.status == 2);
      CHECK(refused.out.empty());
      CHECK(has(refused.err, "place '"));
    }
  }
  CHECK(host.rules() == before);
  CHECK(
      has(host.ends(2, "rewall template render web-server --set web_prots=80"), "did you mean 'web_ports'?"));
  CHECK(has(host.ends(2, "rewall template render web-sever"), "did you mean 'web-server'?"));
  CHECK(has(host.ends(2, "rewall template show ../../../etc/passwd"), "no such template"));
  CHECK(has(host.ends(2, "rewall template apply database"), "app_servers (the application servers)"));
  CHECK(has(host.ends(2, "rewall template list --set a=b"), "--set is for template render, apply, diff"));
}

TEST_CASE("templates need neither a repository nor privileges to be read") {
  const Host host;
  host.ok("mkdir empty");
  const auto as_nobody = [&](const std::string& words) {
    return host.sh("setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent " REWALL_PROGRAM
                   " " +
                   words);
  };
  for (const char* words : {"template list", "template show router-nat", "template render web-server",
                            "template render --expect web-server", "template suggest"}) {
    INFO(words);
    const auto said = as_nobody(words);
    if (said.status == 126) continue;  // the program is in a folder of root's
    CHECK(said.status == 0);
    CHECK_FALSE(said.out.empty());
  }
}

TEST_CASE("the host's own templates come first, and those that others can write are refused") {
  const Host host;
  const auto with_own = [&](const std::string& words) {
    std::ofstream(host.folder() / "own")
        << "# mine: for a test\n# place from networks - who\n*filter\n:INPUT DROP [0:0]\n"
           "-A INPUT -s $from -j ACCEPT\nCOMMIT\n";
    std::ofstream(host.folder() / "with-own")
        << "mkdir -p layer; mount -t tmpfs none layer; mkdir -p layer/up layer/work "
           "layer/up/rewall/templates\n"
           "t=layer/up/rewall/templates; cp own $t/mine.rules; cp own $t/open.rules; chmod 755 "
           "layer/up/rewall $t\n"
           "chmod 644 $t/*\n"
           "mount -t overlay none -o lowerdir=/etc,upperdir=layer/up,workdir=layer/work /etc\n"
           "rewall() { " REWALL_PROGRAM " \"$@\"; }; t=/etc/rewall/templates\n"
        << words << "\n";
    return host.sh("unshare -m bash -e ./with-own");
  };
  const auto listed = with_own("rewall --json template list");
  REQUIRE(listed.status == 0);
  std::map<std::string, json> by_name;
  for (const auto& one : json::parse(listed.out)) by_name[one["name"]] = one;
  CHECK(by_name["mine"]["path"] == "/etc/rewall/templates/mine.rules");
  CHECK(by_name["open"]["path"] == "/etc/rewall/templates/open.rules");
  CHECK(by_name["open"]["places"][0]["place"] == "from");
  CHECK(by_name["web-server"]["path"].is_null());
  CHECK(has(with_own("rewall template render mine --set from=192.0.2.1").out,
            "\n-4 -A INPUT -s 192.0.2.1 -j ACCEPT\n"));
  // The way back of a guard is the program's own.
  CHECK(has(with_own("cp own $t/lockdown.rules; rewall template render lockdown --set from=any").out,
            "-A INPUT -j ACCEPT\n"));
  const auto open = with_own("chmod 666 $t/open.rules; rewall template render open");
  CHECK(open.status == 3);
  CHECK(has(open.err, "/etc/rewall/templates/open.rules: users other than root can write to it"));
  CHECK(open.out.empty());
  const auto folder = with_own("chmod 777 $t; rewall template render mine --set from=any; exit 0");
  CHECK(folder.out.empty());
  const auto rest = with_own("chmod 666 $t/open.rules; rewall template list");
  CHECK(rest.status == 0);
  CHECK(has(rest.err, "can write to it"));
  CHECK_FALSE(has("\n" + rest.out, "\nopen "));
  const auto bad = with_own("echo '-A INPUT -s $frm -j DROP' >>$t/mine.rules; rewall template show mine");
  CHECK(bad.status == 2);
  CHECK(has(bad.err, "/etc/rewall/templates/mine.rules:7: no place is declared for '$frm'"));
  const auto pipe = with_own("rm $t/mine.rules; mkfifo $t/mine.rules; rewall template show mine");
  CHECK(pipe.status == 2);
}

TEST_CASE("what the kernel refuses of a template is named by the template and the line that render prints") {
  const Host host;
  host.ok("rewall init");
  const auto refused = host.ends(4,
                                 "rewall template apply --keep bastion --set inside=10.0.0.0/24 --set "
                                 "update_users=nobody-has-this-name");
  CHECK(has(refused, "template bastion:"));
  const auto at = refused.find("template bastion:") + 17;
  const auto line = host.ok(
      "rewall template render bastion --set inside=10.0.0.0/24 "
      "--set update_users=nobody-has-this-name | sed -n " +
      refused.substr(at, refused.find(':', at) - at) + "p");
  CHECK(has(line, "--uid-owner nobody-has-this-name"));
}

TEST_CASE("docker-host and kubernetes-node keep the rules of docker and of kube-proxy") {
  const Host host;
  // As docker 28 and kube-proxy leave them.
  host.ok(
      "for p in iptables ip6tables; do\n"
      "$p -N DOCKER; $p -N DOCKER-USER; $p -N DOCKER-FORWARD; $p -P FORWARD DROP\n"
      "$p -A FORWARD -j DOCKER-USER; $p -A FORWARD -j DOCKER-FORWARD\n"
      "$p -A DOCKER-FORWARD -i docker0 -j ACCEPT; $p -A DOCKER -i docker0 ! -o docker0 -j DROP\n"
      "$p -t nat -N DOCKER; $p -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
      "$p -t nat -A DOCKER ! -i docker0 -p tcp --dport 8080 -j DNAT --to-destination :80\n"
      "$p -N KUBE-FORWARD; $p -I FORWARD -m comment --comment 'kubernetes forwarding rules' -j KUBE-FORWARD\n"
      "$p -A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT\n"
      "done; rewall init");
  const auto chains = [&] {
    return host.ok(
        "for p in iptables ip6tables; do $p -S DOCKER; $p -S DOCKER-FORWARD; $p -S KUBE-FORWARD; $p -t nat "
        "-S; done");
  };
  const auto before = chains();
  for (const auto* words :
       {"docker-host --set outside=eth0",
        "kubernetes-node --set node_networks=10.0.0.0/24 --set pod_networks=10.244.0.0/16",
        "docker-host --set outside=eth0"}) {
    INFO(words);
    host.ok("rewall template apply --keep " + std::string(words));
    CHECK(chains() == before);
    CHECK(host.ok("rewall template diff " + std::string(words)).empty());
    for (const char* program : {"iptables", "ip6tables"}) {
      const auto forward = host.ok(std::string(program) + " -S FORWARD");
      INFO(forward);
      const auto count = [&](const std::string& rule) {
        std::size_t n = 0;
        for (auto at = forward.find(rule); at != std::string::npos; at = forward.find(rule, at + 1)) ++n;
        return n;
      };
      CHECK(count("-j DOCKER-USER\n") == 1);
      CHECK(count("-j DOCKER-FORWARD\n") == 1);
      CHECK(count("-j KUBE-FORWARD\n") == 1);
      // What people say comes before what docker says.
      CHECK(forward.find("-j DOCKER-USER") < forward.find("-j DOCKER-FORWARD"));
    }
  }
  CHECK(has(host.ok("iptables -S DOCKER-USER"), "-A DOCKER-USER -i eth0 -j DROP\n"));
}

TEST_CASE("apply says what other programs' rules let in though the template does not expect it") {
  const Host host;
  host.ok(
      "iptables -N ts-input; iptables -A ts-input -p tcp --dport 111 -j ACCEPT; iptables -A INPUT -j "
      "ts-input; "
      "rewall init");
  CHECK_FALSE(
      has(host.ends(0, "rewall template apply --keep --family ipv6 web-server"), "expects otherwise"));
  const auto said = host.ends(0, "rewall template apply --keep web-server");
  CHECK(
      has(said, "template web-server expects otherwise: 'drop -i eth0 -s 198.51.100.9 -p tcp --dport 111 "));
  CHECK(has(said, "ts-input"));
  // What the repository expects is another matter.
  host.ok(
      "rewall expect add drop -i eth0 -p tcp --dport 23 || echo 'drop -i eth0 -p tcp --dport 23' "
      ">repo/expect");
  CHECK(has(host.ends(3, "rewall template apply --keep open"), "dport 23"));
  host.ok("rewall template apply --keep --force open");
}

TEST_CASE("what render says is expected can be checked") {
  const Host host;
  host.ok(
      "rewall init; rewall template apply --keep web-server --set ssh_from=198.51.100.7; "
      "rewall template render --expect web-server --set ssh_from=198.51.100.7 >e");
  host.ok("rewall check --file e");
  host.ok("rewall template render --expect workstation --set open_ports=5900 >e");
  CHECK(has(host.ends(1, "rewall check --file e"), "--dport 5900"));
}

// --- real packets

namespace {

/// `ask +SOURCE>ADDRESS:PORT` prints what is closed and should be open, `-...` what is open and should be
/// closed; a port `u53` is one of UDP. What should be open is tried again for a minute; what should be closed
/// gets a second beside it.
const char* const kPackets =
    "cat >listen.py <<'END'\n"
    "import socket, sys, threading\n"
    "def serve(s):\n"
    "    while True:\n"
    "        c, peer = s.accept(); c.send(peer[0].replace('::ffff:', '').encode()); c.close()\n"
    "def answer(s):\n"
    "    while True:\n"
    "        m, peer = s.recvfrom(99); s.sendto(peer[0].replace('::ffff:', '').encode(), peer)\n"
    "for port in sys.argv[2:]:\n"
    "    if port[0] == 'u':\n"
    "        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
    "        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(('::', int(port[1:])))\n"
    "        threading.Thread(target=answer, args=(s,), daemon=True).start(); continue\n"
    "    s = socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
    "    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(('::', int(port))); s.listen(50)\n"
    "    threading.Thread(target=serve, args=(s,), daemon=True).start()\n"
    "open(sys.argv[1], 'w'); threading.Event().wait()\n"
    "END\n"
    "cat >ask.py <<'END'\n"
    "import socket, sys, threading, time\n"
    "lines = []\n"
    "def try_it(word):\n"
    "    source, target = word[1:].split('>'); address, port = target.rsplit(':', 1)\n"
    "    end = time.time() + (60 if word[0] == '+' else 1); got = None\n"
    "    while got is None and time.time() < end:\n"
    "        try:\n"
    "            if port[0] == 'u':\n"
    "                c = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, "
    "socket.SOCK_DGRAM)\n"
    "                c.bind((source, 0)); c.settimeout(1); c.sendto(b'x', (address, int(port[1:])))\n"
    "            else:\n"
    "                c = socket.create_connection((address, int(port)), 1, (source, 0)); c.settimeout(10)\n"
    "            got = c.recv(99).decode()\n"
    "        except OSError: pass\n"
    "    if (got is not None) != (word[0] == '+'): lines.append(word)\n"
    "    elif got and word in shown: lines.append(word + ' seen as ' + got)\n"
    "shown = [w[1:] for w in sys.argv[1:] if w[0] == '?']; words = [w.lstrip('?') for w in sys.argv[1:]]\n"
    "threads = [threading.Thread(target=try_it, args=(w,)) for w in words]\n"
    "for t in threads: t.start()\n"
    "for t in threads: t.join()\n"
    "print('\\n'.join(sorted(lines)))\n"
    "END\n"
    "trap 'kill $(jobs -p)' EXIT\n"
    // peer NAME OWN_INTERFACE ITS_INTERFACE: another host by a cable. at NAME WORDS: run there.
    "declare -A peers; at() { local p=${peers[$1]}; shift; nsenter -t $p -n \"$@\"; }\n"
    "behind() { local p=${peers[$1]}; shift; nsenter -t $p -n \"$@\" >/dev/null & }\n"
    "peer() { unshare -n sleep 300 >/dev/null & peers[$1]=$!; while [ $(readlink /proc/$!/ns/net) = "
    "$(readlink "
    "/proc/self/ns/net) ]; do sleep 0.02; done; ip link add $2 type veth peer name $3 netns $!; ip link set "
    "$2 up; "
    "at $1 ip link set $3 up; at $1 ip link set lo up; }\n"
    "address() { ip addr add $1 dev $2 ${3:-}; }\n"
    "listen() { python3 listen.py ready-$RANDOM$RANDOM \"$@\" >/dev/null & }\n"
    "ip link set lo up; shopt -s expand_aliases\n"
    "wait_for() { while [ $(ls ready-* 2>/dev/null | wc -l) -lt $1 ]; do sleep 0.05; done; }\n";

/// The host is 10.9.0.1 and fd00::1 on v0; the peer is .2 and .3, ::2 and ::3.
const char* const kPeer =
    "peer p v0 v1; address 10.9.0.1/24 v0; address fd00::1/64 v0 nodad\n"
    "for n in 2 3; do at p ip addr add 10.9.0.$n/24 dev v1; at p ip addr add fd00::$n/64 dev v1 nodad; "
    "done\n";

}  // namespace

TEST_CASE("web-server: web and mail for everyone, ssh for some, nothing else, by both families") {
  const Host host;
  host.ok("rewall init");
  CHECK(host.ok(
            std::string(kPackets) + kPeer +
            "listen 22 80 443 25 111; wait_for 1\n"
            "rewall -q template apply --keep web-server --set ssh_from=10.9.0.2,fd00::2 >/dev/null\n"
            "at p python3 ask.py '+10.9.0.3>10.9.0.1:80' '+10.9.0.3>10.9.0.1:443' '+10.9.0.3>10.9.0.1:25' "
            "'+10.9.0.2>10.9.0.1:22' '-10.9.0.3>10.9.0.1:22' '-10.9.0.2>10.9.0.1:111' '+fd00::3>fd00::1:80' "
            "'+fd00::2>fd00::1:22' '-fd00::3>fd00::1:22' '-fd00::2>fd00::1:111'\n"
            // What the host itself begins, over lo too.
            "behind p python3 listen.py ready-p 8080; wait_for 2\n"
            "python3 ask.py '+10.9.0.1>10.9.0.2:8080' '+fd00::1>fd00::2:8080' '+127.0.0.1>127.0.0.1:111' "
            "'+::1>::1:111'") == "\n\n");
}

TEST_CASE("web-server: nmap finds what the template opens, and no more") {
  const Host host;
  if (host.sh("command -v nmap").status != 0) skip("no nmap");
  host.ok("rewall init");
  // Everything listens; what is open is what the template says.
  const auto scan = [](const std::string& more) {
    return "at p nmap -n -Pn -T4 --open -oG - -p 20-30,80,110,111,143,443,465,993,995,3306 " + more +
           " | sed -n 's/.*Ports: //p' | grep -o '[0-9]*/open' | tr '\\n' ' '; echo\n";
  };
  CHECK(host.ok(std::string(kPackets) + kPeer +
                "listen 20 21 22 23 25 80 110 111 143 443 465 993 995 3306; wait_for 1\n"
                "rewall -q template apply --keep web-server --set ssh_from=10.9.0.2,fd00::2 --set "
                "mail_ports=25,993 >/dev/null\n" +
                scan("-S 10.9.0.2 -e v1 10.9.0.1") + scan("-S 10.9.0.3 -e v1 10.9.0.1") +
                scan("-6 -S fd00::2 -e v1 fd00::1") + scan("-6 -S fd00::3 -e v1 fd00::1")) ==
        "22/open 25/open 80/open 443/open 993/open \n25/open 80/open 443/open 993/open \n"
        "22/open 25/open 80/open 443/open 993/open \n25/open 80/open 443/open 993/open \n");
}

TEST_CASE("database: the application servers reach it, and nobody else does") {
  const Host host;
  host.ok("rewall init");
  CHECK(
      host.ok(
          std::string(kPackets) + kPeer +
          "address 10.9.0.9/24 v0; listen 22 5432 80; wait_for 1\n"
          "rewall -q template apply --keep database --set app_servers=10.9.0.2,fd00::2 --set db_addresses="
          "10.9.0.1,fd00::1 >/dev/null\n"
          "at p python3 ask.py '+10.9.0.2>10.9.0.1:5432' '-10.9.0.3>10.9.0.1:5432' '-10.9.0.2>10.9.0.9:5432' "
          "'+10.9.0.3>10.9.0.1:22' '-10.9.0.2>10.9.0.1:80' '+fd00::2>fd00::1:5432' '-fd00::3>fd00::1:5432' "
          "'-fd00::2>fd00::1:80'") == "\n");
}

TEST_CASE("bastion: ssh goes on to the hosts inside, and nothing else goes out") {
  const Host host;
  host.ok("rewall init");
  CHECK(host.ok(std::string(kPackets) + kPeer +
                "listen 22 80; behind p python3 listen.py ready-p 22 25 80; wait_for 2\n"
                "rewall -q template apply --keep bastion --set inside=10.9.0.2,fd00::2 --set "
                "update_users=65534 >/dev/null\n"
                "at p python3 ask.py '+10.9.0.3>10.9.0.1:22' '-10.9.0.2>10.9.0.1:80' '+fd00::3>fd00::1:22'\n"
                "python3 ask.py '+10.9.0.1>10.9.0.2:22' '-10.9.0.1>10.9.0.3:22' '-10.9.0.1>10.9.0.2:25' "
                "'-10.9.0.1>10.9.0.2:80' '+fd00::1>fd00::2:22' '-fd00::1>fd00::3:22'\n"
                "setpriv --reuid 65534 python3 - '+10.9.0.1>10.9.0.2:80' '-10.9.0.1>10.9.0.2:25' <ask.py") ==
        "\n\n\n");
}

TEST_CASE("router-nat: the inside goes out as the router, forwarded ports come in, and nothing else") {
  const Host host;
  host.ok("rewall init");
  const auto said = host.ok(
      std::string(kPackets) +
      "peer in eth1 v1; peer out eth0 v2; address 10.1.0.1/24 eth1; address fd00:1::1/64 eth1 nodad\n"
      "address 192.0.2.1/24 eth0; address 2001:db8::1/64 eth0 nodad\n"
      "at in ip addr add 10.1.0.5/24 dev v1; at in ip addr add fd00:1::5/64 dev v1 nodad\n"
      "at in ip route add default via 10.1.0.1; at in ip route add default via fd00:1::1\n"
      "at out ip addr add 192.0.2.9/24 dev v2; at out ip addr add 2001:db8::9/64 dev v2 nodad\n"
      "at out ip route add 10.1.0.0/24 via 192.0.2.1; at out ip route add fd00:1::/64 via 2001:db8::1\n"
      "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding\n"
      "listen 22 53 80; behind in python3 listen.py ready-i 22 8080; behind out python3 listen.py ready-o "
      "80; "
      "wait_for 3\n"
      "rewall -q template apply --keep router-nat --set outside=eth0 --set inside=eth1 --set "
      "forward_ports=8080 "
      "--set forward_to=10.1.0.5,fd00:1::5 >/dev/null\n"
      "at in python3 ask.py '?+10.1.0.5>192.0.2.9:80' '?+fd00:1::5>2001:db8::9:80' '+10.1.0.5>10.1.0.1:22' "
      "'+10.1.0.5>10.1.0.1:53' '-10.1.0.5>10.1.0.1:80'\n"
      "at out python3 ask.py '?+192.0.2.9>192.0.2.1:8080' '-192.0.2.9>10.1.0.5:22' '-192.0.2.9>192.0.2.1:22' "
      "'-192.0.2.9>192.0.2.1:53' '+2001:db8::9>fd00:1::5:8080' '-2001:db8::9>fd00:1::5:22'");
  CHECK(said ==
        "+10.1.0.5>192.0.2.9:80 seen as 192.0.2.1\n+fd00:1::5>2001:db8::9:80 seen as fd00:1::5\n"
        "+192.0.2.9>192.0.2.1:8080 seen as 192.0.2.9\n");
}

TEST_CASE("docker-host: of the published ports those that are named are reached from outside") {
  const Host host;
  const auto said = host.ok(
      std::string(kPackets) + kPeer +
      "peer c docker0 c0; address 172.17.0.1/16 docker0; at c ip addr add 172.17.0.2/16 dev c0\n"
      "at c ip route add default via 172.17.0.1; echo 1 >/proc/sys/net/ipv4/ip_forward\n"
      // As docker does for -p 8080:80 -p 5432:5432.
      "i=iptables; $i -t nat -N DOCKER; $i -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
      "$i -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n"
      "$i -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 5432 -j DNAT --to-destination 172.17.0.2:5432\n"
      "$i -N DOCKER; $i -N DOCKER-USER; $i -P FORWARD DROP; $i -A FORWARD -j DOCKER-USER\n"
      "$i -A DOCKER-USER -j RETURN\n"
      "$i -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
      "$i -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
      "$i -A FORWARD -o docker0 -j DOCKER; $i -A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n"
      "$i -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT\n"
      "$i -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 5432 -j ACCEPT\n"
      "listen 22 9100; behind c python3 listen.py ready-c 80 5432; behind p python3 listen.py ready-p 443; "
      "wait_for 3\n"
      "rewall -q init >/dev/null\n"
      // docker's trap: the world reaches the database, whatever INPUT says.
      "at p python3 ask.py '+10.9.0.3>10.9.0.1:5432' '+10.9.0.3>10.9.0.1:8080'\n"
      "rewall template suggest | grep -o 'published_tcp=[^ ]*'\n"
      "says() { rewall template apply --dry-run docker-host --set published_tcp=8080 --set outside=$1 2>&1 | "
      "grep -o 'tcp .* stays open' || true; }\n"
      "says v9; rewall -q template apply --keep docker-host --set outside=v0 --set published_tcp=8080 "
      ">/dev/null\n"
      "at p python3 ask.py '+10.9.0.3>10.9.0.1:8080' '-10.9.0.3>10.9.0.1:5432' '+10.9.0.3>10.9.0.1:22' "
      "'-10.9.0.3>10.9.0.1:9100'\n"
      "at c python3 ask.py '+172.17.0.2>10.9.0.2:443' '-172.17.0.2>10.9.0.1:9100'; says v0\n"
      "iptables -S DOCKER-USER | tail -n 1");
  CHECK(said ==
        "\npublished_tcp=5432,8080\ntcp 5432 to 172.17.0.2:5432 stays open\n\n\n-A DOCKER-USER -j RETURN\n");
}

namespace {

/// What nmap finds open of the ports; `from`: "-S 10.9.0.2 -e v1", and the address that it scans.
std::string scan(const std::string& ports, const std::string& from) {
  return "at p nmap -n -Pn -T4 --open -oG - -p " + ports + " " + from +
         " | sed -n 's/.*Ports: //p' | grep -o '[0-9]*/open' | tr '\\n' ' '; echo\n";
}

/// Two hosts of the outside, by both families.
const std::vector<std::string> kPeers{"-S 10.9.0.2 -e v1 10.9.0.1", "-S 10.9.0.3 -e v1 10.9.0.1",
                                      "-6 -S fd00::2 -e v1 fd00::1", "-6 -S fd00::3 -e v1 fd00::1"};
std::string scans_from(const std::string& ports, const std::vector<std::string>& from) {
  std::string all;
  for (const auto& one : from) all += scan(ports, one);
  return all;
}

std::string on(const std::string& backend) {
  return "rewall() { " REWALL_PROGRAM " --backend " + backend + " \"$@\"; }; rewall -q init >/dev/null\n";
}

}  // namespace

TEST_CASE("mail-server: mail for everyone, ssh for some, nothing else") {
  const std::string backend = GENERATE("nft", "legacy");
  INFO(backend);
  const Host host;
  const bool nmap = host.sh("command -v nmap").status == 0;
  const std::string ports = "20-30,80,110,111,143,443,465,587,993,995,3306";
  const auto scans = nmap ? scans_from(ports, kPeers) : std::string();
  const std::string mail = "25/open 110/open 143/open 465/open 587/open 993/open 995/open \n";
  CHECK(host.ok(
            std::string(kPackets) + kPeer + on(backend) +
            "listen 22 25 80 110 111 143 443 465 587 993 995 3306 u53; wait_for 1\n"
            "rewall -q template apply --keep mail-server --set ssh_from=10.9.0.2,fd00::2 >/dev/null\n"
            "at p python3 ask.py '+10.9.0.3>10.9.0.1:25' '+10.9.0.3>10.9.0.1:993' '+10.9.0.2>10.9.0.1:22' "
            "'-10.9.0.3>10.9.0.1:22' '-10.9.0.2>10.9.0.1:80' '-10.9.0.2>10.9.0.1:u53' '+fd00::3>fd00::1:587' "
            "'+fd00::2>fd00::1:22' '-fd00::3>fd00::1:22' '-fd00::2>fd00::1:443' '-fd00::2>fd00::1:u53'\n" +
            scans) == (nmap ? "\n22/open " + mail + mail + "22/open " + mail + mail : std::string("\n")));
}

TEST_CASE("workstation: what it opens is reached from where it says, and it reaches all") {
  const std::string backend = GENERATE("nft", "legacy");
  INFO(backend);
  const Host host;
  const bool nmap = host.sh("command -v nmap").status == 0;
  const auto scans = nmap ? scans_from("20-30,80,631,5900", kPeers) : std::string();
  CHECK(
      host.ok(std::string(kPackets) + kPeer + on(backend) +
              "listen 22 80 631 5900 u5353; behind p python3 listen.py ready-p 443 u53; wait_for 2\n"
              "rewall -q template apply --keep workstation --set open_ports=22,631 --set open_from="
              "10.9.0.2,fd00::2 >/dev/null\n"
              "at p python3 ask.py '+10.9.0.2>10.9.0.1:22' '+10.9.0.2>10.9.0.1:631' '-10.9.0.3>10.9.0.1:22' "
              "'-10.9.0.2>10.9.0.1:5900' '-10.9.0.2>10.9.0.1:u5353' '+fd00::2>fd00::1:631' "
              "'-fd00::3>fd00::1:631' '-fd00::2>fd00::1:80'\n"
              "python3 ask.py '+10.9.0.1>10.9.0.2:443' '+10.9.0.1>10.9.0.2:u53' '+fd00::1>fd00::2:443' "
              "'+127.0.0.1>127.0.0.1:5900'\n" +
              scans) == (nmap ? "\n\n22/open 631/open \n\n22/open 631/open \n\n" : "\n\n"));
}

TEST_CASE("vpn-gateway: its clients reach the outside as the gateway, and nobody reaches them") {
  const std::string backend = GENERATE("nft", "legacy");
  INFO(backend);
  const Host host;
  const bool nmap = host.sh("command -v nmap").status == 0;
  const auto scans =
      nmap ? scans_from("20-30,53,80,8080", {"-e v1 10.9.0.1", "-6 -e v1 fd00::1"}) : std::string();
  const auto said = host.ok(
      std::string(kPackets) + kPeer + on(backend) +
      // A cable in place of the tunnel: what comes out of it is the same.
      "peer c wg0 c0; address 10.8.0.1/24 wg0; address fd00:8::1/64 wg0 nodad\n"
      "for n in 2 3; do at c ip addr add 10.8.0.$n/24 dev c0; at c ip addr add fd00:8::$n/64 dev c0 nodad; "
      "done\n"
      "at c ip addr add 10.7.0.2/32 dev c0; ip route add 10.7.0.2/32 dev wg0\n"
      "at c ip route add default via 10.8.0.1; at c ip route add default via fd00:8::1\n"
      "peer i eth1 i0; address 10.1.0.1/24 eth1; at i ip addr add 10.1.0.5/24 dev i0\n"
      "at i ip route add default via 10.1.0.1\n"
      "at p ip route add 10.8.0.0/24 via 10.9.0.1; at p ip route add fd00:8::/64 via fd00::1\n"
      "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding\n"
      "listen 22 53 80 u53 u51820 u111; behind c python3 listen.py ready-c 22\n"
      "behind p python3 listen.py ready-p 443; behind i python3 listen.py ready-i 443; wait_for 4\n"
      "rewall -q template apply --keep vpn-gateway --set outside=v0 --set inside=eth1 --set vpn_networks="
      "10.8.0.0/24,fd00:8::/64 --set ssh_from=10.9.0.2,10.8.0.2 >/dev/null\n"
      "at p python3 ask.py '+10.9.0.3>10.9.0.1:u51820' '+fd00::3>fd00::1:u51820' '-10.9.0.3>10.9.0.1:u53' "
      "'-fd00::3>fd00::1:u111' '+10.9.0.2>10.9.0.1:22' '-10.9.0.3>10.9.0.1:22' '-10.9.0.2>10.8.0.2:22' "
      "'-fd00::2>fd00:8::2:22' '-10.9.0.2>10.9.0.1:53'\n"
      "at c python3 ask.py '?+10.8.0.2>10.9.0.2:443' '?+fd00:8::2>fd00::2:443' '?+10.8.0.2>10.1.0.5:443' "
      "'+10.8.0.3>10.8.0.1:53' '+10.8.0.3>10.8.0.1:u53' '+fd00:8::3>fd00:8::1:u53' '-10.8.0.3>10.8.0.1:80' "
      "'-10.8.0.3>10.8.0.1:22' '-10.7.0.2>10.9.0.2:443'\n"
      "at i python3 ask.py '-10.1.0.5>10.8.0.2:22'\n" +
      scans);
  CHECK(said ==
        "\n+10.8.0.2>10.1.0.5:443 seen as 10.8.0.2\n+10.8.0.2>10.9.0.2:443 seen as 10.9.0.1\n"
        "+fd00:8::2>fd00::2:443 seen as fd00::1\n\n" +
            std::string(nmap ? "22/open \n\n" : ""));
}

TEST_CASE("kubernetes-node: nodes and pods reach it, others ssh and what a service leads to") {
  const std::string backend = GENERATE("nft", "legacy");
  INFO(backend);
  const Host host;
  const bool nmap = host.sh("command -v nmap").status == 0;
  const auto scans = nmap ? scans_from("20-30,80,111,6443,10250", kPeers) : std::string();
  const auto said = host.ok(
      std::string(kPackets) + kPeer + on(backend) +
      "peer c cni0 c0; address 10.244.1.1/24 cni0; address fd00:244::1/64 cni0 nodad\n"
      "at c ip addr add 10.244.1.5/24 dev c0; at c ip addr add fd00:244::5/64 dev c0 nodad\n"
      "at c ip route add default via 10.244.1.1; at c ip route add default via fd00:244::1\n"
      "at p ip route add 10.244.1.0/24 via 10.9.0.1; at p ip route add fd00:244::/64 via fd00::1\n"
      "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding\n"
      // A service of type NodePort, as kube-proxy makes one.
      "for f in '' 6; do p=ip${f}tables-" +
      backend +
      "; $p -t nat -N KUBE-NODEPORTS\n"
      "to=10.244.1.5:8080; here=10.9.0.1; test -z \"$f\" || to='[fd00:244::5]:8080' here=fd00::1\n"
      "$p -t nat -A PREROUTING -d $here -j KUBE-NODEPORTS\n"
      "$p -t nat -A KUBE-NODEPORTS -p tcp --dport 30080 -j DNAT --to-destination $to; done\n"
      "listen 22 111 6443 10250 u8472; behind c python3 listen.py ready-c 8080 9090\n"
      "behind p python3 listen.py ready-p 443; wait_for 3\n"
      "rewall -q template apply --keep kubernetes-node --set node_networks=10.9.0.2,fd00::2 --set "
      "pod_networks="
      "10.244.0.0/16,fd00:244::/64 --set ssh_from=10.9.0.3,fd00::3 >/dev/null\n"
      "at p python3 ask.py '+10.9.0.2>10.9.0.1:10250' '-10.9.0.3>10.9.0.1:10250' '+10.9.0.2>10.9.0.1:u8472' "
      "'-10.9.0.3>10.9.0.1:u8472' '-10.9.0.3>10.9.0.1:6443' '+10.9.0.3>10.9.0.1:22' "
      "'+10.9.0.3>10.9.0.1:30080' '+10.9.0.2>10.244.1.5:9090' '-10.9.0.3>10.244.1.5:9090' "
      "'-10.9.0.3>10.244.1.5:8080' '+fd00::2>fd00::1:10250' '-fd00::3>fd00::1:10250' "
      "'+fd00::3>fd00::1:30080' '-fd00::3>fd00:244::5:9090'\n"
      "at c python3 ask.py '+10.244.1.5>10.9.0.1:10250' '+10.244.1.5>10.9.0.2:443' "
      "'+fd00:244::5>fd00::2:443'\n" +
      scans);
  const std::string node = "22/open 111/open 6443/open 10250/open \n";
  CHECK(said == "\n\n" + (nmap ? node + "22/open \n" + node + "22/open \n" : std::string{}));
}

TEST_CASE("suggest looks at what listens and who is connected, and what it prints can be run") {
  const Host host;
  const auto said =
      host.ok(std::string(kPackets) + kPeer +
              "rewall -q init >/dev/null; python3 -c 'import socket, time\n"
              "held = [socket.create_server((\"::\", port), family=socket.AF_INET6, dualstack_ipv6=True) "
              "for port in (22, 5432)]\n"
              "open(\"ready-h\", \"w\"); time.sleep(300)' >/dev/null & wait_for 1\n"
              "behind p python3 -c 'import socket, time\n"
              "a = socket.create_connection((\"10.9.0.1\", 22), 60, (\"10.9.0.3\", 0))\n"
              "b = socket.create_connection((\"fd00::1\", 5432), 60, (\"fd00::2\", 0))\n"
              "open(\"ready-c\", \"w\"); time.sleep(300)'; wait_for 2\n"
              "unset SSH_CONNECTION; rewall template suggest; rewall --json template suggest >json\n"
              "eval \"$(rewall template suggest | sed -n 's/^  \\(rewall .*template apply .*\\)/\\1 "
              "--keep/p')\" >/dev/null\n"
              "iptables -S INPUT; ip6tables -S INPUT");
  CHECK(has(said, "database: tcp 5432 (python3)\n  rewall "));
  CHECK(has(
      said,
      " template apply database --set app_servers=fd00::2 --set db_ports=5432 --set ssh_from=10.9.0.3\n"));
  CHECK(has(said, "-A INPUT -s 10.9.0.3/32 -p tcp -m tcp --dport 22 -j ACCEPT\n"));
  CHECK(has(said, "-A INPUT -s fd00::2/128 -p tcp -m multiport --dports 5432 -j ACCEPT\n"));
  const auto told = json::parse(host.ok("cat json"));
  REQUIRE(told.size() == 1);
  CHECK(told[0]["name"] == "database");
  CHECK(told[0]["values"]["app_servers"] == "fd00::2");
  CHECK(told[0]["missing"].empty());
}

namespace {

/// `serve PROGRAM tcp:80 udp:53@192.0.2.1 ...`: a program of that name that holds the sockets. `interface
/// NAME ADDRESS...`. The host reaches the world by eth0, 203.0.113.2.
const char* const kArranged =
    "cat >hold.py <<'END'\n"
    "import socket, sys, time\n"
    "held = []\n"
    "for word in sys.argv[2:]:\n"
    "    kind, port = word.split(':', 1); port, _, address = port.partition('@')\n"
    "    s = socket.socket(socket.AF_INET if address else socket.AF_INET6, socket.SOCK_STREAM if kind == "
    "'tcp' "
    "else socket.SOCK_DGRAM)\n"
    "    s.bind((address or '::', int(port))); held.append(s)\n"
    "    if kind == 'tcp': s.listen(9)\n"
    "open(sys.argv[1], 'w'); time.sleep(300)\n"
    "END\n"
    "trap 'kill $(jobs -p)' EXIT; unset SSH_CONNECTION; n=0\n"
    "serve() { ln -sf $(command -v python3) $1; n=$((n + 1)); ./$1 hold.py ready-$n \"${@:2}\" >/dev/null & "
    "while "
    "! test -e ready-$n; do sleep 0.02; done; }\n"
    "interface() { ip link add $1 type veth peer name p-$1; ip link set $1 up; ip link set p-$1 up; for a in "
    "${@:2}; do ip addr add $a dev $1 $([[ $a == *:* ]] && echo nodad); done; }\n"
    "ip link set lo up; interface eth0 203.0.113.2/24 2001:db8:1::2/64; ip route add default via "
    "203.0.113.1\n"
    "serve sshd tcp:22\n";

}  // namespace

TEST_CASE("suggest tells ten kinds of hosts apart") {
  const std::map<std::string, std::string> hosts{
      {"serve nginx tcp:80 tcp:443; serve chronyd udp:123",
       "web-server --set mail_ports=none --set ssh_from=?"},
      {"serve nginx tcp:80; serve master tcp:25; serve dovecot tcp:993",
       "web-server --set web_ports=80 --set mail_ports=25,993 --set ssh_from=?"},
      {"serve master tcp:25 tcp:587; serve dovecot tcp:143",
       "mail-server --set mail_ports=25,143,587 --set ssh_from=?"},
      {"serve postgres tcp:5432@203.0.113.2 tcp:9187@127.0.0.1",
       "database --set db_ports=5432 --set db_addresses=203.0.113.2 --set app_servers=? --set ssh_from=?"},
      {"interface docker0 172.17.0.1/16; serve docker-proxy tcp:8080 udp:514; serve node_exporter tcp:9100",
       "docker-host --set outside=eth0 --set published_tcp=8080 --set published_udp=514 --set ssh_from=?"},
      {"interface cni0 10.244.1.1/24; serve kubelet tcp:10250",
       "kubernetes-node --set node_networks=203.0.113.0/24,2001:db8:1::/64 --set pod_networks=? --set "
       "ssh_from=?"},
      {"interface wg0 10.8.0.1/24 fd00:8::1/64; serve wireguard-go udp:51820",
       "vpn-gateway --set outside=eth0 --set vpn_networks=10.8.0.0/24,fd00:8::/64 --set ssh_from=?"},
      {"interface eth1 10.1.0.1/24; echo 1 >/proc/sys/net/ipv4/ip_forward; serve dnsmasq tcp:53 udp:53 "
       "udp:67",
       "router-nat --set outside=eth0 --set inside=eth1 --set ssh_from=?"},
      {"true", "ssh-from-one-address --set ssh_from=?"},
      {"export SSH_CONNECTION='192.0.2.7 50000 203.0.113.2 22'",
       "ssh-from-one-address --set ssh_from=192.0.2.7"},
      {"kill $!; wait $! || true; serve cupsd tcp:631@127.0.0.1; serve avahi-daemon udp:5353", "workstation"},
      {"serve minio tcp:9000",
       "web-server --set web_ports=none --set mail_ports=none --set other_ports=9000 --set ssh_from=?"}};
  for (const auto& [arranged, expected] : hosts) {
    INFO(arranged);
    const Host host;
    const auto told = json::parse(host.ok(kArranged + arranged + "\nrewall --json template suggest"));
    const auto command = told[0]["command"].get<std::string>();
    CHECK(command.substr(command.find("apply ") + 6) == expected);
  }
}

TEST_CASE(
    "suggest names no address of a session that ends elsewhere, and none beside one that is not known") {
  const Host host;
  host.ok(
      "cat >served.py <<'END'\nimport subprocess, sys\nopen('/proc/self/comm', 'w').write('sshd')\n"
      "sys.exit(subprocess.run(sys.argv[1:]).returncode)\nEND\n");
  const std::string suggest =
      kArranged + std::string("export SSH_CONNECTION='198.51.100.7 5 203.0.113.2 22'; ");
  CHECK(has(host.ok(suggest + "rewall template suggest"), "--set ssh_from=198.51.100.7\n"));
  const Host other;
  CHECK(has(other.ok(std::string(kArranged) +
                     "export SSH_CONNECTION='198.51.100.7 5 203.0.113.99 22'; rewall template suggest"),
            "--set ssh_from=?\n"));
  const Host unknown;
  unknown.ok("cp " + (host.folder() / "served.py").string() + " .");
  const auto said = unknown.ok(std::string(kArranged) +
                               "serve nginx tcp:80; python3 served.py " REWALL_PROGRAM " template suggest");
  CHECK(has(said, "template apply web-server --set web_ports=80 --set mail_ports=none --set ssh_from=?\n"));
}

TEST_CASE("suggest knows what listens for this host alone, and whose the sockets of systemd are") {
  const Host host;
  const auto said = host.ok(
      std::string(kArranged) +
      "python3 -c 'import socket, time\n"
      "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b\"lo\"); "
      "s.bind((\"0.0.0.0\", 8443)); s.listen(); open(\"ready-lo\", \"w\"); time.sleep(60)' >/dev/null & "
      "while ! test -e ready-lo; do sleep 0.02; done; serve nginx tcp:80; rewall --json template suggest");
  const auto told = json::parse(said);
  CHECK(told[0]["because"] == "tcp 80 (nginx)");
  CHECK(told[0]["values"]["web_ports"] == "80");
}

TEST_CASE("apply says which ports it opens and closes, before and after") {
  const Host host;
  host.ok(
      "ip link set lo up; ip link add eth0 type veth peer name p; ip link set p up; ip link set eth0 up; "
      "ip addr add 203.0.113.5/24 dev eth0; ip -6 addr add 2001:db8::5/64 dev eth0 nodad; "
      "iptables -P INPUT DROP; ip6tables -P INPUT DROP; iptables -A INPUT -p tcp --dport 8080 -j ACCEPT; "
      "iptables -A INPUT -p tcp --dport 443 -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; "
      "rewall -q init");
  const std::string apply =
      "template apply web-server --set mail_ports=none --set ssh_from=198.51.100.7 --keep ";
  const auto check = [](const std::string& said) {
    INFO(said);
    CHECK(has(said, "newly open to the world: tcp 80 (ip), tcp 80,443 (ip6), "));
    CHECK(has(said, "no longer open to the world: tcp 22 (ip)\n"));
    CHECK(has(said, "newly closed: tcp 8080 (ip)\n"));
  };
  check(host.ends(1, "rewall " + apply + "--dry-run"));
  const auto dry = json::parse(host.sh("rewall --json " + apply + "--dry-run").out)["ports"];
  CHECK(std::ranges::count(dry, json::parse(R"({"family":"ipv4","protocol":"tcp","ports":"22","from":"world",
                                               "to":"some"})")) == 1);
  check(host.ok("rewall " + apply));
  CHECK(json::parse(host.ok("rewall --json " + apply))["ports"] == json::array());
  CHECK(json::parse(host.ok("rewall --json undo")).count("ports") == 0);
  CHECK(json::parse(host.ok("rewall --json " + apply))["ports"] == dry);
}
