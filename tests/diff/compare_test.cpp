#include <catch2/catch.hpp>

#include "diff/diff.h"
#include "support/rulesets.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

const std::string kSsh = "-p tcp -m tcp --dport 22 -j ACCEPT";
const std::string kWeb = "-p tcp -m tcp --dport 80 -j ACCEPT";
const std::string kDns = "-p udp -m udp --dport 53 -j ACCEPT";
const std::string kLocal = "-i lo -j ACCEPT";
const std::string kBad = "-s 198.51.100.0/24 -j DROP";

}  // namespace

TEST_CASE("equal rulesets have no difference") {
  const auto rules = input({kSsh, kWeb});
  const auto diff = compare(rules, rules);
  CHECK(diff.equal());
  CHECK_FALSE(diff.respelled);
}

TEST_CASE("a table that is missing equals an empty one with policy ACCEPT") {
  const auto empty = v4("*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n");
  CHECK(compare(Ruleset{}, empty).equal());
  CHECK(compare(empty, Ruleset{}).equal());
  const auto dropping = v4("*filter\n:INPUT DROP [0:0]\nCOMMIT\n");
  CHECK(lines(compare(Ruleset{}, dropping)) == Lines{"policy filter/INPUT {ACCEPT} -> {DROP}"});
  CHECK(lines(compare(dropping, Ruleset{})) == Lines{"policy filter/INPUT {DROP} -> {ACCEPT}"});
}

TEST_CASE("the same rules on another backend are respelled, not changed") {
  const auto nft = input({kSsh});
  auto legacy = nft;
  legacy.backend = Backend::legacy;
  for (const auto& diff : {compare(legacy, nft), compare(nft, legacy)}) {
    CHECK(diff.equal());
    CHECK(diff.respelled);
  }
  CHECK_FALSE(compare(Ruleset{}, Ruleset{.backend = Backend::legacy}).respelled);
  const auto changed = compare(legacy, input({kSsh, kWeb}));
  REQUIRE(lines(changed) == Lines{"added filter/INPUT >2 {" + kWeb + "}"});
  CHECK(changed.changes[0].backend == Backend::nft);
}

TEST_CASE("where both backends are in use each is held against itself") {
  const Ruleset legacy{.v4 = input({kSsh}).v4, .backend = Backend::legacy};
  const Ruleset both{.v4 = input({kWeb}).v4, .v4_legacy = input({kSsh}).v4};
  const auto came = compare(legacy, both);
  REQUIRE(lines(came) == Lines{"added filter/INPUT >1 {" + kWeb + "}"});
  CHECK(came.changes[0].backend == Backend::nft);
  const auto went = compare(both, legacy);
  REQUIRE(lines(went) == Lines{"removed filter/INPUT 1> {" + kWeb + "}"});
  CHECK(went.changes[0].backend == Backend::nft);
  const auto gone = compare(input({kWeb}), Ruleset{.backend = Backend::legacy});
  REQUIRE(lines(gone) == Lines{"removed filter/INPUT 1> {" + kWeb + "}"});
  CHECK(gone.changes[0].backend == Backend::nft);
  const auto third = compare(both, Ruleset{.v4 = input({kDns}).v4, .backend = Backend::legacy});
  REQUIRE(third.changes.size() == 3);
  CHECK(third.changes[0].backend == Backend::nft);
  CHECK(third.changes[2].backend == Backend::legacy);
}

TEST_CASE("rules that came and went are named with their positions") {
  CHECK(lines(compare(input({kLocal, kSsh}), input({kLocal, kSsh, kWeb}))) ==
        Lines{"added filter/INPUT >3 {" + kWeb + "}"});
  CHECK(lines(compare(input({kLocal, kBad, kSsh}), input({kLocal, kSsh}))) ==
        Lines{"removed filter/INPUT 2> {" + kBad + "}"});
  CHECK(lines(compare(Ruleset{}, input({kSsh}))) == Lines{"added filter/INPUT >1 {" + kSsh + "}"});
}

