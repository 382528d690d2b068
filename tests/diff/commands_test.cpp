#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "core/file.h"
#include "core/text.h"
#include "diff/diff.h"
#include "kernel_rules.h"
#include "random_rules.h"
#include "rules/print.h"
#include "support/corpus.h"
#include "support/rulesets.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

const std::string kWeb = "-p tcp -m tcp --dport 80 -j ACCEPT";
const std::string kSsh = "-p tcp -m tcp --dport 22 -j ACCEPT";
const std::string kLocal = "-i lo -j ACCEPT";

std::string saved(const TestKernel& kernel, const std::string& program, Family family) {
  return canonical_text(saved_tables(kernel.save(program), family));
}

// "add" lines as a set, and of the "create" lines what the maker chose.
Lines members_of(const std::string& save) {
  Lines out;
  for (const auto line : split_lines(save)) {
    if (line.starts_with("add ")) out.emplace_back(line);
  }
  std::ranges::sort(out);
  return out;
}

Lines creates_of(const std::string& save) {
  Lines out;
  for (const auto line : split_lines(save)) {
    if (!line.starts_with("create ")) continue;
    Lines words;
    for (const auto word : split(line, ' ')) words.emplace_back(word);
    const auto chosen = std::ranges::find(words, "bucketsize");
    if (chosen != words.end()) words.erase(chosen, std::min(words.end(), chosen + 4));
    const auto comment = line.ends_with(" comment");
    if (comment && words.back() != "comment") words.emplace_back("comment");
    out.push_back(join(words, " "));
  }
  std::ranges::sort(out);
  return out;
}

void check_kernel(const TestKernel& kernel, const Ruleset& wanted) {
  REQUIRE(saved(kernel, "iptables-save", Family::ipv4) == canonical_text(wanted.v4));
  REQUIRE(saved(kernel, "ip6tables-save", Family::ipv6) == canonical_text(wanted.v6));
  REQUIRE(saved(kernel, "iptables-legacy-save", Family::ipv4) == canonical_text(wanted.v4_legacy));
  REQUIRE(saved(kernel, "ip6tables-legacy-save", Family::ipv6) == canonical_text(wanted.v6_legacy));
  const auto sets = kernel.run({"ipset", "save"}).out;
  const auto wanted_sets = canonical_text(wanted.sets);
  REQUIRE(members_of(sets) == members_of(wanted_sets));
  REQUIRE(creates_of(sets) == creates_of(wanted_sets));
}

struct Dump {
  std::string name{};
  Family family = Family::ipv4;
};

std::vector<Dump> loadable_dumps(const std::string& folder) {
  std::vector<Dump> out;
  const auto manifest = read_file(folder + "/manifest.tsv");
  REQUIRE(manifest);
  for (const auto line : split_lines(*manifest)) {
    const auto fields = split(line, '\t');
    // The big geo-blocking host would be 11,764 runs of iptables.
    if (fields.size() < 9 || fields[8] != "0" || fields[6].size() > 3) continue;
    out.push_back({std::string(fields[0]), fields[5] == "6" ? Family::ipv6 : Family::ipv4});
  }
  return out;
}

// What the kernel says of a dump once it is loaded.
Tables loaded(const Dump& dump, const std::string& folder) {
  const TestKernel kernel;
  const auto text = read_file(folder + "/dumps/" + dump.name);
  REQUIRE(text);
  const std::string program = dump.family == Family::ipv6 ? "ip6tables" : "iptables";
  INFO(dump.name);
  REQUIRE(kernel.run({program + "-restore"}, *text).ok());
  return tables(kernel.save(program + "-save"), dump.family);
}

}  // namespace

TEST_CASE("equal rulesets need no command") {
  const auto rules = input({kWeb});
  CHECK(commands(rules, rules).empty());
}

TEST_CASE("rules are added, removed and replaced where they are") {
  CHECK(commands(input({kLocal}), input({kLocal, kWeb})) == Lines{"iptables -A INPUT " + kWeb});
  CHECK(commands(input({kLocal}), input({kWeb, kLocal})) == Lines{"iptables -I INPUT 1 " + kWeb});
  CHECK(commands(input({kLocal, kWeb}), input({kLocal})) == Lines{"iptables -D INPUT 2"});
  CHECK(commands(input({kLocal, kWeb}), input({kLocal, kSsh})) == Lines{"iptables -R INPUT 2 " + kSsh});
  CHECK(commands(input({kLocal, kWeb}), Ruleset{}) == Lines{"iptables -F INPUT"});
}

