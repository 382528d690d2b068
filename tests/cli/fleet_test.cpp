#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <ctime>
#include <fstream>
#include <map>
#include <string>

#include "core/format.h"
#include "support/host.h"

using namespace rewall;

namespace {

constexpr std::int64_t kDay = 86400;

std::string filter(const std::string& lines) {
  return "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n" + lines + "COMMIT\n";
}

struct Fixture {
  std::map<std::string, std::string> files{};  ///< "rules.v4"; "120000 ipset" for another mode
  std::int64_t age = 0;                        ///< seconds
  std::string subject = "as it is";
  std::string author = "alice <alice@example.org>";
};

/// A repository of a host "base" with branches of others, which git makes.
class Fleet {
 public:
  Fleet() {
    host.ok(
        "git init -q -b hosts/base repo && chmod -R go-rwx repo && mkdir -m 700 repo/.git/rewall &&"
        "git -C repo -c user.name=a -c user.email=b commit -q --allow-empty -m none &&"
        "git -C repo update-ref -d refs/heads/hosts/base");
  }

  /// Puts a snapshot on top of refs/BRANCH.
  void add(const std::string& branch, const Fixture& fixture) {
    const auto seconds = std::time(nullptr) - fixture.age;
    const auto data = [](const std::string& text) { return format("data {}\n{}\n", text.size(), text); };
    std::string stream = format("commit refs/{}\nauthor {} {} +0000\ncommitter rewall <rewall@x> {} +0000\n",
                                branch, fixture.author, seconds, seconds);
    stream += data(fixture.subject + "\n\nRewall-Trigger: manual\nRewall-Backend: nft\n");
    if (!host.sh(format("git -C repo rev-parse -q --verify refs/{}", branch)).out.empty())
      stream += format("from refs/{}^0\ndeleteall\n", branch);
    for (const auto& [name, text] : fixture.files) {
      const auto blank = name.find(' ');
      const bool plain = blank == std::string::npos;
      stream += format("M {} inline {}\n", plain ? "100644" : name.substr(0, blank),
                       plain ? name : name.substr(blank + 1)) +
                data(text);
    }
    write("stream", stream);
    host.ok("git -C repo fast-import --quiet <stream && chmod -R go-rwx repo");
  }

  void add_rules(const std::string& name, const std::string& rules) {
    add("remotes/origin/hosts/" + name, {.files = {{"rules.v4", filter(rules)}}});
  }

  void write(const std::string& file, const std::string& text) const {
    std::ofstream(host.folder() / file) << text;
  }

  /// A Python expression over the answer `a`.
  std::string json(int status, const std::string& words, const std::string& expression) const {
    write("ask.py", "import json,sys\na = json.load(sys.stdin)\nprint(" + expression + ")\n");
    return host.ends(status,
                     "rewall --json fleet " + words + " >answer; s=$?; python3 ask.py <answer; exit $s");
  }

  /// `fleet status` in words: "web1=1 web2=2d" (d: differs, s: stale, u: unreachable), "-" for unreadable.
  std::string groups(int status, const std::string& words = "") const {
    return json(status, "status " + words,
                "' '.join(h['host'] + '=' + str(h['group'] or '-') + 'd' * h['differs'] + 's' * h['stale'] + "
                "'u' * (h['unreachable'] is not None) for h in a['hosts'])");
  }

  Host host{};
};

const std::string kSsh = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n";
const std::string kWeb = "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n";

}  // namespace

