#include "kernel/table_loader.h"

#include <chrono>

#include "kernel/nftables.h"
#include "rules/parse.h"
#include "rules/rules_file.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

Tables tables_of(const std::string& text, Family family = Family::ipv4) {
  auto tables = parse_tables(text, family, "rules");
  INFO((tables ? "" : tables.error().message));
  REQUIRE(tables);
  return *std::move(tables);
}

Ruleset ruleset_of(Backend backend, const std::string& v4) {
  return {.v4 = tables_of(v4), .backend = backend};
}

Sets sets_of(const std::string& text) {
  auto sets = parse_sets(text, "ipset");
  REQUIRE(sets);
  return *std::move(sets);
}

Backend both() {
  return GENERATE(Backend::nft, Backend::legacy);
}

std::string program(Backend backend, const std::string& action) {
  return "iptables-" + std::string(name(backend)) + "-" + action;
}

/// iptables-save -c without its comments, the table that is named or all.
std::string counted(Backend backend, const std::string& table = {}) {
  return saved("/usr/sbin/" + program(backend, "save") + " -c" + (table.empty() ? "" : " -t " + table));
}

void put(Backend backend, const std::string& text) {
  shell("/usr/sbin/" + program(backend, "restore"), text);
}

/// Datagrams of one byte, 29 with their headers, over lo.
std::string send(int port, int times = 1) {
  return "for i in $(seq " + std::to_string(times) + "); do bash -c 'printf x >/dev/udp/127.0.0.1/" +
         std::to_string(port) + "' || true; done 2>/dev/null\n";
}

/// What is to be loaded table by table: on nft as where no namespace can be made, on legacy after staging
/// too.
struct Prepared {
  Ruleset live{};
  Staged staged{};

  Result<Loaded> load(std::chrono::milliseconds deadline = std::chrono::minutes{2}) const {
    return host_firewall(deadline)->load(staged, live, read_generation());
  }
};

Prepared prepared(const Ruleset& wanted) {
  Prepared all{.live = captured().ruleset, .staged = {.ruleset = wanted}};
  if (wanted.backend == Backend::nft || GENERATE(true, false)) return all;
  auto staged = host_firewall()->stage(wanted, &all.live);
  INFO((staged ? "" : staged.error().message));
  REQUIRE(staged);
  all.staged = *std::move(staged);
  return all;
}

void must_load(const Prepared& prepared) {
  const auto loaded = prepared.load();
  INFO((loaded ? "" : loaded.error().message));
  REQUIRE(loaded);
}

/// The host's programs, where iptables-restore keeps its input in `in` and the names of the tables in `log`,
/// and does as `script` says before it does its work.
class Watched {
 public:
  Watched(Backend backend, const std::string& script) {
    for (const char* name : {"iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save",
                             "ip6tables-legacy-save", "iptables-nft", "iptables-legacy", "iptables", "ipset"})
      path_.link(name);
    const std::string folder = path_.folder().string();
    path_.script(program(backend, "restore"), "cd " + folder + R"(
cat >in
table=$(sed -n 's/^\*//p' in)
echo "$table" >>log
work() { /usr/sbin/)" + program(backend, "restore") +
                                                  R"( "$@" <in; }
)" + script + "\nwork \"$@\"");
  }
  std::string log() const { return shell("cat " + (path_.folder() / "log").string()); }

 private:
  OnlyPath path_{};
};

const std::string kNew = "-m comment --comment new";

}  // namespace