TEST_CASE("other words of the same meaning are replaced too") {
  CHECK(commands(input({"-p tcp --dport 80 -j ACCEPT"}), input({kWeb})) ==
        Lines{"iptables -R INPUT 1 " + kWeb});
}

TEST_CASE("a policy of DROP comes last, one of ACCEPT first") {
  const auto closed = v4("*filter\n:INPUT DROP [0:0]\n-A INPUT " + kWeb + "\nCOMMIT\n");
  CHECK(commands(Ruleset{}, closed) == Lines{"iptables -A INPUT " + kWeb, "iptables -P INPUT DROP"});
  CHECK(commands(closed, Ruleset{}) == Lines{"iptables -P INPUT ACCEPT", "iptables -F INPUT"});
}

TEST_CASE("chains are made before their jumps, removed after them, and renamed in place") {
  const auto plain = filter({"-A INPUT " + kLocal});
  const auto with = filter({":WEB - [0:0]", "-A INPUT " + kLocal, "-A INPUT -j WEB", "-A WEB " + kWeb});
  CHECK(commands(plain, with) ==
        Lines{"iptables -N WEB", "iptables -A INPUT -j WEB", "iptables -A WEB " + kWeb});
  CHECK(commands(with, plain) == Lines{"iptables -D INPUT 2", "iptables -F WEB", "iptables -X WEB"});
  const auto renamed = filter({":NEW - [0:0]", "-A INPUT " + kLocal, "-A INPUT -j NEW", "-A NEW " + kWeb});
  CHECK(commands(with, renamed) == Lines{"iptables -E WEB NEW"});
}

TEST_CASE("what iptables refuses is a here-document to iptables-restore") {
  const auto nat = v4("*nat\n:PREROUTING DROP [0:0]\nCOMMIT\n");
  CHECK(commands(Ruleset{}, nat) ==
        Lines{"iptables-restore --noflush <<'EOF'\n*nat\n:PREROUTING DROP [0:0]\nCOMMIT\nEOF"});
  CHECK(commands(nat, Ruleset{}) == Lines{"iptables -t nat -P PREROUTING ACCEPT"});
  const auto log = filter({":LOG - [0:0]", "-A INPUT -j LOG", "-A LOG " + kWeb});
  CHECK(commands(Ruleset{}, log) ==
        Lines{"iptables-restore --noflush <<'EOF'\n*filter\n:LOG - [0:0]\n-A INPUT -j LOG\nCOMMIT\nEOF",
              "iptables -A LOG " + kWeb});
  // A declaration empties the chain.
  const auto forward = filter({":LOG - [0:0]", "-A INPUT -j LOG", "-A FORWARD -j LOG", "-A LOG " + kWeb});
  CHECK(commands(log, forward) == Lines{"iptables-restore --noflush <<'EOF'\n*filter\n:LOG - [0:0]\n-A LOG " +
                                        kWeb + "\n-A FORWARD -j LOG\nCOMMIT\nEOF"});
  CHECK(commands(forward, log) == Lines{"iptables -F FORWARD"});
  const auto dash = saved_tables(filter_text({":-x - [0:0]", "-A INPUT -j -x"}));
  CHECK(commands(Ruleset{.backend = Backend::legacy}, Ruleset{.v4 = dash, .backend = Backend::legacy}) ==
        Lines{"iptables-legacy-restore --noflush <<'EOF'\n*filter\n:-x - [0:0]\nCOMMIT\nEOF",
              "iptables-legacy -A INPUT -j -x"});
  CHECK(commands(Ruleset{.v6 = dash}, Ruleset{}) == Lines{"ip6tables -F INPUT", "ip6tables -X-x"});
}

TEST_CASE("a name that is a target's on one side and a chain's on the other is not the same jump") {
  const auto target = filter({"-A INPUT -j LOG"});
  const auto chain = filter({":LOG - [0:0]", "-A INPUT -j LOG"});
  CHECK(commands(target, chain) ==
        Lines{"iptables -D INPUT 1",
              "iptables-restore --noflush <<'EOF'\n*filter\n:LOG - [0:0]\n-A INPUT -j LOG\nCOMMIT\nEOF"});
  CHECK(commands(chain, target) ==
        Lines{"iptables -D INPUT 1", "iptables -X LOG", "iptables -A INPUT -j LOG"});
}

TEST_CASE("words are quoted for a shell") {
  CHECK(commands(input({}), input({"-m comment --comment \"it's \\\"$(id)\\\"\" -j ACCEPT"})) ==
        Lines{"iptables -A INPUT -m comment --comment 'it'\\''s \"$(id)\"' -j ACCEPT"});
}

