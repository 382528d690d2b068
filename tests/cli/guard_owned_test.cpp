// Tables that a process owns (nft's `flags owner`): the kernel lets nobody else change them. Whatever puts a
// ruleset in force leaves them alone, says so, and does all the rest.
#include <nlohmann/json.hpp>

#include "support/guarded_host.h"

using namespace rewall;

namespace {

constexpr const char* kTable =
    "nft 'add table inet fw; add chain inet fw c { type filter hook input priority 0; }'";

/// A table that neither iptables nor nft can say whole.
constexpr const char* kUnreadable =
    "nft delete table ip6 filter || :; nft add table ip6 filter; nft add chain ip6 filter INPUT '{ type "
    "filter "
    "hook input priority 0; policy drop; }'; nft add rule ip6 filter INPUT tcp dport '{ 22, 80 }' accept; "
    "ip6tables -A INPUT -m recent --set || :";

/// A host with a table of nft in its history. `./own COMMANDS` starts a process that owns the table which
/// these commands of nft make, and waits until it is there.
class HostWithOwner : public GuardedHost {
 public:
  HostWithOwner() : GuardedHost(kTable) {
    ok("install -m 755 /dev/stdin own <<'END'\n#!/bin/bash\nrm -f in; mkfifo in\n"
       "setsid sleep 1000 >in </dev/null 2>/dev/null &\necho $! >owner.pids\n"
       "HOME=$PWD setsid nft -i <in >owner.log 2>&1 &\necho $! >>owner.pids\nprintf '%s\\n' \"$@\" >in\n"
       "for ((i = 0; i < 200; ++i)); do nft list ruleset | grep -q 'flags owner' && exit 0; sleep 0.05; "
       "done\n"
       "cat owner.log; nft list tables; exit 1\nEND\n");
  }
  /// `title` is "inet fw".
  void own(const std::string& title, const std::string& more = "") const {
    ok("nft delete table " + title + " || :; ./own 'add table " + title + " { flags owner; }' " + more);
  }
  void end_owner() const {
    ok("kill $(cat owner.pids)");
    until("! nft list ruleset | grep -q 'flags owner'");
  }
  std::string owner() const { return std::string(trim(ok("tail -n 1 owner.pids"))); }
  bool owned(const std::string& title) const { return has(sh("nft list table " + title).out, "flags owner"); }
};

/// Everything but the table ip filter.
std::string without_filter(std::string live) {
  const auto begin = live.find("iptables-nft-save\n");
  const auto at = live.find("*filter\n", begin);
  const auto end = live.find("COMMIT\n", at);
  if (at < live.find("ip6tables-nft-save\n")) live.erase(at, end + 7 - at);
  return live;
}

}  // namespace

TEST_CASE("a table that a process owns keeps no guard from putting all else back") {
  const HostWithOwner host;
  const auto before = host.live();
  host.ok("rewall try --yes --for 10m -- ./break");
  host.own("inet fw");
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  CHECK(host.owned("inet fw"));
  const auto said = host.ends(3, "rewall rollback");
  CHECK(has(said, "fired"));
  CHECK(has(said, "the old ruleset (snapshot " + host.hash("old").substr(0, 10) +
                      "), but for table inet fw, which process nft (" + host.owner() +
                      ") owns, was put in force"));
}

TEST_CASE("rollback, restore, undo and a boot leave a table alone that a process owns, and name both") {
  const HostWithOwner host;
  const auto before = host.live();
  host.ok("rewall try --yes --for 10m -- ./break");
  host.own("inet fw");
  const std::string left = "table inet fw, which process nft (" + host.owner() + ") owns, is left as it is\n";
  const auto back = host.ends(0, "rewall rollback");
  CHECK(has(back, left));
  CHECK(host.live() == before);
  CHECK(has(host.ends(0, "rewall restore open"), left));
  CHECK(has(host.ends(1, "rewall restore --dry-run old"), left));
  CHECK(has(host.ends(0, "rewall undo"), "reverted") == false);
  CHECK(host.live() == before);
  CHECK(has(host.ends(0, "rewall restore --boot"), "is in force"));
  CHECK(host.live() == before);
  CHECK(host.owned("inet fw"));
  // A second guard can be armed beside it, and fires.
  host.ok("rewall restore --yes --for 10m open");
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  const auto refused = host.ends(3, "rewall restore --table 'inet fw' old");
  CHECK(has(refused,
            "table inet fw, which process nft (" + host.owner() + ") owns: nobody else can change it"));
  CHECK(has(refused, "end that process first"));
  host.end_owner();
  host.ok("rewall restore --table 'inet fw' old");
  CHECK(has(host.ok("nft list table inet fw"), "chain c"));
}

