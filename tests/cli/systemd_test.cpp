// The guard and the boot unit under a real systemd: the service manager of a process namespace of its own,
// with no units but those of this test.
#include "host.h"

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

/// False, and said, where no systemd can be started: a container that may not mount.
bool can_start(const Host& host) {
  host.ok("install -m 755 /dev/stdin init <<'END'\n" + std::string(kInit) + "END\n");
  const auto tried = host.sh(with_manager("systemctl is-system-running"));
  if (tried.status == 0) return true;
  WARN("skipped: no systemd here: " << host.ok("cat init.log"));
  return false;
}

}  // namespace

TEST_CASE("under systemd the guard is a service that is started again when it is killed") {
  const Host host;
  if (!can_start(host)) return;
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
systemctl list-units --all --no-legend 'rewall-guard-*.timer' | wc -l
)sh"));
  CHECK(host.rules() == before);
  CHECK(has(said, "system.slice/rewall-guard-"));
  CHECK(said.ends_with("\n0\n"));
  CHECK(has(host.ok("git -C repo log -1"), "Rewall-Trigger: rollback"));
}

TEST_CASE("under systemd confirm ends the guard's units") {
  const Host host;
  if (!can_start(host)) return;
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

TEST_CASE("the boot unit puts HEAD in force, hardened as it is") {
  const Host host;
  if (!can_start(host)) return;
  host.load_guide_firewall();
  host.ok(
      "ipset create allowed hash:ip; ipset add allowed 192.0.2.1; ip6tables -P FORWARD DROP; "
      "iptables -A INPUT -m set --match-set allowed src -j ACCEPT");
  const auto all = "iptables-save; ip6tables-save; ipset save";
  const std::string clean = " | sed -e '/^#/d' -e 's/\\[[0-9]*:[0-9]*\\]/[0:0]/'";
  const auto before = host.ok("(" + std::string(all) + ")" + clean);
  host.ok(
      "rewall -q init; iptables -F; iptables -P INPUT ACCEPT; ip6tables -P FORWARD ACCEPT; ipset destroy");
  const auto said = host.ok(
      with_manager(R"sh(
sed -e "s|^ExecStart=rewall|ExecStart=)sh" +
                   std::string(REWALL_PROGRAM) +
                   R"sh( -C $PWD/repo|" -e "s|/var/lib/rewall|$PWD/repo|g" \
  )sh" REWALL_SOURCE_DIR
                   R"sh(/hooks/systemd/rewall-restore.service >/etc/systemd/system/rewall-restore.service
systemctl daemon-reload
systemctl start rewall-restore.service || systemctl status rewall-restore.service
systemctl is-active rewall-restore.service
)sh"));
  INFO(said);
  CHECK(said.ends_with("active\n"));
  CHECK(host.ok("(" + std::string(all) + ")" + clean) == before);
  CHECK(host.ok("git -C repo rev-list --count HEAD") == "1\n");
}