TEST_CASE("rules that stay keep their counters, and so do chains") {
  const Backend backend = both();
  in_lab([&] {
    shell("ip link set lo up");
    put(backend,
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:own - [0:0]\n"
        "-A INPUT -p udp -m udp --dport 9\n-A INPUT -p udp -m udp --dport 10\n-A INPUT -p udp -j own\n"
        "-A INPUT -p udp -m udp --dport 9\n-A own -p udp -m udp --dport 9 -j DROP\n"
        "-A OUTPUT -p udp -j ACCEPT\nCOMMIT\n");
    shell(send(9, 3) + send(10, 2));
    // The two datagrams to port 10 are answered by ICMP, of 57 bytes, which the policies take.
    REQUIRE(counted(backend) ==
            "*filter\n:INPUT ACCEPT [4:172]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [2:114]\n:own - [0:0]\n"
            "[3:87] -A INPUT -p udp -m udp --dport 9\n[2:58] -A INPUT -p udp -m udp --dport 10\n"
            "[5:145] -A INPUT -p udp -j own\n[0:0] -A INPUT -p udp -m udp --dport 9\n"
            "[5:145] -A OUTPUT -p udp -j ACCEPT\n[3:87] -A own -p udp -m udp --dport 9 -j DROP\nCOMMIT\n");
    must_load(prepared(
        ruleset_of(backend,
                   "*filter\n:INPUT ACCEPT [8:8]\n:OUTPUT DROP [0:0]\n:own - [0:0]\n:more - [0:0]\n"
                   "-A INPUT -j more\n[9:9] -A INPUT -p udp -m udp --dport 10\n-A INPUT -p udp -j own\n"
                   "-A INPUT -p udp -m udp --dport 9\n-A more -p tcp\n"
                   "-A own -p udp -m udp --dport 9 -j DROP\n-A OUTPUT -p udp -j ACCEPT\nCOMMIT\n")));
    CHECK(counted(backend) ==
          "*filter\n:INPUT ACCEPT [4:172]\n:FORWARD ACCEPT [0:0]\n:OUTPUT DROP [2:114]\n:more - [0:0]\n"
          ":own - [0:0]\n[0:0] -A INPUT -j more\n[2:58] -A INPUT -p udp -m udp --dport 10\n"
          "[5:145] -A INPUT -p udp -j own\n[0:0] -A INPUT -p udp -m udp --dport 9\n"
          "[5:145] -A OUTPUT -p udp -j ACCEPT\n[0:0] -A more -p tcp\n"
          "[3:87] -A own -p udp -m udp --dport 9 -j DROP\nCOMMIT\n");
  });
}

