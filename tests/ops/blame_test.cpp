#include "ops/history/blame.h"

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <random>

#include "ops/history/log.h"
#include "ops/history/record.h"
#include "rules/print.h"
#include "rules/rules_file.h"
#include "support/test_session.h"

using namespace rewall;

namespace {

/// A firewall in words: a table's chains, each with its rules.
using Chains = std::map<std::string, std::vector<std::string>>;
using Words = std::map<std::string, Chains>;

Ruleset ruleset(const Words& words, Family family = Family::ipv4) {
  std::string text;
  for (const auto& [table, chains] : words) {
    text += "*" + table + "\n";
    const auto built_in = built_in_chains(table);
    for (const auto& chain : built_in) text += ":" + chain + " ACCEPT [0:0]\n";
    for (const auto& [chain, rules] : chains) {
      if (std::ranges::find(built_in, chain) == built_in.end()) text += ":" + chain + " - [0:0]\n";
    }
    for (const auto& [chain, rules] : chains) {
      for (const auto& rule : rules) text += "-A " + chain + " " + rule + "\n";
    }
    text += "COMMIT\n";
  }
  Ruleset out;
  (family == Family::ipv4 ? out.v4 : out.v6) = parse_tables(text, family, "test").value();
  return out;
}

struct World : TestSession<> {
  World() { make(); }
  /// The hash that brought each rule of INPUT in filter, in order.
  std::vector<std::string> input(const std::string& revision = "HEAD") {
    const auto rules = blame(*session, revision, {.table = "filter", .chain = "INPUT"});
    REQUIRE(rules);
    std::vector<std::string> out;
    for (const auto& rule : *rules) out.push_back(rule.from ? rule.from->hash : "");
    return out;
  }
};

Words in_input(const std::vector<std::string>& rules) {
  return {{"filter", {{"INPUT", rules}}}};
}

/// A history of a firewall whose rules are all different words, changed at random.
class RandomHistory {
 public:
  explicit RandomHistory(unsigned seed) : random_(seed) {
    for (int i = 0; i < 30; ++i) add_rule();
  }
  const Words& words() const { return words_; }

  void change() {
    switch (pick(6)) {
      case 0:
        words_[any_table()]["new" + std::to_string(++number_)].push_back(rule());
        return;
      case 1:
        return drop_chain();
      case 2:
        return move_rule();
      case 3:
        return drop_rule();
      default:
        for (auto n = 1 + pick(3); n > 0; --n) add_rule();
    }
  }