TEST_CASE("fleet list has one line a host, of the branch that counts") {
  Fleet fleet;
  fleet.add("heads/hosts/base", {.files = {{"rules.v4", filter(kSsh)}}, .subject = "ours"});
  fleet.add("remotes/origin/hosts/base", {.subject = "ours, as it was pushed"});
  fleet.add("remotes/alpha/hosts/web1", {.subject = "of alpha"});
  fleet.add("remotes/origin/hosts/web1", {.age = 2 * 3600 + 60, .subject = "of origin"});
  fleet.add("remotes/beta/hosts/web2", {.subject = "of beta"});
  fleet.add("remotes/alpha/hosts/web2", {.subject = "of alpha"});
  fleet.add("heads/hosts/web2", {.subject = "of nobody"});
  fleet.add("heads/hosts/web3", {.subject = "local"});
  fleet.add("remotes/origin/other", {.subject = "no host"});
  CHECK(fleet.json(0, "list", "[[h['host'], h['remote'], h['subject']] for h in a]") ==
        "[['base', None, 'ours'], ['web1', 'origin', 'of origin'], ['web2', 'alpha', 'of alpha'], "
        "['web3', None, 'local']]\n");
  CHECK(fleet.json(0, "list web1", "a[0]['author'], a[0]['hash']") ==
        "alice <alice@example.org> " +
            std::string(trim(fleet.host.ok("git -C repo rev-parse origin/hosts/web1"))) + "\n");
  CHECK(fleet.host.ok("rewall fleet list web1") ==
        "web1  2 hours ago     alice         origin    of origin\n");
  CHECK(fleet.host.ok("rewall fleet | cut -d' ' -f1") == "base\nweb1\nweb2\nweb3\n");
  CHECK(has(fleet.host.ends(2, "rewall fleet list wob1"),
            "host 'wob1': no branch in this repository\nhint: did you mean 'web1'?"));
  CHECK(has(fleet.host.ends(2, "rewall fleet list --stale 1d"), "fleet list takes no --stale"));

  // What others write reaches no terminal as a command.
  fleet.add("remotes/origin/hosts/evil", {.subject = "\x1b]0;owned\x07", .author = "\x1b[31mred <r@x>"});
  const auto lines = fleet.host.ok("rewall fleet list evil; rewall fleet log evil");
  CHECK(lines.find('\x1b') == std::string::npos);
  CHECK(has(lines, "\\x1b]0;owned\\x07"));
}

TEST_CASE("fleet status puts hosts together whose rules mean the same") {
  Fleet fleet;
  fleet.add_rules("web1", kSsh + kWeb);
  // Another spelling, another comment, chains that the kernel makes anyway.
  fleet.add_rules("web2",
                  "-A INPUT -p 6 --destination-port ssh -m comment --comment here -j ACCEPT\n" + kWeb);
  fleet.add("remotes/origin/hosts/web3",
            {.files = {{"rules.v4", filter(kSsh + kWeb) + "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"},
                       {"rules.v6", ""}}});
  CHECK(fleet.groups(0) == "web1=1 web2=1 web3=1\n");
  CHECK(fleet.host.ok("rewall fleet status") ==
        "group 1, the majority: 3 identical hosts (web1, web2, web3)\n");

  fleet.add_rules("web0", kWeb + kSsh);
  fleet.add_rules("web4", kSsh);
  fleet.add_rules("web5", kSsh);
  CHECK(fleet.groups(1) == "web0=3d web1=1 web2=1 web3=1 web4=2d web5=2d\n");
  CHECK(fleet.host.ends(1, "rewall fleet status") ==
        "group 1, the majority: 3 identical hosts (web1, web2, web3)\n"
        "group 2: 2 identical hosts (web4, web5)\n1 host differs from every other\n"
        "web0  differs\nweb4  differs (group 2)\nweb5  differs (group 2)\n");
  CHECK(fleet.json(1, "status", "a['groups'], a['baseline']") ==
        "[{'group': 1, 'hosts': 3, 'example': 'web1'}, {'group': 2, 'hosts': 2, 'example': 'web4'}, "
        "{'group': 3, 'hosts': 1, 'example': 'web0'}] None\n");
  CHECK(fleet.groups(1, "--against web5") == "web0=3d web1=1d web2=1d web3=1d web4=2 web5=2\n");
  CHECK(fleet.json(1, "status --against web5", "a['baseline']") == "web5\n");
  CHECK(has(fleet.host.ends(1, "rewall fleet status --against web5"),
            "group 2, the baseline web5: 2 identical hosts (web4, web5)\n"));
  CHECK(has(fleet.host.ends(2, "rewall fleet status --against web"), "hint: did you mean 'web"));

  // Of a chain alone.
  fleet.add_rules("web0", ":ours - [0:0]\n" + kWeb + kSsh + "-A OUTPUT -j ours\n");
  CHECK(fleet.groups(0, "--chain FORWARD") == "web0=1 web1=1 web2=1 web3=1 web4=1 web5=1\n");
  CHECK(fleet.groups(1, "--chain OUTPUT") == "web0=2d web1=1 web2=1 web3=1 web4=1 web5=1\n");
  CHECK(fleet.groups(1, "--chain ours") == "web0=2d web1=1 web2=1 web3=1 web4=1 web5=1\n");
  CHECK(has(fleet.host.ends(2, "rewall fleet status --chain our"),
            "chain 'our': not found on any host\nhint: did you mean 'ours'?"));
}