TEST_CASE("counters outlast a set that changes its type") {
  const Backend backend = both();
  in_lab([&] {
    shell("ip link set lo up; ipset create s hash:net; ipset add s 127.0.0.0/8");
    put(backend,
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A INPUT -m set --match-set s src -j DROP\n-A OUTPUT -p udp -j ACCEPT\nCOMMIT\n");
    const auto live = captured().ruleset;
    shell(send(9, 3));
    const std::string before = counted(backend);
    REQUIRE(before.find("[3:87] -A INPUT -m set --match-set s src -j DROP\n") != std::string::npos);
    Ruleset wanted = live;
    wanted.sets = sets_of("create s hash:ip family inet hashsize 1024 maxelem 65536\nadd s 192.0.2.1\n");
    must_load(prepared(wanted));
    CHECK(counted(backend) == before);
    CHECK(shell("ipset save").find("create s hash:ip ") == 0);
  });
}

TEST_CASE("tables that only become stricter are loaded first and those that only become looser last") {
  const Backend backend = both();
  in_lab([&] {
    put(backend,
        "*raw\n-A PREROUTING -s 192.0.2.1/32 -j DROP\nCOMMIT\n*mangle\n-A FORWARD -j MARK --set-xmark 0x1/"
        "0xffffffff\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n");
    const auto change = prepared(
        ruleset_of(backend,
                   "*raw\n-A OUTPUT -j LOG\nCOMMIT\n*mangle\n-A FORWARD -j MARK --set-xmark 0x2/0xffffffff\n"
                   "COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\nCOMMIT\n"
                   "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n"));
    const Watched programs(backend, "");
    must_load(change);
    CHECK(programs.log() == "filter\nmangle\nnat\nraw\n");
  });
}

TEST_CASE("a table whose rules name a set that changes its type is in the middle") {
  const Backend backend = both();
  in_lab([&] {
    shell("ipset create s hash:net; ipset add s 10.0.0.0/8");
    put(backend, "*filter\n-A INPUT -m set --match-set s src -j DROP\nCOMMIT\n");
    Ruleset wanted = ruleset_of(
        backend,
        "*raw\n-A OUTPUT -j CT --notrack\nCOMMIT\n*filter\n-A INPUT -m set --match-set s src -j DROP\n"
        "-A INPUT -p tcp -j DROP\nCOMMIT\n");
    wanted.sets = sets_of("create s hash:ip family inet\n");
    const auto change = prepared(wanted);
    const Watched programs(backend, "");
    must_load(change);
    CHECK(programs.log() == "raw\nfilter\nfilter\n");
  });
}

TEST_CASE("no packet that the old and the new state drop is accepted between two tables") {
  const Backend backend = both();
  in_lab([&] {
    shell("ip link set lo up");
    // What the filter table lets through is counted behind it; that table does not change.
    const std::string counting =
        "*security\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 9\n-A INPUT -p udp -m udp --dport "
        "10\n"
        "COMMIT\n";
    const std::string in_raw = counting +
                               "*raw\n-A PREROUTING -p udp -m udp --dport 9 -j DROP\nCOMMIT\n"
                               "*mangle\n-A FORWARD -j MARK --set-xmark 0x1/0xffffffff\nCOMMIT\n";
    const std::string in_filter = counting + "*filter\n-A INPUT -p udp -m udp --dport 9 -j DROP\nCOMMIT\n";
    const bool there = GENERATE(true, false);
    put(backend, there ? in_raw : in_filter);
    const auto change = prepared(ruleset_of(backend, there ? in_filter : in_raw));
    const Watched programs(backend, "work \"$@\"\n" + send(9) + send(10) + "exit 0");
    must_load(change);
    CHECK(programs.log() == (there ? "filter\nmangle\nraw\n" : "raw\nmangle\nfilter\n"));
    const std::string seen = counted(backend, "security");
    CHECK(seen.find("[0:0] -A INPUT -p udp -m udp --dport 9\n") != std::string::npos);
    CHECK(seen.find("[3:87] -A INPUT -p udp -m udp --dport 10\n") != std::string::npos);
  });
}

TEST_CASE("after a refused table those before it are put back, last first, with their counters") {
  const Backend backend = both();
  in_lab([&] {
    shell("ip link set lo up; ipset create s hash:ip; ipset add s 192.0.2.1 ");
    put(backend,
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 10 -j ACCEPT\n-A INPUT -j "
        "DROP\nCOMMIT\n"
        "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j ACCEPT\nCOMMIT\n"
        "*raw\n-A PREROUTING -p udp -m udp --dport 11 -j DROP\nCOMMIT\n");
    shell(send(9, 2) + send(10, 3) + send(11, 4));
    const std::string before = counted(backend);
    const std::string sets = shell("ipset save");
    REQUIRE(before.find("[4:116] -A PREROUTING") != std::string::npos);
    Ruleset wanted = ruleset_of(
        backend, "*raw\n-A PREROUTING -p udp -m udp --dport 11 -j DROP\n-A PREROUTING -p tcp -j DROP " +
                     kNew + "\nCOMMIT\n*mangle\n-A INPUT -j DROP " + kNew +
                     "\nCOMMIT\n*nat\n-A OUTPUT -p tcp -j ACCEPT " + kNew +
                     "\n-A OUTPUT -j REDIRECT\nCOMMIT\n*filter\n-A INPUT -j ACCEPT\nCOMMIT\n");
    wanted.sets = sets_of("create s hash:ip family inet\nadd s 192.0.2.2\ncreate t hash:ip family inet\n");
    const auto change = prepared(wanted);
    {
      const Watched programs(backend, "if [ \"$table\" = nat ]; then echo 'no nat today' >&2; exit 2; fi");
      const auto loaded = change.load();
      REQUIRE_FALSE(loaded);
      CHECK(loaded.error().kind == ErrorKind::kernel);
      CHECK(loaded.error().message == "table ip nat: rules.v4: no nat today");
      CHECK(programs.log() == "raw\nmangle\nnat\nmangle\nraw\n");
    }
    std::string now = counted(backend);
    // The mangle table is there now, and empty.
    if (const auto at = now.find("*mangle"); at != std::string::npos)
      now.erase(at, now.find("COMMIT\n", at) + 7 - at);
    CHECK(tables_of(now).tables.size() == 3);
    for (const Table& table : tables_of(before).tables) {
      const auto text = print_tables({.tables = {table}});
      INFO(now);
      CHECK(now.find(text) != std::string::npos);
    }
    CHECK(shell("ipset save") == sets);
  });
}

TEST_CASE("a table that could not be put back is named") {
  const Backend backend = both();
  in_lab([&] {
    put(backend, "*filter\n-A INPUT -s 192.0.2.1/32 -j DROP\nCOMMIT\n");
    const auto wanted =
        ruleset_of(backend, "*filter\n-A INPUT -s 192.0.2.1/32 -j DROP\n-A INPUT -p tcp -j DROP " + kNew +
                                "\nCOMMIT\n*nat\n-A OUTPUT -j REDIRECT\nCOMMIT\n");
    const auto change = prepared(wanted);
    const Watched programs(backend, "[ \"$(wc -l <log)\" = 1 ] || { echo 'busy' >&2; exit 4; }");
    const auto loaded = change.load();
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().message ==
          "table ip nat: rules.v4: busy; table ip filter could not be put back: exit status 4: busy");
  });
}

