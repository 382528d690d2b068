#include "ops/watch/attribution.h"

#include <catch2/catch.hpp>

#include "ops/watch/credit.h"
#include "rules/parse.h"
#include "support/skip.h"

using namespace rewall;

namespace {

// No process has such a number (pid_max is at most 2^22, proc(5)).
constexpr pid_t kGone = 0x7fff'0000;
using Kind = ChainStep::Kind;

ChainName input(const std::string& table = "filter") {
  return {Family::ipv4, table, "INPUT"};
}

/// One expression named `name` without data (NFTA_LIST_ELEM, NFTA_EXPR_NAME): enough to tell rules apart.
RawRule rule(const std::string& name) {
  const auto attribute = [](std::uint16_t type, std::string data) {
    const auto length = static_cast<std::uint16_t>(4 + data.size());
    std::string bytes(4, '\0');
    bytes[0] = static_cast<char>(length & 0xff);
    bytes[1] = static_cast<char>(length >> 8);
    bytes[2] = static_cast<char>(type);
    data.resize((data.size() + 3) / 4 * 4);
    return bytes + data;
  };
  return {.expressions = attribute(1, attribute(1, name + '\0'))};
}

ChainStep added(const std::string& name) {
  return {.kind = Kind::rule_added, .chain = input(), .rule = rule(name)};
}
ChainStep removed(const std::string& name) {
  return {.kind = Kind::rule_removed, .chain = input(), .rule = rule(name)};
}
ChainStep policy(const std::string& value) {
  return {.kind = Kind::policy, .chain = input(), .policy = value};
}

Committed transaction(std::uint32_t generation, pid_t process, const std::string& program,
                      std::vector<ChainStep> steps = {}) {
  Committed made{.generation = generation, .process = process, .program = program};
  made.chains = {{input(), true}};
  made.steps = std::move(steps);
  return made;
}

AuditRecord audited(std::uint32_t generation, pid_t process, uid_t user,
                    std::vector<std::string> words = {}) {
  return {.table = "filter",
          .family = Family::ipv4,
          .generation = generation,
          .operation = "nft_register_rule",
          .process = process,
          .who = {.name = "iptables", .user = user, .words = std::move(words)}};
}

AuditRecord replaced(unsigned entries, pid_t process, uid_t user,
                     const std::string& program = "iptables-legacy") {
  return {.table = "filter",
          .family = Family::ipv4,
          .entries = entries,
          .operation = "xt_replace",
          .process = process,
          .who = {.name = program, .user = user, .words = {program, std::to_string(process - kGone)}}};
}

Attribution::Window window(std::optional<std::uint32_t> generation = {},
                           const std::string& before = "ACCEPT") {
  return {.generation = generation, .policy_before = [before](const ChainName&) { return before; }};
}

/// The table filter of the legacy backend grew from `from` to `to` entries.
Attribution::Window legacy_window(unsigned from, unsigned to) {
  auto made = window();
  made.before[{Family::ipv4, "filter"}] = {.entries = from, .hash = 1};
  made.after[{Family::ipv4, "filter"}] = {.entries = to, .hash = 2};
  return made;
}

std::vector<std::string> programs(const AttributedChanges& taken) {
  std::vector<std::string> names;
  for (const auto& change : taken.changes) names.push_back(change.who.name);
  return names;
}

std::vector<std::string> commands(const AttributedChanges& taken) {
  std::vector<std::string> lines;
  for (const auto& change : taken.changes) lines.push_back(command_of(change));
  return lines;
}

/// Which changes have something of INPUT at the end.
std::vector<std::string> standing(const AttributedChanges& taken) {
  std::vector<std::string> names;
  for (const auto& change : taken.changes)
    if (change.chains.contains(input())) names.push_back(change.who.name);
  return names;
}

using Names = std::vector<std::string>;

// The numbers of processes in audit records are those of the initial process namespace.
void need_all_processes() {
  if (!sees_all_processes()) skip("not in the initial process namespace");
}

Diff diff_of(const std::string& before, const std::string& after, Backend backend = Backend::nft) {
  const auto ruleset = [&](const std::string& text) {
    Ruleset made{.backend = backend};
    made.v4 = parse_saved("*filter\n" + text + "COMMIT\n", Family::ipv4, "test").value();
    return made;
  };
  return compare(ruleset(before), ruleset(after));
}

AttributedChange by(const std::string& user, const std::vector<ChainName>& chains) {
  AttributedChange change{.process = 7, .who = {.name = "iptables"}};
  change.actor = {.person = {.name = user, .email = user + "@host"}, .user = user};
  change.chains.insert(chains.begin(), chains.end());
  change.touched = change.chains;
  return change;
}

}  // namespace

