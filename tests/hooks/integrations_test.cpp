// What `rewall hooks install` makes other programs do, with those programs.
#include <filesystem>

#include "support/fail2ban.h"
#include "support/host.h"
#include "support/unpacked.h"

using namespace rewall;

namespace {

/// Puts the program under test into the PATH of what is run after it.
constexpr const char* kInPath =
    "mkdir -p bin; ln -sf " REWALL_PROGRAM " bin/rewall; export PATH=$PWD/bin:$PATH; ";

std::string last_message(const Host& host) {
  return host.ok("git -C repo log -1 --format=%B");
}

std::string snapshots(const Host& host) {
  return host.ok("git -C repo rev-list --count HEAD");
}

/// netfilter-persistent(8) of the real packages, with the test's folder before each of its paths; `start` and
/// the like are its words.
class NetfilterPersistent {
 public:
  explicit NetfilterPersistent(const Host& host) : host_(host) {
    const auto root = unpacked("netfilter-persistent", "usr/sbin/netfilter-persistent");
    host.ok(
        "rewall hooks install netfilter-persistent --root $PWD; mkdir etc/iptables; cp " +
        shell_quote(root + "usr/sbin/netfilter-persistent") + " program; cp " + shell_quote(root) +
        "usr/share/netfilter-persistent/plugins.d/[124]* usr/share/netfilter-persistent/plugins.d; sed -i "
        "\"s,/etc/iptables,$PWD&,g; s,/usr/share/netfilter-persistent,$PWD&,g; s,/etc/systemd,$PWD&,g; "
        "s,/etc/default,$PWD&,g\" program usr/share/netfilter-persistent/plugins.d/*");
  }

  std::string run(const std::string& word) const {
    return host_.ok(kInPath + ("FLUSH_ON_STOP=0 sh program " + word + " 2>&1"));
  }

  void without_iptables_persistent() const { host_.ok("rm usr/share/netfilter-persistent/plugins.d/[124]*"); }

 private:
  const Host& host_;
};

}  // namespace

TEST_CASE("what the package has is installed, and only the package removes it") {
  const Host host;
  host.ok(
      "for file in lib/systemd/system/rewall-watch.service lib/systemd/system/rewall-restore.service; do "
      "install -D " REWALL_SOURCE_DIR
      "/hooks/systemd/${file##*/} usr/$file; done; install -D " REWALL_SOURCE_DIR
      "/hooks/fail2ban/rewall.conf etc/fail2ban/action.d/rewall.conf; install -D /dev/stdin "
      "usr/share/rewall/packaged <<<$'systemd\nfail2ban'");
  const auto list = host.ok("rewall hooks list --root $PWD");
  CHECK(has(list, "systemd               packaged "));
  CHECK(has(list, "fail2ban              packaged "));
  CHECK(has(list, "netfilter-persistent  absent "));
  const auto before = host.ok("find etc usr -type f | xargs md5sum");
  const auto said = host.ends(0, "rewall hooks install systemd --root $PWD");
  CHECK(has(said, "unchanged: " + host.folder().string() + "/usr/lib/systemd/system/rewall-restore.service"));
  CHECK(has(said, "systemctl enable rewall-restore.service"));
  const auto refused = host.ends(3, "rewall hooks remove fail2ban --root $PWD");
  CHECK(has(refused, "fail2ban: its files belong to the package of rewall, and go with the package"));
  CHECK(has(host.ok("rewall hooks list --root $PWD"), "fail2ban              packaged "));  // the hint
  CHECK(host.ok("find etc usr -type f | xargs md5sum") == before);
  // A file of one's own comes before the package's, and can go again.
  host.ok("install -D " REWALL_SOURCE_DIR
          "/hooks/systemd/rewall-watch.service etc/systemd/system/rewall-watch.service");
  CHECK(has(host.ok("rewall hooks remove systemd --root $PWD"),
            "of the package: " + host.folder().string() +
                "/usr/lib/systemd/system/rewall-restore.service\n"
                "removed " +
                host.folder().string() + "/etc/systemd/system/rewall-watch.service\n"));
  CHECK(has(host.ok("rewall hooks list --root $PWD"), "systemd               packaged "));
  host.ok("echo '# mine' >>etc/fail2ban/action.d/rewall.conf");
  CHECK(has(host.ok("rewall hooks list --root $PWD"), "fail2ban              changed "));
}