TEST_CASE("what is in force is not called as wanted where a process owns a table of iptables") {
  const HostWithOwner host;
  const auto before = host.live();
  const std::string chain =
      "'add chain ip filter INPUT { type filter hook input priority 0; policy drop; }' 'add rule ip filter "
      "INPUT "
      "ip saddr 192.0.2.9 accept'";
  host.ok("rewall try --yes --for 10m -- ./break");
  host.own("ip filter", chain);
  const std::string table = "table ip filter, which process nft (" + host.owner() + ") owns";
  CHECK(has(host.sh("rewall status").err, "table ip filter goes with the process that owns it"));
  const auto filter = host.ok("nft list table ip filter");
  const auto back = host.ends(9, "rewall rollback");
  CHECK(has(back, table + ", is left as it is"));
  CHECK(has(back, "what is in force is not as wanted: " + table));
  CHECK(has(back, "end that process: its table goes with it"));
  CHECK_FALSE(host.armed());
  CHECK(without_filter(host.live()) == without_filter(before));
  CHECK(host.ok("nft list table ip filter") == filter);
  // What is in force is recorded.
  CHECK(host.ok("rewall status | sed -n 's/^LIVE *//p'") == "matches HEAD\n");
  // The kernel is told no lie about, and JSON has one answer.
  const auto json = nlohmann::json::parse(host.sh("rewall --json restore old").out);
  CHECK(json["error"]["code"] == 9);
  CHECK(json["error"]["live"] == "untouched");
  CHECK(has(host.ends(9, "rewall restore open"), table));
  CHECK(has(host.ends(3, "rewall restore --table filter old"), "nobody else can change it"));
  // A guard and a boot.
  host.ok("rewall restore old || :; rewall try --yes --for 10m -- ip6tables -P FORWARD ACCEPT");
  host.end_owner();
  host.own("ip filter", chain + " 'add rule ip filter INPUT ip saddr 192.0.2.10 accept'");
  host.time_is_up();
  host.until_gone();
  CHECK(without_filter(host.live()) == without_filter(before));
  CHECK(has(host.ends(3, "rewall rollback"),
            ", but for table ip filter, which process nft (" + host.owner() + ") owns, was put in force"));
  host.end_owner();
  host.ok("rewall restore old");
  CHECK(host.live() == before);
}

TEST_CASE("a boot with a table of iptables that a process owns puts the rest in force, and fails loudly") {
  const HostWithOwner host;
  const auto before = host.live();
  host.ok("./break");
  host.own("ip filter", "'add chain ip filter mine'");
  const auto said = host.ends(9, "rewall restore --boot");
  CHECK(has(said, "but for table ip filter, which process nft (" + host.owner() + ") owns, is in force"));
  CHECK(without_filter(host.live()) == without_filter(before));
  CHECK(host.owned("ip filter"));
}

TEST_CASE("a guard fires past a table that a process owns where LIVE cannot be read either") {
  const HostWithOwner host;
  const auto before = host.live();
  host.ok("rewall try --yes --for 10m -- ./break");
  host.own("inet fw");
  host.ok(kUnreadable);
  host.ends(8, "rewall snapshot");
  host.time_is_up();
  host.until_gone();
  CHECK(host.live() == before);
  CHECK(host.owned("inet fw"));
}

TEST_CASE("rollback that cannot read LIVE says too what a process owns") {
  const HostWithOwner host;
  const auto before = host.live();
  host.ok("rewall try --yes --for 10m -- ./break");
  host.own("ip filter", "'add chain ip filter mine'");
  host.ok(kUnreadable);
  host.ends(8, "rewall snapshot");
  CHECK(has(host.ends(9, "rewall rollback"), "what is in force is not as wanted: table ip filter"));
  CHECK(without_filter(host.live()) == without_filter(before));
  CHECK_FALSE(host.armed());
}