TEST_CASE("fleet status compares sets, and leaves out what other programs own") {
  Fleet fleet;
  const auto with_set = [&](const std::string& host, const std::string& sets, const std::string& rules) {
    fleet.add("remotes/origin/hosts/" + host, {.files = {{"rules.v4", filter(rules)}, {"ipset", sets}}});
  };
  const std::string rule = "-A INPUT -m set --match-set friends src -j ACCEPT\n";
  with_set("a", "create friends hash:ip hashsize 1024\nadd friends 192.0.2.1\nadd friends 192.0.2.2\n", rule);
  with_set("b", "create friends hash:ip hashsize 4096\nadd friends 192.0.2.2\nadd friends 192.0.2.1\n", rule);
  with_set("c", "create friends hash:ip hashsize 1024\nadd friends 192.0.2.1\n", rule);
  CHECK(fleet.groups(1) == "a=1 b=1 c=2d\n");
  CHECK(fleet.groups(0, "--chain INPUT") == "a=1 b=1 c=1\n");

  const std::string bans = "create f2b-web hash:ip\nadd f2b-web 203.0.113.5\n";
  with_set(
      "c", "create friends hash:ip\nadd friends 192.0.2.1\nadd friends 192.0.2.2\n" + bans,
      ":f2b-sshd - [0:0]\n-A INPUT -p tcp -j f2b-sshd\n-A INPUT -m set --match-set f2b-web src -j DROP\n" +
          rule + "-A f2b-sshd -s 203.0.113.9/32 -j REJECT\n");
  CHECK(fleet.groups(0) == "a=1 b=1 c=1\n");
  CHECK(fleet.groups(1, "--foreign") == "a=1 b=1 c=2d\n");
  CHECK(fleet.host.ok("rewall fleet diff a c").empty());
  CHECK(fleet.host.ends(1, "rewall fleet diff --foreign a c") ==
        "ip filter INPUT\n"
        "  + 1     -p tcp -j f2b-sshd\n"
        "  + 2     -m set --match-set f2b-web src -j DROP\n"
        "\n"
        "ip filter f2b-sshd  chain added\n"
        "  + 1     -s 203.0.113.9/32 -j REJECT\n"
        "\n"
        "set f2b-web  set added  create f2b-web hash:ip\n"
        "  + 203.0.113.5\n");
  CHECK(fleet.json(1, "diff --foreign a c", "[c['foreign'] for c in a['changes']]") ==
        "['fail2ban', 'fail2ban', 'fail2ban', 'fail2ban', 'fail2ban']\n");
}