 private:
  std::size_t pick(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  std::string any_table() { return pick(2) == 0 ? "filter" : "mangle"; }
  std::string rule() { return "-p tcp -m tcp --dport " + std::to_string(++number_) + " -j ACCEPT"; }

  std::vector<std::string>& any_chain() {
    static const std::vector<std::string> kChains{"FORWARD", "INPUT", "OUTPUT", "a", "b"};
    return words_[any_table()][kChains[pick(kChains.size())]];
  }
  void add_rule() {
    auto& rules = any_chain();
    rules.insert(rules.begin() + static_cast<std::ptrdiff_t>(pick(rules.size() + 1)), rule());
  }
  void drop_rule() {
    auto& rules = any_chain();
    if (!rules.empty()) rules.erase(rules.begin() + static_cast<std::ptrdiff_t>(pick(rules.size())));
  }
  void move_rule() {
    auto& rules = any_chain();
    if (rules.size() > 1) std::swap(rules[pick(rules.size())], rules[pick(rules.size())]);
  }
  void drop_chain() {
    for (auto& [table, chains] : words_) {
      for (const auto& [chain, rules] : chains) {
        if (chain.starts_with("new")) {
          chains.erase(chain);
          return;
        }
      }
    }
  }

  std::mt19937 random_;
  int number_ = 0;
  Words words_{};
};

}  // namespace

TEST_CASE("a rule is from the snapshot since which every one has it") {
  World world;
  const auto first = world.record(ruleset(in_input({"-i lo -j ACCEPT"})));
  const auto second =
      world.record(ruleset(in_input({"-i lo -j ACCEPT", "-p tcp -m tcp --dport 22 -j ACCEPT"})));
  CHECK(world.input() == std::vector{first, second});
  CHECK(world.input(first) == std::vector{first});

  SECTION("one that went and came again is new") {
    world.record(ruleset(in_input({"-p tcp -m tcp --dport 22 -j ACCEPT"})));
    const auto again =
        world.record(ruleset(in_input({"-i lo -j ACCEPT", "-p tcp -m tcp --dport 22 -j ACCEPT"})));
    CHECK(world.input() == std::vector{again, second});
  }
  SECTION("one that moved is the same") {
    world.record(ruleset(in_input({"-p tcp -m tcp --dport 22 -j ACCEPT", "-i lo -j ACCEPT"})));
    CHECK(world.input() == std::vector{second, first});
  }
  SECTION("one that got a comment, or other words of the same meaning, is the same") {
    world.record(ruleset(
        in_input({"-i lo -m comment --comment own -j ACCEPT", "-p tcp -m multiport --dports 22 -j ACCEPT"})));
    CHECK(world.input() == std::vector{first, second});
  }
  SECTION("one that moved and got a comment is the same") {
    world.record(ruleset(in_input({"-p tcp -m tcp --dport 22 -m comment --comment ssh -j ACCEPT",
                                   "-p icmp -j ACCEPT", "-i lo -j ACCEPT"})));
    const auto all = world.input();
    CHECK(all[0] == second);
    CHECK(all[2] == first);
  }
  SECTION("a changed one is new") {
    const auto changed =
        world.record(ruleset(in_input({"-i lo -j ACCEPT", "-p tcp -m tcp --dport 2222 -j ACCEPT"})));
    CHECK(world.input() == std::vector{first, changed});
  }
  SECTION("of two of the same words the one that stays keeps its own") {
    const auto twice = world.record(
        ruleset(in_input({"-i lo -j ACCEPT", "-p tcp -m tcp --dport 22 -j ACCEPT", "-i lo -j ACCEPT"})));
    CHECK(world.input() == std::vector{first, second, twice});
  }
  SECTION("LIVE and files have rules that no snapshot has") {
    world.firewall->change(ruleset(in_input({"-j LOG", "-i lo -j ACCEPT"})));
    CHECK(world.input("LIVE") == std::vector<std::string>{"", first});
    REQUIRE(write_file(world.folder.path() / "file",
                       "*filter\n:INPUT DROP\n-A INPUT -p 6 --dport 22 -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n",
                       0600));
    CHECK(world.input("file:" + (world.folder.path() / "file").string()) ==
          std::vector<std::string>{second, ""});
  }
}

TEST_CASE("rules keep their snapshot when their chain gets another name") {
  World world;
  const std::vector<std::string> rules{"-s 192.0.2.1/32 -j DROP", "-s 192.0.2.2/32 -j DROP"};
  const auto first = world.record(ruleset({{"filter", {{"old", rules}, {"INPUT", {"-j old"}}}}}));
  const auto renamed = world.record(ruleset({{"filter", {{"new", rules}, {"INPUT", {"-j new", "-j LOG"}}}}}));
  const auto all = blame(*world.session, "HEAD", {}).value();
  REQUIRE(all.size() == 4);
  CHECK(all[0].from->hash == first);  // -j new
  CHECK(all[1].from->hash == renamed);
  CHECK(all[2].from->hash == first);
  CHECK(all[3].from->hash == first);
  CHECK(all[3].chain == "new");
  CHECK(all[3].pos == 2);
}

TEST_CASE("the rules of a host that goes over to the other backend keep their snapshots") {
  World world;
  auto legacy = ruleset(in_input({"-i lo -j ACCEPT"}));
  legacy.backend = Backend::legacy;
  const auto first = world.record(legacy);
  SECTION("whole") {
    world.record(ruleset(in_input({"-i lo -j ACCEPT"})));
    CHECK(world.input() == std::vector{first});
  }
  SECTION("nft beside legacy, and back") {
    auto both = ruleset(in_input({"-j LOG"}));
    both.v4_legacy = legacy.v4;
    const auto beside = world.record(both);
    CHECK(world.input() == std::vector{beside, first});
    world.record(legacy);
    CHECK(world.input() == std::vector{first});
  }
}

TEST_CASE("both families are blamed, one if asked, and a chain that is not there has its nearest named") {
  World world;
  auto both = ruleset(in_input({"-i lo -j ACCEPT"}));
  both.v6 = ruleset({{"filter", {{"INPUT", {"-i lo -j ACCEPT"}}}}}, Family::ipv6).v6;
  const auto first = world.record(both);
  CHECK(world.input() == std::vector{first, first});
  CHECK(blame(*world.session, "HEAD", {.family = Family::ipv6}).value().size() == 1);
  CHECK(blame(*world.session, "HEAD", {.table = "nat"}).value().empty());
  CHECK(blame(*world.session, "HEAD", {.chain = "OUTPUT"}).value().empty());
  const auto wrong = blame(*world.session, "HEAD", {.chain = "INPTU"});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().kind == ErrorKind::usage);
  CHECK(wrong.error().hint == "did you mean 'INPUT'?");
}