TEST_CASE("an integration is installed once, and removed once") {
  const Host host;
  const auto first = host.ok("rewall hooks install systemd --root $PWD 2>said");
  const auto folder = host.folder().string();
  CHECK(first == "wrote " + folder + "/etc/systemd/system/rewall-restore.service\nwrote " + folder +
                     "/etc/systemd/system/rewall-watch.service\n");
  CHECK(has(host.ok("cat said"), "but you are running " REWALL_PROGRAM));
  CHECK(has(host.ok("cat said"),
            "next, on the host that gets these files: systemctl daemon-reload; systemctl enable --now "
            "rewall-watch.service"));
  CHECK(host.ok("head -n -1 etc/systemd/system/rewall-watch.service") ==
        host.ok("cat " REWALL_SOURCE_DIR "/hooks/systemd/rewall-watch.service"));
  const auto facts = host.ok("stat -c '%a %Y %i' etc/systemd/system/*");
  CHECK(has(facts, "644 "));
  CHECK(has(host.ok("rewall hooks install systemd --root $PWD"), "unchanged: " + folder));
  CHECK(has(host.ok("cat said"),
            "warning: the installed files work on /var/lib/rewall, not on " + host.repository()));
  CHECK_FALSE(has(host.ends(0, "rewall -C /var/lib/rewall hooks install cron --root $PWD/other"), "work on"));
  CHECK(host.ok("stat -c '%a %Y %i' etc/systemd/system/*") == facts);
  CHECK(has(host.ok("rewall hooks list --root $PWD"), "systemd               installed  services: "));
  CHECK(has(host.ok("rewall hooks --root $PWD"), "cron                  absent "));
  CHECK(has(host.ok("rewall --json hooks list --root $PWD"),
            R"({"path":")" + folder + R"(/etc/cron.d/rewall","state":"absent"})"));
  host.ok("rm etc/systemd/system/rewall-restore.service");
  CHECK(has(host.ok("rewall hooks list --root $PWD"), "systemd               partly "));
  CHECK(
      has(host.ok("rewall --json hooks remove systemd --root $PWD"), R"("state":"absent","files":[{"path")"));
  CHECK(host.ok("find etc -type f").empty());
  CHECK(has(host.ok("rewall hooks remove systemd --root $PWD"), "not found: "));
  CHECK(has(host.ends(6, "chmod 755 .; setpriv --reuid 65534 --clear-groups -- " REWALL_PROGRAM
                         " hooks install apt --root $PWD/nobody"),
            "/nobody: Permission denied\nhint: run this command as root"));
  CHECK(has(host.ends(2, "rewall hooks install crno"), "did you mean 'cron'?"));
  CHECK(has(host.ends(2, "rewall hooks install"), "hooks install needs a name"));
  CHECK(has(host.ends(2, "rewall hooks list cron"), "hooks list takes no name"));
}

TEST_CASE("what somebody changed is neither overwritten nor removed; what another version wrote is") {
  const Host host;
  host.ok("rewall hooks install cron --root $PWD; rewall hooks install systemd --root $PWD");
  host.ok("echo '# mine' >>etc/systemd/system/rewall-watch.service; cp -r etc before");
  for (const char* action : {"install", "remove"}) {
    INFO(action);
    CHECK(has(host.ends(3, std::string("rewall hooks ") + action + " systemd --root $PWD"),
              "rewall-watch.service: somebody changed it, or rewall did not install it\nhint: no file was "
              "changed"));
    host.ok("diff -r etc before");
  }
  const auto helps = [&](const std::string& command) {
    const auto said = host.ends(3, command);
    const std::string words = "delete it if nobody needs it: ";
    REQUIRE(has(said, words));
    host.ok(said.substr(said.find(words) + words.size()) + command);
  };
  CHECK(has(host.ok("rewall hooks list --root $PWD"), "systemd               changed "));
  helps("rewall hooks install systemd --root $PWD");

  host.ok("sed -i s/once/twice/ etc/cron.d/rewall");
  host.ends(3, "rewall hooks remove cron --root $PWD");
  host.ok("rm etc/cron.d/rewall; ln -s nowhere etc/cron.d/rewall");
  host.ends(3, "rewall hooks install cron --root $PWD");

  // The checksum of another text, and a copy by hand.
  for (const char* other :
       {"printf '* * * * * root true\\n# rewall hooks install cron: ac454c77afca0469\\n' >etc/cron.d/rewall",
        "cp " REWALL_SOURCE_DIR "/hooks/cron/rewall etc/cron.d"}) {
    host.ok("rm -f etc/cron.d/rewall; " + std::string(other));
    CHECK(has(host.ok("rewall hooks list --root $PWD"), "cron                  other "));
    CHECK(has(host.ok("rewall hooks install cron --root $PWD"), "wrote "));
    CHECK(has(host.ok("rewall hooks install cron --root $PWD"), "unchanged: "));
  }
}

