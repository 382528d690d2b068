// Who may read what rewall writes, whatever the umask of whoever starts it.
#include "support/host.h"

namespace rewall {
namespace {

/// What is not 0700 (a folder), 0600 (a file) or 0400 or 0444 (an object), as `MODE PATH`.
std::string others_may(const Host& host, const std::string& folder) {
  return host.ok("find " + folder +
                 " -printf '%m %p\\n' | grep -v '^[76]00 ' | grep -v '^4[04]* .*/objects/' || true");
}

}  // namespace

TEST_CASE("a repository is its owner's alone, whatever the umask") {
  const Host host;
  host.load_guide_firewall();
  const std::string mask = GENERATE("000", "022", "077", "0777");
  INFO(mask);
  const auto under = [&](const std::string& line) { host.ok("umask " + mask + "; " + line); };
  under(
      "rewall init -q; rewall config lock.wait 20s; rewall tag good; iptables -A INPUT -j LOG; rewall "
      "snapshot");
  under("rewall remote add origin $PWD/far; rewall checkout HEAD -o out");
  under("iptables -D INPUT -j LOG; rewall watch --once; rewall restore -q good; rewall gc");
  under("rewall try --for 1s --yes -- iptables -F");
  host.until("! test -e repo/.git/rewall/guard && git -C repo log -1 | grep -q 'Trigger: rollback'");
  CHECK(others_may(host, "repo") == "");
  CHECK(others_may(host, "out") == "");
}

TEST_CASE("what a person starts has the person's umask") {
  const Host host;
  host.ok("rewall init -q");
  CHECK(has(host.ok("umask 027; rewall try --for 1h --yes -- sh -c 'umask; : >made'; rewall -q confirm"),
            "0027\n"));
  CHECK(host.ok("stat -c %a made") == "640\n");
}

TEST_CASE("an integration is readable for the programs that it is for, whatever the umask") {
  const Host host;
  host.ok(
      "umask 077; for i in systemd netfilter-persistent fail2ban cron; do rewall hooks install $i --root "
      "$PWD/root; done");
  CHECK(host.ok("find root -type d ! -perm 755; find root -type f ! -perm 644 ! -perm 755") == "");
}

}  // namespace rewall