TEST_CASE("what a restore put back is blamed on the snapshot that brought it, and says who put it back") {
  World world;
  const std::vector<std::string> both{"-i lo -j ACCEPT", "-p icmp -j ACCEPT"};
  const auto first = world.record(ruleset(in_input(both)));
  const auto second = world.record(ruleset(in_input({both[0], both[1], "-j LOG"})));
  const auto third = world.record(ruleset(in_input({both[0]})));
  // A restore of the second, on which somebody put a rule of his own.
  world.firewall->change(ruleset(in_input({both[0], "-j DROP", both[1], "-j LOG"})));
  const auto restored = record_now(*world.session, {.trigger = "rollback", .restores = second}).value().hash;
  CHECK(world.input() == std::vector{first, restored, first, second});
  const auto rules = blame(*world.session, "HEAD", {}).value();
  REQUIRE(rules.size() == 4);
  CHECK_FALSE(rules[0].put_back_by);
  CHECK_FALSE(rules[1].put_back_by);
  REQUIRE(rules[2].put_back_by);
  CHECK(rules[2].put_back_by->hash == restored);
  REQUIRE(rules[3].put_back_by);
  CHECK(rules[3].put_back_by->trailers.trigger == "rollback");

  SECTION("over restores of restores, the last one named") {
    world.record({});
    world.firewall->change(ruleset(in_input({"-j LOG", both[1]})));
    const auto again = record_now(*world.session, {.trigger = "undo", .restores = restored}).value().hash;
    CHECK(world.input() == std::vector{second, first});
    CHECK(blame(*world.session, "HEAD", {}).value()[0].put_back_by->hash == again);
    CHECK(world.input(third) == std::vector{first});
  }
  SECTION("a rule that was there all the time is not put back, nor one that came again by hand") {
    world.record(ruleset(in_input({both[0]})));
    const auto by_hand = world.record(ruleset(in_input({both[0], both[1]})));
    world.firewall->change(ruleset(in_input({both[0], both[1], "-j LOG"})));
    REQUIRE(record_now(*world.session, {.trigger = "restore", .restores = second}));
    CHECK(world.input() == std::vector{first, by_hand, second});
  }
  SECTION("a snapshot that is not there, or is not in this history") {
    world.record({});
    world.firewall->change(ruleset(in_input({both[0]})));
    const auto gone =
        record_now(*world.session, {.trigger = "restore", .restores = std::string(40, '1')}).value().hash;
    CHECK(world.input() == std::vector{gone});
  }
}