TEST_CASE("the same rule with other parts is changed, and the parts are shown") {
  const auto diff =
      compare(input({kLocal, "-p tcp -m tcp --dport 2222 -j ACCEPT", kWeb}), input({kLocal, kSsh, kWeb}));
  CHECK(lines(diff) == Lines{"changed filter/INPUT 2>2 {-p tcp -m tcp --dport 2222 -j ACCEPT} -> {" + kSsh +
                             "} [--dport: 2222 -> 22]"});
}

TEST_CASE("rules that share too little are one removed and one added") {
  CHECK(lines(compare(input({kBad}), input({kSsh}))) ==
        Lines{"removed filter/INPUT 1> {" + kBad + "}", "added filter/INPUT >1 {" + kSsh + "}"});
}

TEST_CASE("of several candidates the most similar rule is the changed one") {
  const auto diff = compare(input({"-s 10.0.0.1/32 -p tcp -m tcp --dport 22 -j ACCEPT"}),
                            input({"-s 10.0.0.2/32 -p tcp -m tcp --dport 23 -j ACCEPT",
                                   "-s 10.0.0.2/32 -p tcp -m tcp --dport 22 -j ACCEPT"}));
  REQUIRE(diff.changes.size() == 2);
  CHECK(line(diff.changes[0]) == "added filter/INPUT >1 {-s 10.0.0.2/32 -p tcp -m tcp --dport 23 -j ACCEPT}");
  CHECK(line(diff.changes[1]) ==
        "changed filter/INPUT 1>2 {-s 10.0.0.1/32 -p tcp -m tcp --dport 22 -j ACCEPT} -> "
        "{-s 10.0.0.2/32 -p tcp -m tcp --dport 22 -j ACCEPT} [-s: 10.0.0.1/32 -> 10.0.0.2/32]");
}

TEST_CASE("a part that came or went is shown as such") {
  const auto diff = compare(input({kSsh}), input({"-s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j ACCEPT"}));
  CHECK(lines(diff) ==
        Lines{"changed filter/INPUT 1>1 {" + kSsh +
              "} -> {-s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j ACCEPT} [-s: none -> 10.0.0.0/8]"});
}

TEST_CASE("large gaps are paired in order") {
  Lines from;
  Lines to;
  for (int i = 0; i < 100; ++i) {
    from.push_back("-s 10.0.0." + std::to_string(i) + "/32 -p tcp -m tcp --dport 22 -j ACCEPT");
    to.push_back("-s 10.0.1." + std::to_string(i) + "/32 -p tcp -m tcp --dport 22 -j ACCEPT");
  }
  const auto diff = compare(input(from), input(to));
  REQUIRE(diff.changes.size() == 100);
  for (const auto& change : diff.changes) {
    REQUIRE(change.kind == ChangeKind::changed);
    REQUIRE(change.from_pos == change.to_pos);
  }
}

TEST_CASE("a rule at another place is moved") {
  CHECK(lines(compare(input({kBad, kSsh, kWeb}), input({kSsh, kWeb, kBad}))) ==
        Lines{"moved filter/INPUT 1>3 {" + kBad + "} -> {" + kBad + "}"});
}

TEST_CASE("a move past rules that no packet can share with it has no effect") {
  CHECK(lines(compare(input({kSsh, kDns, kWeb}), input({kDns, kWeb, kSsh}))) ==
        Lines{"moved filter/INPUT 1>3 {" + kSsh + "} -> {" + kSsh + "} no effect"});
}

TEST_CASE("a move past a changed rule counts both of its versions") {
  const auto diff = compare(input({kSsh, "-s 10.0.0.0/8 -p udp -m udp --dport 53 -j DROP", kWeb, kLocal}),
                            input({"-s 10.0.0.0/8 -p tcp -m tcp --dport 53 -j DROP", kWeb, kLocal, kSsh}));
  const auto moved = std::ranges::find(diff.changes, ChangeKind::moved, &Change::kind);
  REQUIRE(moved != diff.changes.end());
  CHECK(moved->no_effect);
  const auto wider = compare(input({kSsh, "-s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j DROP", kWeb, kLocal}),
                             input({"-s 10.0.0.0/8 -p tcp -m tcp --dport 53 -j DROP", kWeb, kLocal, kSsh}));
  const auto unsafe = std::ranges::find(wider.changes, ChangeKind::moved, &Change::kind);
  REQUIRE(unsafe != wider.changes.end());
  CHECK_FALSE(unsafe->no_effect);
}

