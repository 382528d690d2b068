// The guard and the boot unit under a real systemd: the service manager of a process namespace of its own,
// with no units but those of this test.
#include "support/host.h"

using namespace rewall;

namespace {

/// Becomes process 1. The machine's own units, generators and /run are out of its sight.
constexpr const char* kInit = R"sh(#!/bin/bash -e
units=/usr/lib/systemd/system
for place in /run /etc/systemd/system $units /usr/lib/systemd/system-generators; do
  mount -t tmpfs tmpfs $place
done
mount -t cgroup2 none /sys/fs/cgroup
for name in basic sysinit shutdown local-fs network-pre test; do
  printf '[Unit]\nDefaultDependencies=no\n' >$units/$name.target
done
export container=rewall-test
exec /lib/systemd/systemd --system --unit=test.target --log-target=null --show-status=no
)sh";

/// Starts it, in `manager` the words that run something inside, and takes it down at the end of the shell.
constexpr const char* kStart = R"sh(
unshare --fork --pid --mount --mount-proc --uts --ipc --cgroup ./init </dev/null >init.log 2>&1 &
outer=$!
trap 'kill -9 $manager_pid' EXIT
for i in $(seq 300); do
  manager_pid=$(pgrep -P $outer || true)
  [ -z "$manager_pid" ] || ! manager systemctl is-system-running 2>/dev/null | grep -q running || break
  sleep 0.1
done
)sh";

std::string with_manager(const std::string& script) {
  return "manager() { nsenter -t $manager_pid -m -p -u -i -C -- \"$@\"; }\n" + std::string(kStart) +
         "cat >inside <<'END'\nset -e\nexport REWALL_REPO=$PWD/repo\nrewall() { " +
         shell_quote(REWALL_PROGRAM) +
         " \"$@\"; }\nuntil_gone() { for i in $(seq 1200); do [ -e $1 ] || return 0; sleep 0.05; done; "
         "return "
         "1; }\n" +
         script + "\nEND\nmanager bash -c 'cd '$PWD'; bash inside'";
}

/// Skips the test case where no systemd can be started: a container that may not mount.
void needs_systemd(const Host& host) {
  host.ok("install -m 755 /dev/stdin init <<'END'\n" + std::string(kInit) + "END\n");
  const auto tried = host.sh(with_manager("systemctl is-system-running"));
  if (tried.status != 0) skip("no systemd here: " + host.ok("cat init.log"));
}

}  // namespace

