#include <catch2/catch.hpp>

#include "core/format.h"
#include "rules/parse.h"
#include "rules/rules_file.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

const char* iptables(Family family) {
  return family == Family::ipv4 ? "iptables-nft" : "ip6tables-nft";
}

/// All built-in chains of all tables, as iptables-restore takes them.
std::string all_chains(const std::string& policy, const std::string& rule) {
  std::string text;
  for (const std::string table : {"raw", "mangle", "nat", "filter", "security"}) {
    if (table == "nat" && rule.empty()) continue;  // it would hold nothing, and need not be there
    text += "*" + table + "\n";
    for (const auto& chain : built_in_chains(table)) {
      const auto& own = table == "nat" ? "ACCEPT" : policy;  // iptables has no other there
      text += format(":{} {} [0:0]\n", chain, own);
    }
    if (!rule.empty())
      for (const auto& chain : built_in_chains(table)) text += format("-A {} {}\n", chain, rule);
    text += "COMMIT\n";
  }
  return text;
}

Tables tables_of(const std::string& text, Family family) {
  auto tables = parse_tables(text, family, "rules");
  INFO((tables ? "" : tables.error().message));
  REQUIRE(tables);
  return *std::move(tables);
}

/// Type, hook, priority and policy of all base chains, a line each, in any order of the tables.
std::string base_chains() {
  return shell(
      "nft list chains | awk '/^table/ { t = $2 \" \" $3 } /chain/ { c = $2 } /hook/ { print t, c, $0 }' | "
      "sort");
}

/// As the host's iptables makes them.
std::string chains_of_iptables(const std::string& text) {
  std::string chains;
  in_lab([&] {
    for (const Family family : {Family::ipv4, Family::ipv6})
      shell(std::string(iptables(family)) + "-restore", text);
    chains = base_chains();
  });
  return chains;
}

enum class Way { by_change, whole, anew };

void load(const Ruleset& wanted, Way way) {
  auto firewall = host_firewall();
  const auto live = captured();
  auto staged = firewall->stage(wanted, way == Way::by_change ? &live.ruleset : nullptr);
  INFO((staged ? "" : staged.error().message));
  REQUIRE(staged);
  Status loaded;
  if (way == Way::anew)
    loaded = firewall->load_anew(*staged);
  else if (auto done = firewall->load(*staged, live.ruleset, live.generation); !done)
    loaded = done.error();
  INFO((loaded ? "" : loaded.error().message));
  REQUIRE(loaded);
}

}  // namespace

TEST_CASE("built-in chains are made where this host's iptables makes them, and it can change them") {
  const Way way = GENERATE(Way::by_change, Way::whole, Way::anew);
  const auto [policy, rule] = GENERATE(std::pair<std::string, std::string>{"DROP", "-p udp -j ACCEPT"},
                                       std::pair<std::string, std::string>{"DROP", ""});
  const std::string text = all_chains(policy, rule);
  const std::string expected = chains_of_iptables(text);
  REQUIRE(expected.find("hook") != std::string::npos);
  in_lab([&] {
    load({.v4 = tables_of(text, Family::ipv4), .v6 = tables_of(text, Family::ipv6)}, way);
    CHECK(base_chains() == expected);
    for (const Family family : {Family::ipv4, Family::ipv6})
      for (const std::string table : {"raw", "mangle", "nat", "filter", "security"})
        for (const auto& chain : built_in_chains(table)) {
          const std::string program = format("{} -t {}", iptables(family), table);
          shell(format("{0} -A {1} -p tcp -j ACCEPT; {0} -P {1} ACCEPT; {0} -D {1} -p tcp -j ACCEPT", program,
                       chain));
          CHECK(shell(format("{} -S {}", program, chain)) ==
                format("-P {0} ACCEPT\n{1}", chain, rule.empty() ? "" : format("-A {} {}\n", chain, rule)));
        }
  });
}

TEST_CASE("a built-in chain that stands elsewhere is refused in LIVE before anything is changed") {
  in_lab([] {
    const auto live = captured();
    const Ruleset wanted{
        .v4 = tables_of("*security\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n", Family::ipv4)};
    const auto staged = host_firewall()->stage(wanted, &live.ruleset);
    REQUIRE(staged);
    CHECK(host_firewall()->check(*staged, &live.ruleset, live.generation));
    CHECK(shell("nft list ruleset").empty());
    CHECK(captured().generation == live.generation);

    shell("nft 'table ip security { chain INPUT { type filter hook input priority 7; }; }'");
    const std::string before = shell("nft list ruleset");
    const auto moved = host_firewall()->check(*staged, &live.ruleset, live.generation);
    REQUIRE_FALSE(moved);
    CHECK(moved.error().kind == ErrorKind::refused);
    const auto refused = host_firewall()->check(*staged, &live.ruleset, std::nullopt);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::kernel);
    INFO(refused.error().message);
    CHECK(refused.error().message.find("not supported") != std::string::npos);
    // Made anew it would stand where it belongs.
    CHECK(host_firewall()->check(*staged, nullptr, std::nullopt));
    CHECK(shell("nft list ruleset") == before);
  });
}

TEST_CASE("a check leaves out what waits for a set, and finds a chain that is gone") {
  in_lab([] {
    shell("iptables-nft -N mine; iptables-nft -A INPUT -j mine");
    const auto live = captured();
    Ruleset wanted = live.ruleset;
    const auto more = tables_of(
        "*filter\n:INPUT ACCEPT [0:0]\n:mine - [0:0]\n-A INPUT -j mine\n-A mine -m set --match-set later src "
        "-j "
        "DROP\n-A mine -p tcp -m multiport --dports 1,2 -j ACCEPT\nCOMMIT\n",
        Family::ipv4);
    wanted.v4 = more;
    wanted.sets = parse_sets("create later hash:ip\n", "ipset").value();
    const auto staged = host_firewall()->stage(wanted, &live.ruleset);
    REQUIRE(staged);
    CHECK(host_firewall()->check(*staged, &live.ruleset, live.generation));
    shell("iptables-nft -D INPUT 1; iptables-nft -X mine");
    const auto refused = host_firewall()->check(*staged, &live.ruleset, std::nullopt);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.starts_with("ip filter mine rule 2: the kernel refuses it: No such file"));
  });
}