TEST_CASE("a change of comment alone is a comment") {
  const auto from = input({"-i lo -m comment --comment \"old words\" -j ACCEPT"});
  const auto to = input({"-i lo -m comment --comment new -j ACCEPT"});
  CHECK(lines(compare(from, to)) ==
        Lines{"comment filter/INPUT 1>1 {-i lo -m comment --comment \"old words\" -j ACCEPT} -> "
              "{-i lo -m comment --comment new -j ACCEPT} [--comment: \"old words\" -> new]"});
  CHECK(lines(compare(input({kLocal}), to)) ==
        Lines{"comment filter/INPUT 1>1 {-i lo -j ACCEPT} -> {-i lo -m comment --comment new -j ACCEPT} "
              "[--comment: none -> new]"});
}

TEST_CASE("a moved rule with another comment is moved, with a part") {
  const std::string plain = "-s 198.51.100.0/24 -j DROP";
  const std::string commented = "-s 198.51.100.0/24 -m comment --comment spam -j DROP";
  CHECK(lines(compare(input({plain, kSsh, kWeb}), input({kSsh, kWeb, commented}))) ==
        Lines{"moved filter/INPUT 1>3 {" + plain + "} -> {" + commented + "} [--comment: none -> spam]"});
}

TEST_CASE("a changed rule shows its comment too") {
  const auto diff =
      compare(input({"-p tcp -m tcp --dport 2222 -m comment --comment ssh -j ACCEPT"}), input({kSsh}));
  REQUIRE(diff.changes.size() == 1);
  CHECK(diff.changes[0].kind == ChangeKind::changed);
  REQUIRE(diff.changes[0].parts.size() == 2);
  CHECK(diff.changes[0].parts[0].part == "--dport");
  CHECK(diff.changes[0].parts[1].part == "--comment");
}

TEST_CASE("other words of the same meaning are no change") {
  const auto diff = compare(input({"-p tcp --dport 22 -j ACCEPT", kWeb}), input({kSsh, kWeb}));
  CHECK(diff.equal());
  CHECK(diff.respelled);
}

TEST_CASE("equal rules in two spellings that changed places are no change") {
  const std::string spelled = "-p tcp --dport 22 -j ACCEPT";
  CHECK(compare(input({kWeb, spelled, kSsh, kDns}), input({kWeb, kSsh, spelled, kDns})).equal());
  const auto diff = compare(input({kLocal, spelled, kSsh, kDns}), input({kWeb, kSsh, spelled, kBad}));
  for (const auto& change : diff.changes) CHECK_FALSE(change.from.value_or("") == spelled);
}

TEST_CASE("a chain that came or went is told with its rules") {
  const auto without = filter({});
  const auto with = filter({":WEB - [0:0]", "-A WEB " + kWeb, "-A WEB " + kSsh});
  CHECK(lines(compare(without, with)) == Lines{"chain-added filter/WEB {WEB}",
                                               "added filter/WEB >1 {" + kWeb + "}",
                                               "added filter/WEB >2 {" + kSsh + "}"});
  CHECK(lines(compare(with, without)) == Lines{"chain-removed filter/WEB {WEB}",
                                               "removed filter/WEB 1> {" + kWeb + "}",
                                               "removed filter/WEB 2> {" + kSsh + "}"});
}

TEST_CASE("a renamed chain is one change, and jumps to it are none") {
  const auto from = filter({":OLD - [0:0]", "-A INPUT -i eth0 -j OLD", "-A OLD " + kWeb});
  const auto to = filter({":NEW - [0:0]", "-A INPUT -i eth0 -j NEW", "-A NEW " + kWeb});
  const auto diff = compare(from, to);
  CHECK(lines(diff) == Lines{"chain-renamed filter/NEW {OLD} -> {NEW}"});
  CHECK_FALSE(diff.respelled);
}

