// notify.command, with real programs: what they get, and what becomes of those that fail.
#include "support/host.h"

using namespace rewall;

namespace {

/// A program that keeps what it was given in `told/HASH`: its words, its variables, its input.
constexpr const char* kTold = R"sh(
mkdir -p told
install -m 755 /dev/stdin tell <<'END'
#!/bin/sh
to=${0%/*}/told/$REWALL_HASH
{ printf '<%s>\n' "$@"; env | grep ^REWALL_ | sort; cat; } >"$to.new"
mv "$to.new" "$to"
END
rewall config notify.command "$PWD/tell"
)sh";

constexpr const char* kToldOfHead = "test -e told/$(git -C repo rev-parse HEAD)";

std::string told_of_head(const Host& host) {
  host.until(kToldOfHead, "ls told; cat repo/.git/rewall/notices* repo/.git/rewall/notified");
  return host.ok("cat told/$(git -C repo rev-parse HEAD)");
}

}  // namespace

TEST_CASE("notify.command gets each change, with who made it, without a shell") {
  const Host host;
  host.ok("rewall init");
  host.ok(kTold);
  host.ok(R"(rewall config notify.command "$PWD/tell -s 'fire wall' \$(touch x) \"it's\"")");
  host.ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot -m 'ssh; `touch x`'");
  const auto told = told_of_head(host);
  const auto head = host.ok("git -C repo rev-parse HEAD");
  CHECK(told.starts_with("<-s>\n<fire wall>\n<$(touch>\n<x)>\n<it's>\n"));
  for (const auto& line : {"REWALL_AUTHOR=root\n", "REWALL_EVENT=notify\n", "REWALL_SUBJECT=ssh; `touch x`\n",
                           "REWALL_TRIGGER=manual\n", "  + 1     -p tcp --dport 22 -j ACCEPT\n"})
    CHECK(has(told, line));
  CHECK(has(told, "REWALL_HASH=" + head));
  CHECK(has(told, "REWALL_FROM=" + host.ok("git -C repo rev-parse HEAD~1")));
  CHECK(has(told, "REWALL_HOST=" + host.ok("git -C repo branch --show-current | sed s,hosts/,,")));
  CHECK(has(told, "REWALL_REPO=" + host.repository() + "\n"));
  host.ok("test ! -e x");

  // Every change of LIVE by rewall, and the way back of a guard.
  host.ok("rewall undo");
  CHECK(has(told_of_head(host), "REWALL_TRIGGER=undo\n"));
  host.ok("rewall try --for 1h -- iptables -P FORWARD DROP; rewall rollback");
  CHECK(has(told_of_head(host), "REWALL_TRIGGER=rollback\n"));
  // What changed nothing is no news.
  host.ok("rewall snapshot --allow-empty -m empty; test ! -e repo/.git/rewall/notices");
  host.ok(
      "rewall config --unset notify.command; iptables -F; rewall snapshot; "
      "test ! -e repo/.git/rewall/notices");
}

TEST_CASE("a program of notify.command that fails delays and fails nothing, and status says so once") {
  const Host host;
  host.ok(
      "rewall init; rewall config hooks.deadline 1s; printf '#!/bin/sh\\necho no mail today >&2; exit 7\\n' "
      ">fails; "
      "printf '#!/bin/sh\\nsleep 3600\\n' >sleeps; cp sleeps open; chmod 755 fails sleeps; chmod 777 open");
  const auto fails_with = [&](const std::string& program, const std::string& says) {
    host.ok("rewall config notify.command $PWD/" + program +
            "; rewall config notify.command >/dev/null; "
            "iptables -N " +
            program + "; timeout 60 " REWALL_PROGRAM " snapshot");
    const auto hash = host.ok("git -C repo rev-parse HEAD");
    host.until(
        "rewall --json status | grep '\"notify_failed\":{[^}]*\"hash\":\"'$(git -C repo rev-parse HEAD)",
        "rewall --json status");
    const auto status = host.ok("rewall status");
    CHECK(has(status, "for snapshot " + hash.substr(0, 10) + ": notify.command: " + says));
    CHECK(has(status, "\nnotify   failed "));
  };
  fails_with("fails", "exit status 7: no mail today");
  fails_with("sleeps", "gave no answer within 1 s");
  fails_with("nothing", host.folder().string() + "/nothing: ");
  fails_with("open", host.folder().string() + "/open: ");
  // It is told of the next one; nobody is asked again for those that failed.
  host.ok(kTold);
  host.ok("iptables -P FORWARD DROP; rewall snapshot");
  told_of_head(host);
  host.until("rewall --json status | grep '\"notify_failed\":null'");
  CHECK(host.ok("ls told | wc -l") == "1\n");
  CHECK_FALSE(has(host.ok("rewall status"), "notify"));
}

TEST_CASE("changes of other programs alone are told together, once a day") {
  const Host host;
  host.ok("rewall init");
  host.ok(kTold);
  host.ok("iptables -N f2b-sshd; rewall snapshot");
  const auto first = told_of_head(host);
  CHECK(has(first, "REWALL_TRIGGER=foreign\n"));
  CHECK(has(first, "REWALL_AUTHOR=fail2ban\n"));
  CHECK(has(first, "REWALL_SUBJECT=fail2ban: 1 change in 1 snapshot\n"));
  host.ok(
      "iptables -A f2b-sshd -s 192.0.2.1 -j REJECT; rewall snapshot; "
      "iptables -A f2b-sshd -s 192.0.2.2 -j REJECT; rewall snapshot");
  // A change by a person between is told at once.
  host.ok("iptables -P FORWARD DROP; rewall snapshot");
  CHECK(has(told_of_head(host), "FORWARD  policy ACCEPT -> DROP"));
  host.ok("iptables -A f2b-sshd -s 192.0.2.3 -j REJECT; rewall snapshot");
  host.until("grep 'foreign-count 3' repo/.git/rewall/notified");
  CHECK(host.ok("ls told | wc -l") == "2\n");
  host.ok(
      "sed -i \"s/^foreign-told .*/foreign-told $(($(date +%s) - 86400))/\" repo/.git/rewall/notified; "
      "rewall status");
  const auto later = told_of_head(host);
  CHECK(has(later, "REWALL_SUBJECT=fail2ban: 3 changes in 3 snapshots\n"));
  CHECK_FALSE(has(later, "FORWARD"));
  CHECK(has(host.ok("rewall log -1 --all"), "f2b"));
}

TEST_CASE("who waits to push tells of changes meanwhile") {
  const Host host;
  host.ok("rewall init --remote $PWD/nowhere.git; rewall config push.auto true");
  host.ok(kTold);
  host.ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall snapshot");
  told_of_head(host);
  host.until("grep '^tries' repo/.git/rewall/push");
  host.ok("iptables -A INPUT -p tcp --dport 80 -j ACCEPT; rewall snapshot");
  CHECK(has(told_of_head(host), "--dport 80"));
}

TEST_CASE("a notify.command that cannot be run is refused where it is set") {
  const Host host;
  host.ok("rewall init");
  CHECK(has(host.ends(2, "rewall config notify.command 'mail root'"),
            "notify.command: 'mail' is not an absolute path"));
  CHECK(has(host.ends(2, "rewall config notify.command '/usr/bin/mail -s \"fire wall'"),
            "has a quote that does not close"));
  host.ok("rewall config notify.command ''");
}