TEST_CASE("changes are told in order, up to a generation, until they are recorded") {
  Attribution attribution;
  attribution.add(transaction(5, kGone, "iptables"));
  attribution.add(transaction(6, kGone + 1, "docker"));
  attribution.add(transaction(7, kGone + 2, "nft"));
  CHECK(programs(attribution.changes(window(6))) == Names{"iptables", "docker"});
  CHECK(programs(attribution.changes(window(6))) == Names{"iptables", "docker"});
  attribution.forget(6);
  CHECK(programs(attribution.changes(window(6))).empty());
  CHECK(programs(attribution.changes(window())) == Names{"nft"});
  attribution.forget(std::nullopt);
  CHECK(programs(attribution.changes(window())).empty());
}

TEST_CASE("the transactions of one process are one change, and those that touch no chain are none") {
  Attribution attribution;
  for (std::uint32_t i = 1; i <= 3; ++i) attribution.add(transaction(i, kGone, "iptables-restor"));
  attribution.add(Committed{.generation = 4, .process = kGone + 1, .program = "nft"});
  CHECK(programs(attribution.changes(window())) == Names{"iptables-restor"});
}

TEST_CASE("what was undone before it was recorded does not stand, whoever undid it") {
  Attribution attribution;
  attribution.add(transaction(1, kGone, "adds", {added("x")}));
  attribution.add(transaction(2, kGone + 1, "removes", {removed("x")}));
  attribution.add(transaction(3, kGone + 2, "closes", {policy("DROP")}));
  auto taken = attribution.changes(window());
  CHECK(standing(taken) == Names{"closes"});
  REQUIRE(taken.undone.size() == 1);
  CHECK(taken.changes[taken.undone[0].by].who.name == "adds");
  CHECK(taken.changes[taken.undone[0].back_by].who.name == "removes");
  CHECK(taken.undone[0].step.kind == Kind::rule_added);
  // A second pair of the same rule, a removal that is made good, and a policy that is set back.
  attribution.add(transaction(4, kGone + 3, "adds", {added("x"), added("x"), added("y")}));
  attribution.add(transaction(5, kGone + 4, "removes", {removed("x"), removed("old")}));
  attribution.add(transaction(6, kGone + 5, "again", {added("old"), policy("ACCEPT")}));
  taken = attribution.changes(window());
  CHECK(standing(taken) == Names{"adds"});
  CHECK(taken.undone.size() == 4);
}

TEST_CASE("what one transaction does and undoes was never in force") {
  Attribution attribution;
  // A restore of the same rules, and of a policy.
  attribution.add(
      transaction(1, kGone, "restore",
                  {removed("x"), removed("y"), policy("ACCEPT"), policy("DROP"), added("x"), added("y")}));
  auto taken = attribution.changes(window({}, "DROP"));
  CHECK(standing(taken).empty());
  CHECK(taken.undone.empty());
  // It takes somebody's rule away, and keeps another one's.
  attribution.forget(std::nullopt);
  attribution.add(transaction(2, kGone + 1, "one", {added("gone")}));
  attribution.add(transaction(3, kGone + 2, "two", {added("kept")}));
  attribution.add(transaction(4, kGone + 3, "restore", {removed("gone"), removed("kept"), added("kept")}));
  taken = attribution.changes(window());
  CHECK(standing(taken) == Names{"two"});
  REQUIRE(taken.undone.size() == 1);
  CHECK(taken.changes[taken.undone[0].by].who.name == "one");
  CHECK(taken.changes[taken.undone[0].back_by].who.name == "restore");
}