TEST_CASE("over a long random history blame says since when each rule is there") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    World world;
    RandomHistory history(seed);
    // Since when each rule, whose words stand once, is there without a break.
    std::map<std::string, std::string> since;
    for (int n = 0; n < 40; ++n) {
      if (n > 0) history.change();
      const auto hash = world.record(ruleset(history.words()));
      std::map<std::string, std::string> still;
      for (const auto& [table, chains] : history.words()) {
        for (const auto& [chain, rules] : chains) {
          for (const auto& rule : rules) still[rule] = since.contains(rule) ? since[rule] : hash;
        }
      }
      since = std::move(still);
    }
    const auto all = blame(*world.session, "HEAD", {}).value();
    CHECK(all.size() == since.size());
    for (const auto& rule : all) {
      INFO(seed << ": " << rule.table << " " << rule.chain << " " << rule.pos << " " << rule.rule);
      REQUIRE(rule.from);
      CHECK(rule.from->hash == since[rule.rule]);
    }
  }
}

namespace {

/// Commits a snapshot with a file of native tables beside a rules file.
std::string commit_native(World& world, const std::string& tables, const std::string& restores = "",
                          const std::string& v4 = "") {
  Repository& repository = world.repository();
  Files files{{"rules.v4", v4}, {"rules.v6", ""}, {"rules.nft", tables}};
  if (tables.empty() && !v4.empty()) files.erase("rules.nft");
  const auto made = repository.commit(
      repository.head().value(), files,
      {.subject = "native", .trailers = {.trigger = "manual", .backend = "nft", .restores = restores}},
      {.name = "Ann", .email = "ann@web1"}, now());
  REQUIRE(made);
  return *made;
}

std::string native_chain(const std::string& name, const std::vector<std::string>& rules) {
  std::string out = "table inet f2b-table {\n\tchain " + name + " {\n";
  for (const auto& rule : rules) out += "\t\t" + rule + "\n";
  return out + "\t}\n}\n";
}

std::vector<std::string> native_origins(World& world, const BlameFilter& filter = {}) {
  const auto rules = blame(*world.session, "HEAD", filter);
  REQUIRE(rules);
  std::vector<std::string> out;
  for (const auto& rule : *rules) out.push_back(rule.from ? rule.from->hash : "");
  return out;
}

}  // namespace

TEST_CASE("a rule keeps its snapshot where its table goes from one form to the other, and back") {
  World world;
  const std::string head = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
  const std::string nat =
      "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT "
      "[0:0]\n-A POSTROUTING -j RETURN\nCOMMIT\n";
  const std::string native_head =
      "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n";
  const auto first = commit_native(world, "", "", head + "-A INPUT -i lo -j ACCEPT\nCOMMIT\n" + nat);
  const auto second = commit_native(
      world, "", "",
      head + "-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n" +
          nat);
  const std::string established =
      "\t\tct state established counter accept # iptables: -m conntrack --ctstate ESTABLISHED -j ACCEPT\n";
  const auto mixed = commit_native(world,
                                   native_head + "\t\tct state new tcp dport 443 accept\n" + established +
                                       "\t\tiifname \"lo\" counter accept\n\t}\n}\n",
                                   "", nat);
  CHECK(native_origins(world) == std::vector{first, mixed, second, first});
  CHECK(native_origins(world, {.table = "ip filter"}) == std::vector{mixed, second, first});
  const auto third =
      commit_native(world,
                    native_head + established + "\t\tct state new drop\n\t\tiifname \"lo\" counter accept\n" +
                        "\t\ttcp dport 22 counter accept\n\t}\n}\n",
                    "", nat);
  const auto back = commit_native(world, "", "",
                                  head +
                                      "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -i lo "
                                      "-j ACCEPT\n-A INPUT -p tcp -m tcp "
                                      "--dport 22 -j ACCEPT\n-A INPUT -p udp -j DROP\nCOMMIT\n" +
                                      nat);
  CHECK(native_origins(world, {.table = "filter"}) == std::vector{second, first, third, back});
  CHECK(native_origins(world, {.table = "ip filter"}) == std::vector{second, first, third, back});
  CHECK(native_origins(world, {.table = "nat"}) == std::vector{first});
  const auto in_old_form = blame(*world.session, "HEAD", {}).value();
  for (const auto& rule : in_old_form) CHECK_FALSE(rule.put_back_by);
  // What a restore puts back in the other form is of the snapshot that had it first.
  const auto restored = commit_native(world,
                                      native_head + "\t\tct state new tcp dport 443 accept\n" + established +
                                          "\t\tiifname \"lo\" counter accept\n\t}\n}\n",
                                      mixed, nat);
  const auto all = blame(*world.session, "HEAD", {.table = "filter"}).value();
  REQUIRE(all.size() == 3);
  CHECK(all[0].from->hash == mixed);
  CHECK(all[0].put_back_by->hash == restored);
  CHECK(all[1].from->hash == second);
  CHECK_FALSE(all[1].put_back_by);
  CHECK(all[2].from->hash == first);
}