TEST_CASE(
    "fleet status tells of hosts that are stale, unreachable or unreadable, and of the others all the same") {
  Fleet fleet;
  const auto add = [&](const std::string& host, Fixture fixture) {
    if (fixture.files.empty()) fixture.files = {{"rules.v4", filter(kSsh)}};
    fleet.add("remotes/" + host, fixture);
  };
  add("origin/hosts/new", {.age = 29 * kDay});
  add("origin/hosts/old", {.age = 31 * kDay});
  CHECK(fleet.groups(1) == "new=1 old=1s\n");
  CHECK(fleet.host.ends(1, "rewall fleet status") ==
        "group 1, the majority: 2 identical hosts (new, old)\nold  stale (1 month ago)\n");
  CHECK(fleet.groups(0, "--stale 40d") == "new=1 old=1\n");
  CHECK(fleet.groups(1, "--stale 28d") == "new=1s old=1s\n");
  fleet.host.ok("rewall config fleet.stale 32d");
  CHECK(fleet.groups(0) == "new=1 old=1\n");
  CHECK(has(fleet.host.ends(2, "rewall config fleet.stale soon"), "'soon' is not a length of time"));

  add("backup/hosts/far", {});
  CHECK(fleet.groups(0) == "far=1 new=1 old=1\n");
  fleet.write("repo/.git/rewall/fetched",
              "origin 1700000300 1700000200 was away\nbackup 1700000100 1700000200 ssh: no \x1b[1mroute\n");
  CHECK(fleet.groups(1) == "far=1u new=1 old=1\n");
  CHECK(fleet.json(1, "status", "[h['unreachable'] for h in a['hosts']]") ==
        "['ssh: no \\x1b[1mroute', None, None]\n");
  CHECK(fleet.host.ends(1, "rewall fleet status") ==
        "group 1, the majority: 3 identical hosts (far, new, old)\nfar  unreachable (backup)\n"
        "remote backup: unreachable at the last fetch: ssh: no \\x1b[1mroute\n");
  fleet.write("repo/.git/rewall/fetched", "backup 1700000300 1700000200 was away\nno numbers\n");
  CHECK(fleet.groups(0) == "far=1 new=1 old=1\n");

  add("origin/hosts/bad-folder", {.files = {{"rules.v4/x", "x"}}});
  // Its content is that of the good ones: a name in their place.
  add("origin/hosts/bad-link", {.files = {{"120000 rules.v4", filter(kSsh)}}});
  add("origin/hosts/bad-text", {.files = {{"rules.v4", "*filter\nhello \x1b[1m\n"}}});
  add("origin/hosts/lost", {.files = {{"rules.v4", filter(kSsh) + "# lost\n"}}});
  add("origin/hosts/lost-commit", {.subject = "of its own"});
  // Loose, these objects can be taken away.
  fleet.host.ok(
      "cd repo; mv .git/objects/pack/*.pack .. && rm -f .git/objects/pack/*; for p in ../*.pack; do git "
      "unpack-objects -q <$p; done; chmod -R go-rwx .;"
      "lose() { rm -f .git/objects/$(echo $1 | sed 's|^..|&/|'); };"
      "lose $(git rev-parse origin/hosts/lost:rules.v4); lose $(git rev-parse origin/hosts/lost-commit)");
  CHECK(fleet.groups(1) == "bad-folder=- bad-link=- bad-text=- far=1 lost=- lost-commit=- new=1 old=1\n");
  const auto text = fleet.host.ends(1, "rewall fleet status");
  CHECK(has(text, "bad-folder   unreadable: snapshot "));
  CHECK(has(text, ": rules.v4: not a plain file\n"));
  CHECK(has(text, ":rules.v4:2: "));
  CHECK(has(text, "missing or damaged"));
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(fleet.json(1, "status", "[h['time'] is None for h in a['hosts'] if h['host'].startswith('lost')]") ==
        "[False, True]\n");
  CHECK(fleet.json(0, "list lost-commit", "a[0]['time'], a[0]['unreadable'] is None") == "None False\n");
  CHECK(has(fleet.host.ends(5, "rewall fleet status --against lost"), "host 'lost': snapshot "));
  CHECK(has(fleet.host.ends(5, "rewall fleet diff new bad-link"), "host 'bad-link': snapshot "));
  CHECK(fleet.json(1, "diff --against new", "[[d['to'], d['equal'], d['unreadable'] is None] for d in a]") ==
        "[['bad-folder', False, False], ['bad-link', False, False], ['bad-text', False, False], "
        "['lost', False, False], ['lost-commit', False, False]]\n");
  CHECK(has(fleet.host.ok("rewall fleet log 2>&1"), "host 'lost-commit': snapshot "));
  CHECK(fleet.host.ok("rewall fleet log 2>/dev/null | wc -l") == "7\n");
}