TEST_CASE("a policy that was what it is set to is no change") {
  Attribution attribution;
  attribution.add(transaction(1, kGone, "same", {policy("DROP")}));
  attribution.add(transaction(2, kGone + 1, "other", {policy("ACCEPT")}));
  CHECK(standing(attribution.changes(window({}, "DROP"))) == Names{"other"});
  CHECK(standing(attribution.changes(window({}, "ACCEPT"))).empty());
  CHECK(attribution.changes(window({}, "ACCEPT")).undone.size() == 1);
}

TEST_CASE("an audit record belongs to the notification with its generation and process, and to no other") {
  need_all_processes();
  Attribution attribution;
  attribution.add(transaction(5, kGone, "iptables"));
  CHECK(attribution.waits_for_audit());
  attribution.add(audited(5, kGone + 1, 1000, {"forged"}));
  attribution.add(audited(6, kGone, 1000, {"forged"}));
  CHECK(attribution.waits_for_audit());
  attribution.add(audited(5, kGone, 0, {"iptables", "-A", "INPUT"}));
  CHECK_FALSE(attribution.waits_for_audit());
  // The first is the kernel's: later ones are of who got the number of the process.
  attribution.add(audited(5, kGone, 1000, {"forged"}));
  const auto taken = attribution.changes(window());
  REQUIRE(taken.changes.size() == 1);
  CHECK(command_of(taken.changes[0]) == "iptables -A INPUT");
  CHECK(taken.changes[0].actor.user == "root");
  CHECK_FALSE(taken.changes[0].perhaps);
}

TEST_CASE("a flood of others' records leaves room for those that prove something") {
  need_all_processes();
  Attribution attribution;
  const auto flood = [&](pid_t from) {
    for (pid_t i = 0; i < 5000; ++i) {
      attribution.add(audited(static_cast<std::uint32_t>(i), from + i, 1000, {"forged"}));
      attribution.add(replaced(5, from + i, 1000));
    }
  };
  flood(kGone + 100);
  attribution.add(transaction(7, kGone, "iptables"));
  attribution.add(audited(7, kGone, 0, {"iptables", "-A"}));
  attribution.add(replaced(5, kGone + 1, 0));
  flood(kGone + 10000);
  const auto taken = attribution.changes(legacy_window(5, 6));
  CHECK(commands(taken) == Names{"iptables -A", "iptables-legacy 1"});
  CHECK(taken.changes[1].actor.user == "root");
  CHECK(taken.left_out == 0);
}

TEST_CASE("a legacy change of a process that is gone counts where it alone can have been it") {
  need_all_processes();
  Attribution attribution;
  SECTION("one of root") {
    attribution.add(replaced(9, kGone + 1, 0));  // another table
    attribution.add(replaced(5, kGone + 2, 0));
    const auto taken = attribution.changes(legacy_window(5, 6));
    CHECK(commands(taken) == Names{"iptables-legacy 2"});
    CHECK_FALSE(taken.changes[0].perhaps_actor);
  }
  SECTION("two of one person: one of them") {
    attribution.add(replaced(5, kGone + 1, 0));
    attribution.add(replaced(5, kGone + 2, 0));
    const auto taken = attribution.changes(legacy_window(5, 6));
    CHECK(commands(taken) == Names{"(perhaps) iptables-legacy 1", "(perhaps) iptables-legacy 2"});
    CHECK_FALSE(taken.changes[0].perhaps_actor);
  }
  SECTION("two of two people: nobody knows") {
    attribution.add(replaced(5, kGone + 1, 0));
    auto other = replaced(5, kGone + 2, 0);
    other.who.login = 1000;
    attribution.add(other);
    const auto taken = attribution.changes(legacy_window(5, 6));
    CHECK(commands(taken) == Names{"(perhaps) iptables-legacy 1", "(perhaps) iptables-legacy 2"});
    CHECK(taken.changes[0].perhaps_actor);
    CHECK(credit_of(taken, diff_of(":INPUT ACCEPT [0:0]\n", ":INPUT DROP [0:0]\n", Backend::legacy))
              .author.user == "");
  }
  SECTION("one of another user: perhaps") {
    attribution.add(replaced(5, kGone + 1, 1000));
    const auto taken = attribution.changes(legacy_window(5, 6));
    CHECK(commands(taken) == Names{"(perhaps) iptables-legacy 1"});
    CHECK(taken.changes[0].perhaps_actor);
    CHECK(text_of(taken.changes[0]).starts_with("(perhaps) iptables-legacy, pid "));
  }
  SECTION("records were lost: perhaps") {
    attribution.add(replaced(5, kGone + 1, 0));
    attribution.note_loss();
    const auto taken = attribution.changes(legacy_window(5, 6));
    CHECK(commands(taken) == Names{"(perhaps) iptables-legacy 1"});
    CHECK(taken.changes[0].perhaps_actor);
  }
  SECTION("the table did not change") {
    attribution.add(replaced(5, kGone + 1, 0));
    CHECK(attribution.changes(window()).changes.empty());
  }
}