TEST_CASE("each slot has its program, other tables than filter are named") {
  const auto nat = tables("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n");
  CHECK(commands(Ruleset{}, Ruleset{.v4 = nat}) == Lines{"iptables -t nat -A POSTROUTING -j MASQUERADE"});
  CHECK(commands(Ruleset{}, Ruleset{.v6 = nat}) == Lines{"ip6tables -t nat -A POSTROUTING -j MASQUERADE"});
  CHECK(commands(Ruleset{}, Ruleset{.v4_legacy = nat}) ==
        Lines{"iptables-legacy -t nat -A POSTROUTING -j MASQUERADE"});
  CHECK(commands(Ruleset{}, Ruleset{.v6_legacy = nat}) ==
        Lines{"ip6tables-legacy -t nat -A POSTROUTING -j MASQUERADE"});
}

TEST_CASE("where two backends come into question each program names its own") {
  const auto ssh = input({kSsh}).v4;
  const auto web = input({kWeb}).v4;
  const Ruleset nft{.v4 = web};
  const Ruleset legacy{.v4 = ssh, .backend = Backend::legacy};
  const Ruleset both{.v4 = web, .v4_legacy = ssh};
  CHECK(commands(legacy, Ruleset{.v4 = web, .backend = Backend::legacy}) ==
        Lines{"iptables-legacy -R INPUT 1 " + kWeb});
  CHECK(commands(both, Ruleset{.v4 = ssh, .v4_legacy = ssh}) == Lines{"iptables-nft -R INPUT 1 " + kSsh});
  CHECK(commands(legacy, both) == Lines{"iptables-nft -A INPUT " + kWeb});
  CHECK(commands(both, legacy) == Lines{"iptables-nft -F INPUT"});
  CHECK(commands(nft, both) == Lines{"iptables-legacy -A INPUT " + kSsh});
}

TEST_CASE("a host that goes over to the other backend gets its rules there before it loses them here") {
  const Ruleset legacy{.v4 = input({kSsh}).v4, .backend = Backend::legacy};
  const Ruleset nft{.v4 = input({kSsh}).v4};
  CHECK(commands(legacy, nft) == Lines{"iptables-nft -A INPUT " + kSsh, "iptables-legacy -F INPUT"});
  CHECK(commands(nft, legacy) == Lines{"iptables-legacy -A INPUT " + kSsh, "iptables-nft -F INPUT"});
}

TEST_CASE("the commands move rules from one backend to the other in the kernel") {
  const TestKernel kernel;
  const auto rules =
      v4("*filter\n:INPUT DROP [0:0]\n:WEB - [0:0]\n-A INPUT -j WEB\n-A WEB " + kWeb + "\nCOMMIT\n").v4;
  const Ruleset nft{.v4 = rules};
  const Ruleset legacy{.v4 = rules, .backend = Backend::legacy};
  const auto wanted = canonical_text(rules);
  kernel.shell(commands(Ruleset{}, nft));
  kernel.shell(commands(nft, legacy));
  CHECK(saved(kernel, "iptables-legacy-save", Family::ipv4) == wanted);
  CHECK(saved(kernel, "iptables-nft-save", Family::ipv4).empty());
  const Ruleset both{.v4 = filter({"-A INPUT " + kSsh}).v4, .v4_legacy = rules};
  kernel.shell(commands(legacy, both));
  CHECK(saved(kernel, "iptables-legacy-save", Family::ipv4) == wanted);
  CHECK(saved(kernel, "iptables-nft-save", Family::ipv4) == canonical_text(both.v4));
  kernel.shell(commands(both, nft));
  CHECK(saved(kernel, "iptables-legacy-save", Family::ipv4).empty());
  CHECK(saved(kernel, "iptables-nft-save", Family::ipv4) == wanted);
}

TEST_CASE("sets are made before the rules that name them and removed after") {
  auto with = input({"-m set --match-set black src -j DROP"});
  with.sets = sets("create black hash:ip family inet\nadd black 10.0.0.1\n").sets;
  CHECK(commands(input({}), with) == Lines{"ipset create black hash:ip family inet",
                                           "ipset add black 10.0.0.1",
                                           "iptables -A INPUT -m set --match-set black src -j DROP"});
  CHECK(commands(with, input({})) == Lines{"iptables -F INPUT", "ipset destroy black"});
}