TEST_CASE("rules of native tables are from the snapshot since which every one has them") {
  World world;
  const std::string ssh = "tcp dport 22 accept";
  const std::string web = "tcp dport { 80, 443 } accept";
  const auto first = commit_native(world, native_chain("c", {ssh}));
  const auto second = commit_native(world, native_chain("c", {web, ssh}));
  CHECK(native_origins(world) == std::vector{second, first});
  const auto all = blame(*world.session, "HEAD", {}).value();
  CHECK(all[0].native == NativeFamily::inet);
  CHECK(all[0].table == "f2b-table");
  CHECK(all[0].chain == "c");
  CHECK(all[0].pos == 1);
  CHECK(all[0].rule == web);
  CHECK(all[1].pos == 2);

  SECTION("also where they moved, are spelled otherwise, or their chain was renamed") {
    commit_native(world, native_chain("c", {ssh + " comment \"a\"", "tcp dport { 443, 80 } accept"}));
    CHECK(native_origins(world) == std::vector{first, second});
    commit_native(world, native_chain("d", {ssh + " comment \"a\"", "tcp dport { 443, 80 } accept"}));
    CHECK(native_origins(world) == std::vector{first, second});
  }
  SECTION("a changed one is new") {
    const auto changed = commit_native(world, native_chain("c", {web, "tcp dport 2222 accept"}));
    CHECK(native_origins(world) == std::vector{second, changed});
  }
  SECTION("a restore puts them back") {
    commit_native(world, "");
    const auto restored = commit_native(world, native_chain("c", {web, ssh}), second);
    CHECK(native_origins(world) == std::vector{second, first});
    CHECK(blame(*world.session, "HEAD", {}).value()[0].put_back_by->hash == restored);
  }
  SECTION("a filter by table and chain") {
    CHECK(native_origins(world, {.table = "inet f2b-table"}).size() == 2);
    CHECK(native_origins(world, {.table = "inet f2b-table", .chain = "c"}).size() == 2);
    CHECK(native_origins(world, {.table = "ip f2b-table"}).empty());
    CHECK(native_origins(world, {.table = "f2b-table"}).empty());
    CHECK(native_origins(world, {.family = Family::ipv4}).empty());
  }
}

TEST_CASE("a log by a native table has the snapshots that changed that table") {
  World world;
  const std::string other =
      "table ip x {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.1 }\n\t}\n}\n";
  const auto table = commit_native(world, native_chain("c", {"accept"}));
  const auto set = commit_native(world, native_chain("c", {"accept"}) + other);
  const auto rule = commit_native(world, native_chain("c", {"drop"}) + other);
  const auto log = [&](const LogFilter& filter) {
    std::vector<std::string> out;
    REQUIRE(walk_log(*world.session, "HEAD", filter, false, [&](const LogEntry& entry) {
      out.push_back(entry.snapshot.hash);
      return true;
    }));
    return out;
  };
  CHECK(log({.table = "inet f2b-table"}) == std::vector{rule, table});
  CHECK(log({.table = "ip x"}) == std::vector{set});
  CHECK(log({.table = "inet f2b-table", .chain = "c"}) == std::vector{rule, table});
  CHECK(log({.chain = "c"}) == std::vector{rule, table});
  CHECK(log({.table = "inet x"}).empty());
  CHECK(log({.table = "f2b-table"}).empty());
}