TEST_CASE("more changes than are kept are counted") {
  Attribution attribution;
  for (std::uint32_t i = 0; i < 4100; ++i)
    attribution.add(transaction(i + 1, kGone + static_cast<pid_t>(i), "iptables", {added("x")}));
  auto taken = attribution.changes(window());
  CHECK(taken.changes.size() == 4096);
  CHECK(taken.left_out == 4);
  const auto credit =
      credit_of(taken, diff_of(":INPUT ACCEPT [0:0]\n", ":INPUT ACCEPT [0:0]\n-A INPUT -j LOG\n"));
  CHECK(credit.notes.size() == 201);
  CHECK(credit.notes.back() == "and 3900 changes more");
  taken.append({.changes = {{.who = {.name = "later"}}}, .undone = {{}}, .left_out = 2});
  CHECK(taken.changes.back().who.name == "later");
  CHECK(taken.undone.back().by == 4096);
  CHECK(taken.left_out == 6);
}

TEST_CASE("the author is the person of the newest part that stands, and each has their parts") {
  const auto diff = diff_of(":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n",
                            ":INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j LOG\n");
  const ChainName output{Family::ipv4, "filter", "OUTPUT"};
  AttributedChanges all{.changes = {by("ann", {input()}), by("bob", {output})}};
  auto credit = credit_of(all, diff);
  CHECK(credit.author.user == "bob");
  REQUIRE(credit.parts.size() == 2);
  CHECK(credit.parts[0].person.name == "ann");
  CHECK(credit.parts[0].parts == Names{"ip filter INPUT"});
  CHECK(credit.parts[1].person.name == "bob");
  CHECK(credit.parts[1].parts == Names{"ip filter OUTPUT"});
  CHECK(credit.notes ==
        Names{"iptables, pid 7, by ann: ip filter INPUT", "iptables, pid 7, by bob: ip filter OUTPUT"});
  // Who changed nothing that stands is no author, and needs no trailer.
  all.changes.push_back(by("eve", {}));
  all.changes.back().touched = {input()};
  CHECK(credit_of(all, diff).author.user == "bob");
  // One person for all parts.
  all.changes = {by("ann", {input()}), by("ann", {output})};
  credit = credit_of(all, diff);
  CHECK(credit.author.user == "ann");
  CHECK(credit.parts.empty());
  // A part that nobody is known for.
  all.changes = {by("ann", {input()})};
  credit = credit_of(all, diff);
  CHECK(credit.author.user == "ann");
  REQUIRE(credit.parts.size() == 2);
  CHECK(credit.parts[1].person.name == "unknown");
  CHECK(credit.parts[1].parts == Names{"ip filter OUTPUT"});
  CHECK_FALSE(credit.parts[1].perhaps);
  // What only fits is marked, and is no author.
  all.changes = {by("ann", {input()}), by("eve", {output})};
  all.changes[1].perhaps = all.changes[1].perhaps_actor = true;
  credit = credit_of(all, diff);
  CHECK(credit.author.user == "ann");
  CHECK(credit.parts[1].perhaps);
  CHECK(credit.commands.back() == "(perhaps) iptables");
}