TEST_CASE("renamed chains that call each other are found leaves first") {
  const auto from = filter({":A1 - [0:0]", ":B1 - [0:0]", ":C1 - [0:0]", "-A INPUT -j A1",
                            "-A A1 -p tcp -j B1", "-A B1 -s 10.0.0.0/8 -g C1", "-A C1 " + kWeb});
  const auto to = filter({":A2 - [0:0]", ":B2 - [0:0]", ":C2 - [0:0]", "-A INPUT -j A2", "-A A2 -p tcp -j B2",
                          "-A B2 -s 10.0.0.0/8 -g C2", "-A C2 " + kWeb});
  CHECK(lines(compare(from, to)) == Lines{"chain-renamed filter/A2 {A1} -> {A2}",
                                          "chain-renamed filter/B2 {B1} -> {B2}",
                                          "chain-renamed filter/C2 {C1} -> {C2}"});
}

TEST_CASE("a renamed chain may have a few changed rules") {
  const auto from =
      filter({":OLD - [0:0]", "-A INPUT -j OLD", "-A OLD " + kWeb, "-A OLD " + kSsh, "-A OLD " + kDns});
  const auto to =
      filter({":NEW - [0:0]", "-A INPUT -j NEW", "-A NEW " + kWeb, "-A NEW " + kSsh, "-A NEW " + kBad});
  CHECK(lines(compare(from, to)) == Lines{"chain-renamed filter/NEW {OLD} -> {NEW}",
                                          "removed filter/NEW 3> {" + kDns + "}",
                                          "added filter/NEW >3 {" + kBad + "}"});
}

TEST_CASE("a chain that could have become either of two is not called renamed") {
  const auto from = filter({":OLD - [0:0]", "-A OLD " + kWeb, "-A OLD " + kSsh, "-A OLD " + kDns});
  const auto to = filter({":ONE - [0:0]", ":TWO - [0:0]", "-A ONE " + kWeb, "-A ONE " + kSsh,
                          "-A ONE " + kBad, "-A TWO " + kWeb, "-A TWO " + kSsh, "-A TWO " + kLocal});
  CHECK(summary(compare(from, to)).count(ChangeKind::chain_renamed) == 0);
}

TEST_CASE("an empty chain is never called renamed") {
  const auto counts = summary(compare(filter({":OLD - [0:0]"}), filter({":NEW - [0:0]"})));
  CHECK(counts ==
        std::map<ChangeKind, std::size_t>{{ChangeKind::chain_added, 1}, {ChangeKind::chain_removed, 1}});
}

TEST_CASE("families and backends are compared each with its like") {
  const auto text = filter_text({"-A INPUT " + kLocal});
  const Ruleset ipv6{.v6 = tables(text, Family::ipv6)};
  auto diff = compare(Ruleset{}, ipv6);
  REQUIRE(diff.changes.size() == 1);
  CHECK(diff.changes[0].family == Family::ipv6);
  CHECK(diff.changes[0].backend == Backend::nft);
  const Ruleset legacy{.v4_legacy = tables(text)};
  diff = compare(legacy, v4(text));
  REQUIRE(diff.changes.size() == 2);
  CHECK(diff.changes[0].kind == ChangeKind::added);
  CHECK(diff.changes[0].backend == Backend::nft);
  CHECK(diff.changes[1].kind == ChangeKind::removed);
  CHECK(diff.changes[1].backend == Backend::legacy);
}

TEST_CASE("changes come in the order of tables, chains and positions") {
  const auto to =
      v4(filter_text({":ALPHA - [0:0]", "-A OUTPUT " + kDns, "-A INPUT " + kSsh, "-A ALPHA " + kWeb}) +
         "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING -i lo -j ACCEPT\nCOMMIT\n");
  CHECK(lines(compare(Ruleset{}, to)) ==
        Lines{"added raw/PREROUTING >1 {-i lo -j ACCEPT}", "added filter/INPUT >1 {" + kSsh + "}",
              "added filter/OUTPUT >1 {" + kDns + "}", "chain-added filter/ALPHA {ALPHA}",
              "added filter/ALPHA >1 {" + kWeb + "}"});
}

TEST_CASE("sets are added and removed with their members") {
  const auto with =
      sets("create black hash:ip family inet hashsize 1024 maxelem 65536\nadd black 10.0.0.1\n");
  CHECK(lines(compare(Ruleset{}, with)) ==
        Lines{"set-added black {create black hash:ip family inet hashsize 1024 maxelem 65536} "
              "[member: none -> 10.0.0.1]"});
  CHECK(lines(compare(with, Ruleset{})) ==
        Lines{"set-removed black {create black hash:ip family inet hashsize 1024 maxelem 65536} "
              "[member: 10.0.0.1 -> none]"});
}