TEST_CASE("fleet diff shows two hosts as diff shows two revisions") {
  Fleet fleet;
  const std::string jump = ":f2b-sshd - [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j f2b-sshd\n";
  fleet.add_rules("web1", jump + kSsh + kWeb);
  fleet.add_rules("web2", kSsh + "-A INPUT -p tcp -m tcp --dport 8443 -j ACCEPT\n-A FORWARD -j LOG\n");
  fleet.add_rules("web3", kSsh + kWeb);
  fleet.add_rules("web4", kSsh + kWeb + "-A INPUT -i lo -j ACCEPT\n");
  // Positions are those among all rules of the chain: fail2ban's jump is the first of web1.
  const std::string differs =
      "ip filter INPUT\n  ~ 2     -p tcp --dport {443 -> 8443} -j ACCEPT\n"
      "\nip filter FORWARD\n  + 1     -j LOG\n";
  CHECK(fleet.host.ends(1, "rewall fleet diff web1 web2") == differs);
  CHECK(fleet.json(1, "diff web1 web2",
                   "a['from'], a['to'], a['equal'], [[c['kind'], c['from_pos'], c['to_pos']] for c in "
                   "a['changes']]") == "web1 web2 False [['changed', 3, 2], ['added', None, 1]]\n");
  CHECK(fleet.json(1, "diff web2 web1", "[[c['kind'], c['from_pos'], c['to_pos']] for c in a['changes']]") ==
        "[['changed', 2, 3], ['removed', 1, None]]\n");
  CHECK(fleet.host.ok("rewall fleet diff web1 web3").empty());
  CHECK(fleet.json(0, "diff web3 web1", "a['equal'], a['changes']") == "True []\n");
  CHECK(fleet.host.ends(1, "rewall fleet diff --chain FORWARD web1 web2") ==
        "ip filter FORWARD\n  + 1     -j LOG\n");

  CHECK(fleet.host.ends(1, "rewall fleet diff --against web1") ==
        "--- web1 -> web2\n" + differs + "\n--- web1 -> web4\nip filter INPUT\n  + 3     -i lo -j ACCEPT\n");
  CHECK(fleet.host.ends(1, "rewall fleet diff --against web1 web3 web4") ==
        "--- web1 -> web4\nip filter INPUT\n  + 3     -i lo -j ACCEPT\n");
  CHECK(fleet.host.ok("rewall fleet diff --against web1 web3 web1").empty());
  CHECK(fleet.json(1, "diff --against web1", "[[d['from'], d['to'], d['summary']] for d in a]") ==
        "[['web1', 'web2', {'added': 1, 'changed': 1}], ['web1', 'web4', {'added': 1}]]\n");
  CHECK(fleet.json(0, "diff --against web1 web3", "a") == "[]\n");

  CHECK(has(fleet.host.ends(2, "rewall fleet diff web1"), "fleet diff needs two hosts"));
  CHECK(has(fleet.host.ends(2, "rewall fleet diff web1 web22"), "hint: did you mean 'web2'?"));
  CHECK(has(fleet.host.ends(2, "rewall fleet diff --against wib1"), "hint: did you mean 'web1'?"));
  CHECK(fleet.json(2, "diff --against web1 --chain INPUTT", "a['error']['hint']") ==
        "did you mean 'INPUT'?\n");
}

TEST_CASE("fleet diff knows a chain under its new name, and where its rules stood") {
  Fleet fleet;
  const std::string ban = "-A INPUT -j f2b-sshd\n";
  fleet.add_rules(
      "a",
      ":f2b-sshd - [0:0]\n:old - [0:0]\n-A old -j f2b-sshd\n-A old -s 10.0.0.1/32 -j DROP\n-A old -s "
      "10.0.0.2/32 -j DROP\n-A old -s 10.0.0.3/32 -j DROP\n");
  fleet.add_rules("b", ":new - [0:0]\n-A new -s 10.0.0.1/32 -j DROP\n-A new -s 10.0.0.2/32 -j DROP\n");
  CHECK(fleet.host.ends(1, "rewall fleet diff a b") ==
        "ip filter new  chain renamed from old\n  - 4     -s 10.0.0.3/32 -j DROP\n");
}

TEST_CASE("fleet log is one line of time") {
  Fleet fleet;
  const auto add = [&](const std::string& host, std::int64_t age, const std::string& subject,
                       const std::string& rules, const std::string& author = "alice <alice@x>") {
    fleet.add("remotes/origin/hosts/" + host,
              {.files = {{"rules.v4", filter(rules)}}, .age = age, .subject = subject, .author = author});
  };
  add("a", 50 * 3600, "a1", "");
  add("b", 40 * 3600, "b1", "");
  add("a", 30 * 3600, "a2", kSsh);
  add("a", 20 * 3600, "a3", kSsh + "-A FORWARD -j LOG\n", "bob <bob@x>");
  add("b", 10 * 3600, "b2", kWeb);
  const auto log = [&](const std::string& words) {
    return fleet.json(0, "log " + words, "' '.join(e['host'] + ':' + e['subject'] for e in a)");
  };
  CHECK(log("") == "b:b2 a:a3 a:a2 b:b1 a:a1\n");
  CHECK(log("-n 2") == "b:b2 a:a3\n");
  CHECK(log("-n 0") == "\n");
  CHECK(log("a") == "a:a3 a:a2 a:a1\n");
  CHECK(log("b a -n 3") == "b:b2 a:a3 a:a2\n");
  // The first of each brought the policy.
  CHECK(log("--chain INPUT") == "b:b2 a:a2 b:b1 a:a1\n");
  CHECK(log("--since '35 hours ago' --until '15 hours ago'") == "a:a3 a:a2\n");
  CHECK(log("--author bob") == "a:a3\n");
  CHECK(log("--grep '^A[12]'") == "a:a2 a:a1\n");
  CHECK(fleet.json(0, "log -n 1", "a[0]['summary'], a[0]['trigger'], a[0]['author']") ==
        "{'added': 1} manual alice <alice@x>\n");
  CHECK(fleet.host.ok("rewall fleet log | sed -E 's/[0-9a-f]{10}/HASH/; s/ +/ /g'") ==
        "b HASH 10 hours ago alice manual b2\na HASH 20 hours ago bob manual a3\n"
        "a HASH 1 day ago alice manual a2\nb HASH 1 day ago alice manual b1\n"
        "a HASH 2 days ago alice manual a1\n");
  CHECK(has(fleet.host.ends(2, "rewall fleet log c"), "host 'c': no branch in this repository"));
  CHECK(has(fleet.host.ends(2, "rewall fleet log --since sometime"), "sometime"));
}