TEST_CASE("a program that hangs is killed, and its table and those before it are put back") {
  const Backend backend = both();
  in_lab([&] {
    put(backend,
        "*filter\n-A INPUT -s 192.0.2.1/32 -j DROP\nCOMMIT\n*nat\n-A OUTPUT -p tcp -j REDIRECT\nCOMMIT\n");
    const std::string before = counted(backend);
    const auto wanted =
        ruleset_of(backend, "*filter\n-A INPUT -s 192.0.2.1/32 -j DROP\n-A INPUT -p tcp -j DROP " + kNew +
                                "\nCOMMIT\n*nat\n-A OUTPUT -j REDIRECT " + kNew + "\nCOMMIT\n");
    const std::string committed = GENERATE(std::string(), std::string("work \"$@\"; "));
    const auto change = prepared(wanted);
    {
      const Watched programs(backend,
                             "if [ $table = nat ] && grep -q new in; then " + committed + "sleep 100; fi");
      const auto loaded = change.load(std::chrono::seconds(2));
      REQUIRE_FALSE(loaded);
      CHECK(loaded.error().kind == ErrorKind::kernel);
      CHECK(loaded.error().message == "table ip nat: rules.v4: gave no answer within 2 s");
      CHECK(programs.log() == "filter\nnat\nnat\nfilter\n");
    }
    CHECK(counted(backend) == before);
  });
}

TEST_CASE("counters that cannot be read do not keep a table from being loaded") {
  const Backend backend = both();
  in_lab([&] {
    put(backend, "*filter\n-A INPUT -s 192.0.2.1/32 -j DROP\nCOMMIT\n");
    const auto change = prepared(ruleset_of(backend, "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n"));
    OnlyPath path;
    path.link(program(backend, "restore"));
    path.script(program(backend, "save"), "exit 1");
    must_load(change);
    CHECK(counted(backend, "filter").find("[0:0] -A INPUT -j ACCEPT\n") != std::string::npos);
  });
}

TEST_CASE("a rule that somebody adds to a table before its turn is not lost") {
  const Backend backend = both();
  in_lab([&] {
    put(backend,
        "*filter\n-A INPUT -s 192.0.2.1/32 -j DROP\nCOMMIT\n*nat\n-A OUTPUT -p tcp -j REDIRECT\nCOMMIT\n");
    const auto change = prepared(
        ruleset_of(backend, "*filter\n-A INPUT -s 192.0.2.1/32 -j DROP\n-A INPUT -p tcp -j DROP\nCOMMIT\n"));
    const std::string filter = counted(backend, "filter");
    const std::string add = "iptables-" + std::string(name(backend)) + " -t nat -A OUTPUT -p udp -j REDIRECT";
    const Watched programs(backend, "[ -e added ] || " + add + "; touch added");
    const auto loaded = change.load();
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().kind == ErrorKind::refused);
    CHECK(loaded.error().message == "table ip nat: another program changed this table meanwhile");
    CHECK(programs.log() == "filter\nfilter\n");
    CHECK(counted(backend, "filter") == filter);
    CHECK(
        counted(backend, "nat").find("-A OUTPUT -p tcp -j REDIRECT\n[0:0] -A OUTPUT -p udp -j REDIRECT\n") !=
        std::string::npos);
  });
}