TEST_CASE("a unit that is enabled is not removed") {
  const Host host;
  host.ok(
      "rewall hooks install systemd --root $PWD; mkdir etc/systemd/system/multi-user.target.wants; "
      "ln -s /etc/systemd/system/rewall-watch.service etc/systemd/system/multi-user.target.wants");
  const auto said = host.ends(3, "rewall hooks remove systemd --root $PWD");
  const std::string hint = "hint: disable it first: ";
  REQUIRE(has(said, "rewall-watch.service: the unit is enabled\n" + hint));
  host.ok("test -e etc/systemd/system/rewall-restore.service");
  // This machine's own unit is another one.
  const auto command = said.substr(said.find(hint) + hint.size());
  CHECK(command == "systemctl --root=" + host.folder().string() + " disable rewall-watch.service\n");
  if (host.sh("command -v systemctl").status != 0) return;
  host.ok(command + "rewall hooks remove systemd --root $PWD");
  host.ok("test ! -e etc/systemd/system/rewall-restore.service");
}

TEST_CASE("git diff shows what rules mean") {
  const Host host;
  host.ok(
      "iptables -A INPUT -p tcp --dport 22 -m state --state NEW -j ACCEPT; ip6tables -A INPUT -p tcp --dport "
      "22 "
      "-j ACCEPT; rewall init; export HOME=$PWD; rewall hooks install git-diff; test ! -e .gitconfig");
  CHECK(has(host.ok("rewall hooks list"), "git-diff              installed "));
  // A work tree that somebody edits, with nothing but another spelling.
  host.ok(
      "sed -i 's/-p tcp -m tcp --dport 22 -m state --state NEW/-m conntrack --ctstate NEW -p tcp --dport "
      "22/' repo/rules.v4; "
      "test \"$(git -C repo diff --no-textconv --stat | wc -l)\" -gt 0");
  CHECK(host.ok("git -C repo diff | grep '^[-+ ]-A' || true").empty());
  host.ok("sed -i 's/dport 22/dport 23/' repo/rules.v4 repo/rules.v6");
  const auto shown = host.ok("git -C repo diff");
  CHECK(has(shown,
            "\n--A INPUT -p tcp conntrack --ctstate NEW --dport 22 -j ACCEPT\n+-A INPUT -p tcp conntrack "
            "--ctstate NEW --dport 23 -j ACCEPT\n"));
  CHECK(has(shown, "\n--A INPUT -p tcp --dport 22 -j ACCEPT\n+-A INPUT -p tcp --dport 23 -j ACCEPT\n"));

  host.ok("git -C repo checkout -q .; iptables -A INPUT -m state --state NEW -j LOG; rewall snapshot");
  CHECK(has(host.ok("git -C repo show"), "\n+-A INPUT conntrack --ctstate NEW -j LOG; --log-level 4"));
  // Without rewall: the text.
  host.ok(
      "git -C repo config diff.rewall.textconv \"$(git -C repo config diff.rewall.textconv | sed "
      "'s,{ [^ ]* ,{ /nowhere/rewall ,')\"");
  CHECK(has(host.ok("git -C repo show"), "\n+-A INPUT -m state --state NEW -j LOG\n"));
  CHECK(has(host.ok("rewall hooks list"), "git-diff              other "));
  host.ok("git -C repo config diff.rewall.textconv cat");
  CHECK(has(host.ends(3, "rewall hooks remove git-diff"), "diff.rewall.textconv: somebody changed it"));
  const auto refused = host.ends(3, "rewall hooks install git-diff");
  const std::string words = "delete it if nobody needs it: ";
  REQUIRE(has(refused, words));
  host.ok(refused.substr(refused.find(words) + words.size()) +
          "rewall hooks install git-diff; rewall hooks remove git-diff");
  host.ok("test ! -e repo/.git/info/attributes; ! git -C repo config diff.rewall.textconv; rewall status");
}

TEST_CASE("a snapshot for a hook says so") {
  const Host host;
  host.ok("rewall init; iptables -P FORWARD DROP; rewall snapshot --hook 'before apt'");
  CHECK(last_message(host).starts_with(
      "before apt: filter/FORWARD: policy ACCEPT -> DROP\n\nRewall-Trigger: hook\n"));
  host.ok("iptables -P INPUT DROP; rewall snapshot --hook backup -m 'nightly'");
  CHECK(last_message(host).starts_with("backup: nightly\n\nRewall-Trigger: hook\n"));
  host.ends(2, "rewall snapshot --hook ''");
  host.ends(2, "rewall snapshot --hook $'a\\nRewall-Trigger: x'");
}