TEST_CASE("hosts with one policy for addresses of their own are one group") {
  Fleet fleet;
  const auto add = [&](const std::string& host, const std::string& v4, const std::string& v6) {
    fleet.add(
        "remotes/origin/hosts/" + host,
        {.files = {{"rules.v4", filter("-A INPUT -d " + v4 + "/32 -j ACCEPT\n")},
                   {"rules.v6", filter("-A INPUT -d " + v6 + "/128 -j ACCEPT\n")},
                   {"ipset", "create us hash:ip family inet\nadd us " + v4 + "\nadd us 192.0.2.99\n"}}});
  };
  add("web1", "10.0.0.1", "2001:db8::1");
  add("web2", "10.0.0.10", "2001:db8::10");
  add("web3", "10.0.0.3", "2001:db8::3");
  CHECK(fleet.groups(1) == "web1=1 web2=2d web3=3d\n");

  fleet.write("vars",
              "# the web servers\nweb1 SELF=10.0.0.1,2001:db8::1 # both families\n\nweb2\tSELF=10.0.0.10\n"
              "web2 SELF=2001:db8:0::10\nweb3  SELF=10.0.0.3,2001:db8::3\nweb4 SELF=10.0.0.4\n");
  fleet.host.ok("rewall config fleet.vars $PWD/vars");
  CHECK(fleet.groups(0) == "web1=1 web2=1 web3=1\n");
  CHECK(fleet.host.ok("rewall fleet diff web1 web2").empty());

  // 10.0.0.1 is no part of 10.0.0.10; what is left over is shown with the name.
  add("web3", "10.0.0.10", "2001:db8::3");
  CHECK(fleet.groups(1) == "web1=1 web2=1 web3=2d\n");
  CHECK(fleet.host.ends(1, "rewall fleet diff web1 web3") ==
        "ip filter INPUT\n  ~ 1     -d {$SELF -> 10.0.0.10/32} -j ACCEPT\n"
        "\nset us\n  - $SELF\n  + 10.0.0.10\n");
  add("web3", "10.0.0.3", "2001:db8::3");

  // One without the name is compared as it is.
  fleet.write("vars", "web1 SELF=10.0.0.1,2001:db8::1\nweb2 SELF=10.0.0.10,2001:db8::10\n");
  CHECK(fleet.groups(1) == "web1=1 web2=1 web3=2d\n");

  fleet.write("vars", "web1 SELF=10.0.0.1\nweb2 SELF=10.0.0.256\n");
  CHECK(
      has(fleet.host.ends(2, "rewall fleet status"), "/vars:2: '10.0.0.256' is not an address or a network"));
  fleet.write("vars", "web1 10.0.0.1\n");
  CHECK(has(fleet.host.ends(2, "rewall fleet diff web1 web2"), "/vars:1: '10.0.0.1' is not NAME=VALUE"));
  CHECK(fleet.host.ok("rewall fleet list | wc -l") == "3\n");
  fleet.host.ok("chmod o+w vars");
  CHECK(has(fleet.host.ends(3, "rewall fleet status"), "vars: users other than root can write to it"));
  fleet.host.ok("rm vars");
  CHECK(has(fleet.host.ends(2, "rewall fleet status"), "fleet.vars: "));
  CHECK(has(fleet.host.ends(2, "rewall config fleet.vars vars"), "'vars' is not an absolute path"));
}