TEST_CASE("under systemd the guard is a service that is started again when it is killed") {
  const Host host;
  needs_systemd(host);
  host.load_guide_firewall();
  const auto before = host.rules();
  const auto said = host.ok(with_manager(R"sh(
rewall -q init
rewall -q try --for 15s -- iptables -F
main() { systemctl show -p MainPID --value 'rewall-guard-*.service'; }
first=$(main)
kill -9 $first
for i in $(seq 200); do again=$(main); [ "${again:-0}" -gt 0 ] && [ $again != $first ] && break; sleep 0.05; done
test $again -gt 0 -a $again != $first
cat /proc/$again/cgroup
until_gone repo/.git/rewall/guard
for i in $(seq 100); do timers=$(systemctl list-units --all --no-legend 'rewall-guard-*.timer' | wc -l); [ $timers != 0 ] || break; sleep 0.05; done
echo timers: $timers
)sh"));
  CHECK(host.rules() == before);
  CHECK(has(said, "system.slice/rewall-guard-"));
  CHECK(has(said, "timers: 0"));
  CHECK(has(host.ok("git -C repo log -1"), "Rewall-Trigger: rollback"));
}

TEST_CASE("under systemd confirm ends the guard's units") {
  const Host host;
  needs_systemd(host);
  host.ok(with_manager(R"sh(
rewall -q init
rewall -q try --for 1h -- iptables -P FORWARD DROP
test "$(systemctl list-units --no-legend 'rewall-guard-*' | wc -l)" = 2
rewall -q confirm
for i in $(seq 100); do [ "$(systemctl list-units --all --no-legend 'rewall-guard-*' | wc -l)" != 0 ] || exit 0; sleep 0.05; done
exit 1
)sh"));
  CHECK(has(host.rules(), ":FORWARD DROP"));
}

TEST_CASE("under systemd nobody sees the proxy of the background, and git has it") {
  const Host host;
  needs_systemd(host);
  host.ok(
      "mkdir bin; printf '#!/bin/sh\\nprintf \"%%s\\\\n\" \"$@\" >>'$PWD'/words; exec /usr/bin/systemd-run "
      "\"$@\"\\n' "
      ">bin/systemd-run; printf '#!/bin/sh\\nprintenv https_proxy >'$PWD'/seen.new; mv '$PWD'/seen.new "
      "'$PWD'/seen; sleep 5\\n' "
      ">ssh; chmod +x bin/* ssh");
  const auto said = host.ok(with_manager(R"sh(
export PATH=$PWD/bin:$PATH
export https_proxy='http://me:se"c`r$e\t d@host'
rewall -q init --remote ssh://host/f.git
git -C repo config core.sshCommand $PWD/ssh
rewall config push.auto true
rewall -q try --for 1h -- iptables -P FORWARD DROP
for i in $(seq 100); do [ ! -e seen ] || break; sleep 0.05; done
systemctl show '*' >shown
cat /proc/[0-9]*/cmdline >>shown
rewall -q confirm
cat seen
grep -c 'packs what rewall recorded' shown
grep -c 'puts the old firewall back' shown
grep -cF 'd@host' shown words || true
ls repo/.git/rewall
)sh"));
  INFO(said);
  CHECK(has(said, "\nhttp://me:se\"c`r$e\\t d@host\n1\n1\nshown:0\nwords:0\n"));
  CHECK_FALSE(has(said, "environment"));
}

TEST_CASE("the boot unit puts HEAD in force, hardened as it is") {
  const Host host;
  needs_systemd(host);
  host.load_guide_firewall();
  host.ok(
      "ipset create allowed hash:ip; ipset add allowed 192.0.2.1; ip6tables -P FORWARD DROP; "
      "iptables -A INPUT -m set --match-set allowed src -j ACCEPT");
  const auto all = "iptables-save; ip6tables-save; ipset save";
  const std::string clean = " | sed -e '/^#/d' -e 's/\\[[0-9]*:[0-9]*\\]/[0:0]/'";
  const auto before = host.ok("(" + std::string(all) + ")" + clean);
  host.ok(
      "ssh-keygen -q -t ed25519 -f key -N ''; mkdir boot; rewall -q init -c sign.key=$PWD/key -c "
      "export.path=$PWD/boot; iptables-legacy -A INPUT -s 192.0.2.9 -j DROP; rewall -q snapshot; rm boot/*; "
      "iptables-legacy -F; iptables -F; iptables -P INPUT ACCEPT; ip6tables -P FORWARD ACCEPT; ipset "
      "destroy; "
      "iptables -A OUTPUT -j LOG");
  const auto said = host.ok(
      with_manager(R"sh(
sed -e "s|^ExecStart=rewall|Environment=ASAN_OPTIONS=detect_leaks=0\nStandardError=append:$PWD/boot/said\nExecStart=)sh" +
                   std::string(REWALL_PROGRAM) +
                   R"sh( -C $PWD/repo|" -e "s|/var/lib/rewall|$PWD/repo|g" -e "s|-/etc/iptables|$PWD/boot|" \
  )sh" REWALL_SOURCE_DIR
                   R"sh(/hooks/systemd/rewall-restore.service >/etc/systemd/system/rewall-restore.service
systemctl daemon-reload
systemctl start rewall-restore.service || cat boot/said
systemctl is-active rewall-restore.service
)sh"));
  INFO(said);
  CHECK(said.ends_with("active\n"));
  CHECK(host.ok("(" + std::string(all) + ")" + clean) == before);
  CHECK(has(host.ok("iptables-legacy-save"), "192.0.2.9"));
  CHECK(has(host.ok("git -C repo log -1 --format=%B"), "Rewall-Trigger: boot\n"));
  // Every snapshot is signed, also that of what was there before the boot; and the export follows.
  CHECK(
      host.ok("for c in $(git -C repo rev-list HEAD); do git -C repo cat-file commit $c | grep -c '^gpgsig'; "
              "done | sort -u") == "1\n");
  CHECK(has(host.ok("cat boot/rules.v4 boot/ipsets"), "192.0.2.1"));
}

TEST_CASE("the watching unit records what changes, hardened as it is") {
  const Host host;
  needs_systemd(host);
  host.ok(
      "ipset create allowed hash:ip; iptables-nft -t raw -A PREROUTING -m set --match-set allowed src -j "
      "ACCEPT; "
      "iptables-legacy -A INPUT -s 192.0.2.1 -j DROP; ip6tables-legacy -A INPUT -s 2001:db8::1 -j DROP; "
      "mkdir boot metrics");
  // This test's files are in /tmp, and a search for leaks needs ptrace(2).
  const auto said = host.ok(
      with_manager(R"sh(
mount -t tmpfs -o mode=700 tmpfs /root
mkdir -m 700 /root/.ssh
ssh-keygen -q -t ed25519 -f /root/.ssh/key -N ''
printf 'me@example.org %s\n' "$(cat /root/.ssh/key.pub)" >allowed
rewall -q init -c sign.key=/root/.ssh/key -c sign.allowed=$PWD/allowed -c watch.metrics=$PWD/metrics/rewall.prom
rewall config export.path $PWD/boot
rewall config watch.poll 200ms
rewall doctor | grep signing
sed -e "s|^PrivateTmp.*|StandardError=append:$PWD/errors\nEnvironment=ASAN_OPTIONS=detect_leaks=0\nReadWritePaths=/tmp|" \
  -e "s|-/var/lib/prometheus/node-exporter|$PWD/metrics|" \
  -e "s|^ExecStart=rewall|ExecStart=)sh" +
                   std::string(REWALL_PROGRAM) +
                   R"sh( -C $PWD/repo|" -e "s|-/etc/iptables|$PWD/boot|" -e "s|/var/lib/rewall|$PWD/repo|g" \
  )sh" REWALL_SOURCE_DIR
                   R"sh(/hooks/systemd/rewall-watch.service >/etc/systemd/system/rewall-watch.service
systemctl daemon-reload
systemctl start rewall-watch.service || cat errors
systemctl reload rewall-watch.service
ipset add allowed 192.0.2.3
iptables-legacy -A INPUT -s 192.0.2.2 -j DROP
iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT
for i in $(seq 200); do
  grep -q 'dport 22' repo/rules.v4 && grep -q 192.0.2.2 repo/rules.v4.legacy && grep -q 192.0.2.3 boot/ipsets && break
  sleep 0.05
done
nft add rule ip filter INPUT meta pkttype broadcast counter drop
for i in $(seq 200); do grep -q pkttype repo/rules.nft && break; sleep 0.05; done
systemctl stop rewall-watch.service
cat errors
rewall verify
systemctl show -p Result -p NRestarts rewall-watch.service
)sh"));
  INFO(said);
  CHECK(has(said, "\nResult=success\n"));
  CHECK(has(said, "NRestarts=0\n"));
  CHECK(has(host.ok("cat repo/rules.nft"), "tcp dport 22"));
  CHECK(has(host.ok("cat repo/rules.nft"), "pkttype"));
  CHECK(has(host.ok("cat repo/rules.v4.legacy"), "192.0.2.2"));
  CHECK(has(host.ok("cat repo/rules.v6.legacy"), "2001:db8::1"));
  CHECK(has(host.ok("cat boot/ipsets"), "192.0.2.3"));
  CHECK(has(host.ok("git -C repo log"), "Rewall-Trigger: watch"));
  // With the key of root's home, into the file of the metrics, and with a scratch namespace for what nft
  // made.
  CHECK(has(said, "ok   signing     a service can sign snapshots"));
  CHECK_FALSE(has(said, "NOT SIGNED"));
  CHECK_FALSE(has(said, ": not signed"));
  CHECK(has(host.ok("cat metrics/rewall.prom"), "rewall_watch_snapshots_total"));
  CHECK_FALSE(has(said, "no scratch network namespace"));
}

TEST_CASE("netfilter-persistent.service is not started where the boot unit is enabled") {
  const Host host;
  needs_systemd(host);
  const auto said = host.ok(with_manager(
      R"sh(
cp )sh" REWALL_SOURCE_DIR R"sh(/hooks/systemd/rewall-restore.service /etc/systemd/system
mkdir /etc/systemd/system/netfilter-persistent.service.d
cp )sh" REWALL_SOURCE_DIR
      R"sh(/hooks/netfilter-persistent/rewall.conf /etc/systemd/system/netfilter-persistent.service.d
printf '[Service]\nType=oneshot\nExecStart=touch %s/loaded\n' $PWD >/etc/systemd/system/netfilter-persistent.service
for action in enable disable; do
  systemctl -q $action rewall-restore.service 2>&1
  systemctl daemon-reload
  systemctl start netfilter-persistent.service
  test -e loaded && echo loaded || echo none
done
)sh"));
  INFO(said);
  CHECK(said.ends_with("none\nloaded\n"));
}