TEST_CASE("a real apt-get records before and after it changes packages, and never fails by it") {
  const Host host;
  if (host.sh("command -v apt-get dpkg-deb").status != 0) skip("no apt here");
  // A host of its own for apt and dpkg, and a dpkg that changes the firewall as a package's script may.
  host.ok(R"sh(
mkdir -p package/DEBIAN root/var/lib/dpkg/updates root/var/lib/dpkg/info state/lists/partial cache/archives/partial
printf 'Package: one\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: nothing\n' \
  >package/DEBIAN/control
dpkg-deb -b package one.deb >/dev/null
touch root/var/lib/dpkg/status root/var/lib/dpkg/available sources.list
rewall hooks install apt --root $PWD
printf '#!/bin/sh\ncase " $* " in *" --configure "*) iptables -A INPUT -p tcp --dport 25 -j ACCEPT ;; esac\nexec dpkg --root=%s/root --force-not-root --log=/dev/null "$@"\n' \
  $PWD >dpkg; chmod 755 dpkg
cat >apt.conf <<END
Dir::State "$PWD/state";
Dir::State::status "$PWD/root/var/lib/dpkg/status";
Dir::Cache "$PWD/cache";
Dir::Etc::sourcelist "$PWD/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "$PWD/etc/apt/apt.conf.d";
Dir::Etc::main "/dev/null";
Dir::Log "$PWD";
Dir::Bin::dpkg "$PWD/dpkg";
END
rewall init; iptables -P FORWARD DROP)sh");
  const std::string apt = "APT_CONFIG=$PWD/apt.conf apt-get -q -y ";
  const auto said = host.ok(kInPath + apt + "install ./one.deb 2>&1");
  INFO(said);
  CHECK(
      host.ok("git -C repo log --format=%s -2") ==
      "after apt: filter/INPUT: +1 tcp dport 25 ACCEPT\nbefore apt: filter/FORWARD: policy ACCEPT -> DROP\n");
  CHECK(has(last_message(host), "Rewall-Trigger: hook\n"));

  // Neither a repository that cannot be used, nor one that is locked for long, nor a rewall that is gone.
  host.ok("chmod o+w repo; iptables -P INPUT DROP; " + std::string(kInPath) + apt + "remove one");
  host.ok("chmod o-w repo; " + apt + "install ./one.deb");
  host.ok("mv repo away; " + std::string(kInPath) + apt +
          "remove one 2>&1 | tee said; ! grep -q rewall: said");
  host.ok("mv away repo; test $(git -C repo rev-list --count HEAD) = 3");
}

TEST_CASE("a real fail2ban has a snapshot made when its jail has its chains") {
  const Host host;
  host.ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init");
  const Fail2ban fail2ban(host, "rewall[name=%(__name__)s]");
  CHECK(snapshots(host) == "1\n");
  fail2ban.run("set sshd banip 203.0.113.1");
  host.ok(
      "for i in $(seq 1200); do [ $(git -C repo rev-list --count HEAD) = 1 ] || exit 0; sleep 0.05; done; "
      "cat "
      "f2b.log; exit 1");
  CHECK(has(host.ok("cat repo/rules.v4"), "-A f2b-sshd -s 203.0.113.1/32 -j REJECT"));
  const auto message = last_message(host);
  CHECK(message.starts_with("fail2ban sshd inet4: "));
  CHECK(has(message, "Rewall-Trigger: hook\n"));
  CHECK(has(message, "Rewall-Foreign: fail2ban\n"));
  fail2ban.run("set sshd banip 203.0.113.2");
  CHECK_FALSE(has(host.ok("cat f2b.log"), "ERROR"));
  CHECK(snapshots(host) == "2\n");
}