TEST_CASE("a set is changed by member, swapped for other options, made anew for another type") {
  auto from = input({"-m set --match-set black src -j DROP"});
  auto to = from;
  from.sets = sets("create black hash:ip family inet\nadd black 10.0.0.1\n").sets;
  to.sets = sets("create black hash:ip family inet\nadd black 10.0.0.2\n").sets;
  CHECK(commands(from, to) == Lines{"ipset del black 10.0.0.1", "ipset add black 10.0.0.2"});
  to.sets = sets("create black hash:ip family inet counters\nadd black 10.0.0.1\n").sets;
  CHECK(commands(from, to) == Lines{"ipset create rewall-aside hash:ip family inet counters",
                                    "ipset add rewall-aside 10.0.0.1", "ipset swap rewall-aside black",
                                    "ipset destroy rewall-aside"});
  to.sets = sets("create black hash:net family inet\nadd black 10.0.0.1\n").sets;
  CHECK(commands(from, to) == Lines{"iptables -F INPUT", "ipset destroy black",
                                    "ipset create black hash:net family inet", "ipset add black 10.0.0.1",
                                    "iptables -A INPUT -m set --match-set black src -j DROP"});
}

TEST_CASE("members with a comment are added by ipset restore") {
  // ipset 7.22 crashes on a comment among its arguments.
  const auto from = sets("create s hash:ip family inet comment\nadd s 10.0.0.9\n");
  const auto to = sets(
      "create s hash:ip family inet comment\nadd s 10.0.0.1 comment \"it's $(id)\"\nadd s 10.0.0.2 comment "
      "\"a b\"\nadd s 10.0.0.3\nadd s 10.0.0.4 timeout 0 comment \"c\"\n");
  CHECK(commands(from, to) ==
        Lines{"ipset del s 10.0.0.9",
              "ipset restore <<'EOF'\nadd s 10.0.0.1 comment \"it's $(id)\"\nadd s 10.0.0.2 comment \"a "
              "b\"\nEOF",
              "ipset add s 10.0.0.3", "ipset restore <<'EOF'\nadd s 10.0.0.4 timeout 0 comment \"c\"\nEOF"});
}

TEST_CASE("jumps that change direction never close a loop") {
  const auto from = filter({":A - [0:0]", ":B - [0:0]", "-A A -j B", "-A B " + kWeb});
  const auto to = filter({":A - [0:0]", ":B - [0:0]", "-A A " + kWeb, "-A B -j A"});
  CHECK(commands(from, to) == Lines{"iptables -D A 1", "iptables -A A " + kWeb, "iptables -R B 1 -j A"});
}

TEST_CASE("the commands turn each random ruleset into the next, word for word, in the kernel") {
  const TestKernel kernel;
  RandomRules random(5);
  Ruleset live;
  for (int round = 0; round < 60; ++round) {
    const auto wanted = random.next(live);
    const auto lines = commands(live, wanted);
    INFO("round " << round << "\n" << join(lines, "\n"));
    kernel.shell(lines);
    check_kernel(kernel, wanted);
    live = wanted;
  }
}

TEST_CASE("the commands run where iptables is stricter than iptables-restore") {
  const TestKernel kernel;
  RandomRules random(15);
  random.be_hostile();
  Ruleset live;
  for (int round = 0; round < 60; ++round) {
    const auto wanted = random.next(live);
    const auto lines = commands(live, wanted);
    INFO("round " << round << "\n" << join(lines, "\n"));
    kernel.shell(lines);
    check_kernel(kernel, wanted);
    live = wanted;
  }
  const auto lines = commands(live, Ruleset{});
  INFO(join(lines, "\n"));
  kernel.shell(lines);
  check_kernel(kernel, Ruleset{});
}

TEST_CASE("the commands turn each dump of the corpus into the next, word for word, in the kernel") {
  const std::string folder = corpus();
  const TestKernel kernel;
  Ruleset live;
  int pairs = 0;
  for (const auto& dump : loadable_dumps(folder)) {
    Ruleset wanted = live;
    (dump.family == Family::ipv6 ? wanted.v6 : wanted.v4) = loaded(dump, folder);
    INFO(dump.name);
    kernel.shell(commands(live, wanted));
    REQUIRE(saved(kernel, "iptables-save", Family::ipv4) == canonical_text(wanted.v4));
    REQUIRE(saved(kernel, "ip6tables-save", Family::ipv6) == canonical_text(wanted.v6));
    live = wanted;
    ++pairs;
  }
  CHECK(pairs > 50);
}