TEST_CASE("members are one change a set, sorted") {
  const std::string head = "create black hash:ip family inet hashsize 1024 maxelem 65536\n";
  const auto from = sets(head + "add black 10.0.0.9\nadd black 10.0.0.1\nadd black 10.0.0.5\n");
  const auto to = sets(head + "add black 10.0.0.7\nadd black 10.0.0.1\nadd black 10.0.0.2\n");
  CHECK(lines(compare(from, to)) ==
        Lines{"members black [member: none -> 10.0.0.2] [member: 10.0.0.5 -> none] "
              "[member: none -> 10.0.0.7] [member: 10.0.0.9 -> none]"});
}

TEST_CASE("what the kernel does to a set by itself is no change") {
  const std::string head = "create black hash:ip family inet hashsize 1024 maxelem 65536 timeout 600\n";
  const auto from = sets(head + "add black 10.0.0.1 timeout 0\nadd black 10.0.0.2 timeout 20\n");
  // It grows, one member runs out, another one comes.
  const auto to = sets(
      "create black hash:ip family inet hashsize 4096 maxelem 65536 timeout 600\n"
      "add black 10.0.0.3 timeout 580\nadd black 10.0.0.1 timeout 0\n");
  CHECK(compare(from, to).equal());
  // A member whose timeout begins to run stays no longer.
  CHECK(lines(compare(from, sets(head + "add black 10.0.0.1 timeout 20\n"))) ==
        Lines{"members black [member: 10.0.0.1 timeout 0 -> none]"});
}

TEST_CASE("a set of another type or with other options is changed") {
  const auto from = sets("create black hash:ip family inet hashsize 1024 maxelem 1000\nadd black 10.0.0.1\n");
  const auto to =
      sets("create black hash:net family inet hashsize 1024 maxelem 2000 counters\nadd black 10.0.0.1\n");
  CHECK(
      lines(compare(from, to)) ==
      Lines{"set-changed black {create black hash:ip family inet hashsize 1024 maxelem 1000} -> "
            "{create black hash:net family inet hashsize 1024 maxelem 2000 counters} [maxelem: 1000 -> 2000] "
            "[type: hash:ip -> hash:net] [counters: none -> ]"});
}

TEST_CASE("the order of a list of sets counts") {
  const std::string head =
      "create a hash:ip family inet\ncreate b hash:ip family inet\ncreate all list:set size 8\n";
  const auto diff = compare(sets(head + "add all a\nadd all b\n"), sets(head + "add all b\nadd all a\n"));
  REQUIRE(diff.changes.size() == 1);
  CHECK(diff.changes[0].kind == ChangeKind::members);
  CHECK(diff.changes[0].parts.size() == 2);
}

TEST_CASE("a million members are compared") {
  std::string text = "create black hash:ip family inet hashsize 1024 maxelem 2000000\n";
  std::string other = text;
  for (int i = 0; i < 1'000'000; ++i) {
    const auto member = "add black 10." + std::to_string(i >> 16) + '.' + std::to_string((i >> 8) & 255) +
                        '.' + std::to_string(i & 255) + '\n';
    if (i != 500'000) text += member;
    if (i != 17) other += member;
  }
  const auto diff = compare(sets(text), sets(other));
  CHECK(lines(diff) == Lines{"members black [member: 10.0.0.17 -> none] [member: none -> 10.7.161.32]"});
}

TEST_CASE("a summary counts the kinds that are there") {
  const auto diff = compare(input({kBad, kSsh}), input({kWeb, kSsh, kDns}));
  CHECK(summary(diff) == std::map<ChangeKind, std::size_t>{{ChangeKind::added, 2}, {ChangeKind::removed, 1}});
  CHECK(summary(Diff{}).empty());
}

TEST_CASE("kinds have the names of the manual") {
  CHECK(name(ChangeKind::added) == "added");
  CHECK(name(ChangeKind::chain_renamed) == "chain-renamed");
  CHECK(name(ChangeKind::set_changed) == "set-changed");
  CHECK(name(ChangeKind::members) == "members");
}