TEST_CASE("nobody is the author of a change of sets") {
  Diff diff;
  diff.changes.push_back({.kind = ChangeKind::members, .set = "bans"});
  const AttributedChanges all{.changes = {by("ann", {input()})}};
  const auto credit = credit_of(all, diff);
  CHECK(credit.author.user.empty());
  CHECK(credit.author.person.name == "unknown");
  CHECK(credit.commands.empty());
  CHECK_FALSE(credit.names_anybody());
}

TEST_CASE("what was undone is told with what stood there, who did it and who took it back") {
  AttributedChanges all{.changes = {by("ann", {}), by("bob", {})}};
  all.changes[0].who.words = {"iptables", "-A", "INPUT", "-j", "ACCEPT"};
  all.undone = {{.step = added("x"), .by = 0, .back_by = 1}};
  const auto owners = default_owners();
  auto undone = describe_undone(all, std::vector<std::string>{"-j ACCEPT"}, owners);
  CHECK(undone.subject == "filter/INPUT: +1 ACCEPT (undone)");
  CHECK(undone.notes == Names{"came and went: ip filter INPUT: -j ACCEPT",
                              "  done by: iptables -A INPUT -j ACCEPT (iptables, pid 7, by ann)",
                              "  undone by: iptables, pid 7, by bob"});
  CHECK(undone.foreign.empty());
  const auto credit = credit_of_undone(all, undone);
  CHECK(credit.author.user == "ann");
  CHECK(credit.commands == Names{"iptables -A INPUT -j ACCEPT", "iptables"});
  // A rule that nothing can say, a policy, a rule that was gone.
  all.undone = {{.step = added("x")}, {.step = policy("ACCEPT")}, {.step = removed("y")}};
  undone = describe_undone(all, std::vector<std::string>{"", "", "-j DROP"}, owners);
  CHECK(undone.notes[0] == "came and went: ip filter INPUT: a rule");
  CHECK(undone.notes[1] == "was ACCEPT for a moment: the policy of ip filter INPUT");
  CHECK(undone.notes[2] == "was gone for a moment: ip filter INPUT: -j DROP");
  CHECK(undone.notes.size() == 5);
  all.undone = {{.step = added("x")}};
  CHECK(describe_undone(all, {}, owners).subject == "filter/INPUT: a rule added (undone)");
  // Of owners' parts it is counted.
  all.undone = {{.step = added("x")}, {.step = added("x")}};
  all.undone[0].step.chain.chain = "f2b-sshd";
  undone = describe_undone(all, std::vector<std::string>{"-s 192.0.2.1 -j REJECT", "-j f2b-sshd"}, owners);
  CHECK(undone.foreign == std::map<std::string, std::size_t>{{"fail2ban", 2}});
  CHECK(undone.subject.empty());
  CHECK(undone.notes.empty());
}

TEST_CASE("a command is shown as people would type it") {
  CHECK(command_of({.who = {.name = "iptables", .words = {"iptables", "-A", "my chain"}}}) ==
        "iptables -A 'my chain'");
  CHECK(command_of({.who = {.name = "iptables", .words = {"iptables", "-A"}}, .words_are_cut = true}) ==
        "iptables -A ...");
  CHECK(command_of({.who = {.name = "dockerd"}}) == "dockerd");
}

TEST_CASE("the entries of a legacy table are counted as the kernel does") {
  // linux/netfilter_ipv4/ip_tables.h, by hand: two policies, two entries for a chain, two rules, the end.
  LegacyTables tables;
  add_tables(
      "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:mine - [0:0]\n-A INPUT -j mine\n-A mine -j "
      "RETURN\nCOMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n",
      Family::ipv4, tables);
  CHECK(tables.size() == 2);
  CHECK(tables.at({Family::ipv4, "filter"}).entries == 7);
  CHECK(tables.at({Family::ipv4, "raw"}).entries == 2);
}