TEST_CASE("netfilter-persistent's save makes a snapshot, and iptables-persistent alone loads") {
  const Host host;
  host.ok("rewall init; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -P FORWARD DROP");
  const NetfilterPersistent program(host);
  program.run("save");
  CHECK(last_message(host).starts_with("netfilter-persistent save: "));
  CHECK(has(host.ok("cat etc/iptables/rules.v4"), "--dport 22"));

  // What is in its files is older than HEAD, and it is they that are loaded.
  host.ok("iptables -A INPUT -p tcp --dport 80 -j ACCEPT; rewall snapshot; iptables -F");
  CHECK(has(program.run("start"), "rewall: nothing done: iptables-persistent loads /"));
  CHECK(has(host.rules(), "--dport 22"));
  CHECK_FALSE(has(host.rules(), "--dport 80"));
  CHECK(snapshots(host) == "3\n");

  // Where they are kept like HEAD, HEAD is what it loads.
  host.ok(
      "rewall config export.path $PWD/etc/iptables; rewall restore HEAD; iptables -F; ip6tables -P FORWARD "
      "ACCEPT");
  program.run("start");
  CHECK(has(host.ok("rewall status"), "matches HEAD"));

  host.ok("iptables -A INPUT -p tcp --dport 443 -j ACCEPT");
  program.run("flush");
  CHECK_FALSE(has(host.rules(), "--dport"));
  CHECK(has(host.ok("cat repo/rules.v4"), "--dport 443"));
  CHECK(last_message(host).starts_with("before netfilter-persistent flush: "));
}

TEST_CASE("without iptables-persistent, rewall's plugin of netfilter-persistent loads and flushes") {
  const Host host;
  host.ok(
      "ipset create a hash:ip; ipset add a 192.0.2.1; iptables -A INPUT -m set --match-set a src -j DROP; "
      "ip6tables -P FORWARD DROP; rewall init");
  const NetfilterPersistent program(host);
  program.without_iptables_persistent();
  const auto rules = host.rules();
  program.run("flush");
  CHECK_FALSE(has(host.rules(), "-A INPUT"));
  CHECK(host.ok("ipset list -n").empty());
  CHECK(has(host.ok("ip6tables-save"), ":FORWARD ACCEPT"));
  host.ok("rewall undo; iptables -F; ip6tables -P FORWARD ACCEPT");
  program.run("start");
  CHECK(host.rules() == rules);
  CHECK(has(host.ok("ip6tables-save"), ":FORWARD DROP"));

  // A host that has no history yet is left alone, and not locked down.
  host.ok("mv repo away; iptables -F");
  CHECK(has(program.run("start"), "rewall: nothing done: no repository"));
  CHECK_FALSE(has(host.rules(), "-A "));
  host.ok("mv away repo");

  // Where the service loads at boot, this does not.
  host.ok(
      "iptables -F; mkdir -p etc/systemd/system/sysinit.target.wants; "
      "touch etc/systemd/system/sysinit.target.wants/rewall-restore.service");
  CHECK(has(program.run("start"), "rewall: nothing done: rewall-restore.service puts the firewall in force"));
  CHECK_FALSE(has(host.rules(), "-A INPUT"));
}

TEST_CASE("cron's line records what changed") {
  const Host host;
  host.ok("rewall init; rewall hooks install cron --root $PWD");
  const std::string line =
      std::string(kInPath) +
      "sed -n 's,^\\* \\* \\* \\* \\* root ,,p' etc/cron.d/rewall | sed \"s,/var/lib/rewall,$PWD/repo,\" "
      ">line; sh -e line";
  CHECK(host.ok(line).empty());
  CHECK(snapshots(host) == "1\n");
  host.ok("iptables -P FORWARD DROP");
  CHECK(host.ok(line).empty());
  CHECK(snapshots(host) == "2\n");
}

TEST_CASE("a fail2ban that bans by nft goes on through restores") {
  const Host host;
  host.ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init");
  const Fail2ban fail2ban(host, "", "nftables");
  fail2ban.run("set sshd banip 192.0.2.66");
  host.ok("rewall snapshot");
  CHECK(has(host.ok("cat repo/rules.nft"), "192.0.2.66"));
  CHECK(has(host.ok("git -C repo log -1 --format=%B"), "Rewall-Foreign: fail2ban"));
  fail2ban.run("set sshd banip 192.0.2.67");
  host.ok("iptables -A INPUT -j LOG; rewall restore HEAD");
  CHECK(has(host.ok("nft list ruleset"), "192.0.2.67"));
  CHECK_FALSE(has(host.rules(), "LOG"));
  fail2ban.run("set sshd unbanip 192.0.2.67");
  CHECK_FALSE(has(host.ok("nft list ruleset"), "192.0.2.67"));
  fail2ban.run("set sshd banip 192.0.2.68");
  host.ok("rewall restore --exact HEAD~1");
  CHECK_FALSE(has(host.ok("nft list ruleset"), "192.0.2.68"));
  CHECK(has(host.ok("nft list ruleset"), "192.0.2.66"));
  fail2ban.run("set sshd unbanip 192.0.2.66");
  CHECK_FALSE(has(host.ok("nft list ruleset"), "192.0.2.66"));
}
