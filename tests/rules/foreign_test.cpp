#include "rules/foreign.h"

#include <catch2/catch.hpp>

#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules_file.h"
#include "support/corpus.h"

using namespace rewall;

namespace {

const std::vector<Owner>& owners() {
  static const std::vector<Owner> all = default_owners();
  return all;
}

Tables tables(const std::string& text, Family family = Family::ipv4) {
  return parse_tables(text, family, "test").value();
}

/// A filter table with these lines between its policies and COMMIT.
std::string filter(const std::string& lines) {
  return "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + lines + "COMMIT\n";
}

std::string merged(const std::string& wanted, const std::string& live) {
  return canonical_text(keep_foreign({.v4 = tables(wanted)}, {.v4 = tables(live)}, owners()).ruleset.v4);
}

/// The rules of INPUT, one a line, after a merge of two INPUT chains; f2b-sshd is there in live.
std::string merged_input(const std::vector<std::string>& wanted, const std::vector<std::string>& live) {
  const auto lines = [](const std::vector<std::string>& rules) {
    std::string out;
    for (const auto& rule : rules) out += "-A INPUT " + rule + "\n";
    return out;
  };
  const auto result =
      keep_foreign({.v4 = tables(filter(":f2b-sshd -\n:f2b-web -\n" + lines(wanted)))},
                   {.v4 = tables(filter(":f2b-sshd -\n:f2b-web -\n" + lines(live)))}, owners());
  std::string out;
  for (const auto& rule : result.ruleset.v4.find("filter")->find("INPUT")->rules) {
    out += out.empty() ? "" : " | ";
    out += rule.words;
  }
  return out;
}

const std::string kSshd = "-p tcp -j f2b-sshd";
const std::string kWeb = "-p tcp -j f2b-web";
const std::string kA = "-s 10.0.0.1/32 -j ACCEPT";
const std::string kB = "-s 10.0.0.2/32 -j ACCEPT";
const std::string kC = "-s 10.0.0.3/32 -j ACCEPT";
const std::string kN = "-s 10.9.9.9/32 -j DROP";

}  // namespace

TEST_CASE("a foreign rule at the head of a chain stays at its head") {
  CHECK(merged_input({kA, kB}, {kSshd, kN, kA}) == kSshd + " | " + kA + " | " + kB);
  CHECK(merged_input({}, {kSshd, kWeb}) == kSshd + " | " + kWeb);
}

TEST_CASE("a foreign rule stands behind the nearest own rule before it that both have") {
  CHECK(merged_input({kA, kB, kC}, {kA, kB, kN, kSshd}) == kA + " | " + kB + " | " + kSshd + " | " + kC);
  CHECK(merged_input({kC, kA}, {kA, kSshd, kWeb}) == kC + " | " + kA + " | " + kSshd + " | " + kWeb);
}

TEST_CASE("a foreign rule behind rules that wanted lacks stands before the next that it has") {
  CHECK(merged_input({kA, kB}, {kN, kSshd, kB}) == kA + " | " + kSshd + " | " + kB);
  CHECK(merged_input({kA}, {kN, kSshd}) == kSshd + " | " + kA);
}

TEST_CASE("a foreign rule that both have stands where wanted has it") {
  CHECK(merged_input({kA, kSshd, kB}, {kSshd, kA}) == kA + " | " + kSshd + " | " + kB);
  // Beside it, those that only live has.
  CHECK(merged_input({kA, kSshd, kB}, {kSshd, kWeb, kA}) == kA + " | " + kSshd + " | " + kWeb + " | " + kB);
}

TEST_CASE("where the own rules are the same the chain is live's") {
  CHECK(merged_input({kA, kSshd, kB}, {kWeb, kSshd, kA, kB}) ==
        kWeb + " | " + kSshd + " | " + kA + " | " + kB);
  CHECK(merged_input({kSshd, kA}, {kA}) == kA);
}

TEST_CASE("another spelling of an own rule is an anchor too") {
  CHECK(merged_input({"-p tcp --dport 22 -j ACCEPT", kB}, {"-p tcp -m tcp --dport 22 -j ACCEPT", kSshd}) ==
        "-p tcp --dport 22 -j ACCEPT | " + kSshd + " | " + kB);
}

TEST_CASE("rules that stand twice are paired one by one") {
  CHECK(merged_input({kA, kA, kB}, {kA, kSshd, kA}) == kA + " | " + kSshd + " | " + kA + " | " + kB);
}

TEST_CASE("foreign chains of live stay as they are") {
  const auto live = filter(
      ":f2b-sshd - [0:0]\n-A INPUT -j f2b-sshd\n-A f2b-sshd -s 203.0.113.2/32 -j REJECT\n"
      "-A f2b-sshd -j RETURN\n");
  CHECK(merged(filter(":f2b-sshd - [0:0]\n-A INPUT -j f2b-sshd\n-A f2b-sshd -s 203.0.113.1/32 -j REJECT\n"
                      "-A f2b-sshd -j RETURN\n"),
               live) == live);
}

TEST_CASE("foreign chains that only wanted has are left out with the rules that lead there") {
  CHECK(merged(filter(":f2b-sshd - [0:0]\n:mine - [0:0]\n-A INPUT -j f2b-sshd\n-A INPUT -j mine\n-A mine -j "
                      "f2b-sshd\n"
                      "-A mine -j DROP\n-A f2b-sshd -j RETURN\n"),
               filter("-A INPUT -j DROP\n")) == filter(":mine - [0:0]\n-A INPUT -j mine\n-A mine -j DROP\n"));
}

TEST_CASE("what is kept and what is left out is counted by owner") {
  const auto result = keep_foreign(
      {.v4 = tables(filter(":ts-input -\n-A INPUT -j ts-input\n-A INPUT -j DROP\n"))},
      {.v4 = tables(filter(
           ":f2b-a -\n:f2b-b -\n:DOCKER -\n-A INPUT -j f2b-a\n-A INPUT -j f2b-b\n-A INPUT -j ACCEPT\n")),
       .sets = parse_sets("create f2b-c hash:ip family inet\nadd f2b-c 203.0.113.1\n", "sets").value()},
      owners());
  CHECK(to_text(result.kept) == "fail2ban (2 chains, 2 rules, 1 set), docker (1 chain)");
  CHECK(to_text(result.left_out) == "tailscale (1 chain, 1 rule)");
}

TEST_CASE("what is the same in both is not spoken of") {
  const Ruleset both{.v4 = tables(filter(":f2b-a -\n-A INPUT -j f2b-a\n-A f2b-a -j RETURN\n")),
                     .sets = parse_sets("create f2b-c hash:ip family inet timeout 600\nadd f2b-c 203.0.113.1 "
                                        "timeout 0 packets 7 bytes 8\nadd f2b-c 203.0.113.2 timeout 0\n",
                                        "sets")
                                 .value()};
  Ruleset wanted = both;
  wanted.sets = parse_sets(
                    "create f2b-c hash:ip family inet timeout 600\nadd f2b-c 203.0.113.2 timeout 0\n"
                    "add f2b-c 203.0.113.1 timeout 0\n",
                    "sets")
                    .value();
  const auto result = keep_foreign(wanted, both, owners());
  CHECK(result.kept.empty());
  CHECK(result.left_out.empty());
  // Counters are no part of what is wanted.
  CHECK(result.ruleset.sets.find("f2b-c")->members.front() == "203.0.113.1 timeout 0");
}

TEST_CASE("policies and tables are the wanted ones, and a table without foreign parts goes") {
  CHECK(
      merged(
          "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n",
          "*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n"
          "-A INPUT -j MARK --set-mark 1\nCOMMIT\n" +
              filter(":f2b-a -\n-A INPUT -j f2b-a\n")) ==
      "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:f2b-a - [0:0]\n-A INPUT -j "
      "f2b-a\n"
      "COMMIT\n");
}

TEST_CASE("a table that wanted lacks stays with its foreign parts and policies ACCEPT") {
  const std::string nat = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
  CHECK(
      merged("", nat + ":POSTROUTING DROP\n:DOCKER -\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
                       "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1\nCOMMIT\n") ==
      nat +
          ":POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
          "COMMIT\n");
}

TEST_CASE("DOCKER-USER is docker's, its rules are people's") {
  const std::string jump = "-A FORWARD -j DOCKER-USER\n";
  const auto chain = [](const std::string& rules) { return ":DOCKER-USER - [0:0]\n" + rules; };
  const std::string mine = "-A DOCKER-USER -s 203.0.113.0/24 -j DROP\n";
  const std::string later = "-A DOCKER-USER -s 198.51.100.0/24 -j DROP\n";
  const std::string ret = "-A DOCKER-USER -j RETURN\n";
  SECTION("both have it: wanted's rules") {
    CHECK(merged(filter(chain(jump + mine + ret)), filter(chain(jump + later + ret))) ==
          filter(chain(jump + mine + ret)));
  }
  SECTION("what other programs put there stays") {
    CHECK(merged(filter(chain(jump + mine)),
                 filter(chain(jump) + ":CROWDSEC_CHAIN -\n-A DOCKER-USER -j CROWDSEC_CHAIN\n" + later)) ==
          filter(":CROWDSEC_CHAIN - [0:0]\n" + chain(jump + "-A DOCKER-USER -j CROWDSEC_CHAIN\n" + mine)));
  }
  SECTION("wanted lacks it: live's, as it is") {
    CHECK(merged(filter(""), filter(chain(jump + later))) == filter(chain(jump + later)));
  }
  SECTION("live lacks it: the rules of people are brought, and the jump without which they do nothing") {
    CHECK(merged(filter(chain(jump + mine + ret)), filter("")) == filter(chain(jump + mine)));
    CHECK(merged(filter(chain(jump + mine + ret)), filter(chain(mine + ret))) ==
          filter(chain(jump + mine + ret)));
    CHECK(merged(filter(chain(jump + ret)), filter("-A INPUT -j DROP\n")).empty());
  }
}

TEST_CASE("a chain of people that a foreign one leads to stays, and that is said") {
  const auto result = keep_foreign(
      {.v4 = tables(filter(""))},
      {.v4 = tables(filter(
           ":f2b-a -\n:mine -\n:deeper -\n:unused -\n-A INPUT -j f2b-a\n-A f2b-a -j mine\n-A mine -g deeper\n"
           "-A deeper -j DROP\n"))},
      owners());
  CHECK(canonical_text(result.ruleset.v4) == filter(":deeper - [0:0]\n:f2b-a - [0:0]\n:mine - [0:0]\n-A "
                                                    "INPUT -j f2b-a\n-A deeper -j DROP\n-A f2b-a -j mine\n"
                                                    "-A mine -g deeper\n"));
  CHECK(result.notes ==
        std::vector<std::string>{"chain 'mine' of table ip filter stays: foreign rules lead there",
                                 "chain 'deeper' of table ip filter stays: foreign rules lead there"});
}

TEST_CASE("foreign sets of live stay, and one that a rule of people names is brought") {
  const auto sets = [](const std::string& text) { return parse_sets(text, "sets").value(); };
  const auto result = keep_foreign(
      {.v4 = tables(
           filter("-A INPUT -m set --match-set f2b-old src -m set ! --match-set office src -j DROP\n")),
       .sets =
           sets("create office hash:ip\nadd office 10.0.0.1\ncreate f2b-old hash:ip\nadd f2b-old 10.0.0.9\n"
                "create f2b-sshd hash:ip\nadd f2b-sshd 203.0.113.1\ncreate f2b-gone hash:ip\n")},
      {.v4 = tables(filter("")),
       .sets = sets(
           "create f2b-sshd hash:ip\nadd f2b-sshd 203.0.113.2\ncreate f2b-all list:set\nadd f2b-all extra\n"
           "create extra hash:ip\ncreate office hash:ip\nadd office 10.0.0.2\ncreate unused hash:ip\n")},
      owners());
  CHECK(canonical_text(result.ruleset.sets) ==
        "create extra hash:ip\ncreate f2b-old hash:ip\nadd f2b-old 10.0.0.9\ncreate f2b-sshd hash:ip\nadd "
        "f2b-sshd "
        "203.0.113.2\ncreate office hash:ip\nadd office 10.0.0.1\ncreate f2b-all list:set\nadd f2b-all "
        "extra\n");
  CHECK(result.notes == std::vector<std::string>{"set 'extra' stays: foreign parts name it"});
  CHECK(to_text(result.left_out) == "fail2ban (1 set)");
}

TEST_CASE("the rules of a merged ruleset outlive both of its sources") {
  Ruleset result;
  {
    const Ruleset wanted{.v4 = tables(filter("-A INPUT -s 10.0.0.1/32 -j ACCEPT\n"))};
    const Ruleset live{.v4 = tables(filter(":f2b-a -\n-A INPUT -j f2b-a\n-A f2b-a -j RETURN\n")),
                       .sets = parse_sets("create f2b-s hash:ip\nadd f2b-s 203.0.113.1\n", "sets").value()};
    result = keep_foreign(wanted, live, owners()).ruleset;
  }
  CHECK(canonical_text(result.v4) ==
        filter(":f2b-a - [0:0]\n-A INPUT -j f2b-a\n-A INPUT -s 10.0.0.1/32 -j ACCEPT\n"
               "-A f2b-a -j RETURN\n"));
  CHECK(canonical_text(result.sets) == "create f2b-s hash:ip\nadd f2b-s 203.0.113.1\n");
}

TEST_CASE("each backend keeps its own foreign parts") {
  const auto docker = tables(filter(":DOCKER -\n-A FORWARD -j DOCKER\n"));
  const auto own = tables(filter("-A INPUT -j DROP\n"));
  SECTION("legacy is wanted, nft has foreign parts: both") {
    const auto result =
        keep_foreign({.v4 = own, .backend = Backend::legacy}, {.v4 = docker}, owners()).ruleset;
    CHECK(result.backend == Backend::nft);
    CHECK(canonical_text(result.v4) == canonical_text(docker));
    CHECK(canonical_text(result.v4_legacy) == canonical_text(own));
  }
  SECTION("legacy is wanted, nft has none: legacy alone") {
    const auto result = keep_foreign({.v4 = own, .backend = Backend::legacy}, {.v4 = own}, owners()).ruleset;
    CHECK(result.backend == Backend::legacy);
    CHECK(canonical_text(result.v4) == canonical_text(own));
    CHECK_FALSE(result.both_backends());
  }
  SECTION("nft is wanted, legacy has foreign parts") {
    const auto result =
        keep_foreign({.v4 = own}, {.v4 = docker, .backend = Backend::legacy}, owners()).ruleset;
    CHECK(result.backend == Backend::nft);
    CHECK(canonical_text(result.v4) == canonical_text(own));
    CHECK(canonical_text(result.v4_legacy) == canonical_text(docker));
  }
}

TEST_CASE("where a rule of people stood is known for each backend, when the rest was taken") {
  OwnerExpressions expressions;
  OwnRuleset own(
      {.v4 = tables(filter(":f2b-sshd -\n-A INPUT -p tcp -j f2b-sshd\n-A INPUT -i lo -j ACCEPT\n")),
       .v4_legacy = tables(filter(":f2b-web -\n-A INPUT -i eth0 -j ACCEPT\n-A INPUT -p tcp -j f2b-web\n"
                                  "-A INPUT -i eth1 -j ACCEPT\n"))},
      owners(), expressions);
  const Ruleset taken = std::move(own.ruleset);
  REQUIRE(taken.v4.find("filter")->find("INPUT")->rules.size() == 1);
  REQUIRE(taken.v4_legacy.find("filter")->find("INPUT")->rules.size() == 2);
  CHECK(own.position(Family::ipv4, Backend::nft, "filter", "INPUT", 1) == 2);
  CHECK(own.position(Family::ipv4, Backend::legacy, "filter", "INPUT", 1) == 1);
  CHECK(own.position(Family::ipv4, Backend::legacy, "filter", "INPUT", 2) == 3);
}

TEST_CASE("without owners the wanted ruleset is the result") {
  const Ruleset wanted{.v4 = tables(filter(":DOCKER - [0:0]\n-A FORWARD -j DOCKER\n"))};
  const auto result = keep_foreign(wanted, {.v4 = tables(filter(":f2b-a -\n-A INPUT -j f2b-a\n"))}, {});
  CHECK(canonical_text(result.ruleset.v4) == canonical_text(wanted.v4));
  CHECK(result.kept.empty());
}

TEST_CASE(
    "real docker rules stay byte for byte over a ruleset from before docker, and are left out without "
    "docker") {
  const auto folder = corpus();
  for (const auto& row : rows(folder / "manifest.tsv")) {
    if (!row.at("file").starts_with("moby__")) continue;
    INFO(row.at("file"));
    const auto family = family_of(row);
    const auto slot = family == Family::ipv4 ? &Ruleset::v4 : &Ruleset::v6;
    Ruleset docker;
    docker.*slot = tables(contents(folder / "dumps" / row.at("file")), family);
    Ruleset before;
    before.*slot = tables(filter("-A INPUT -i lo -j ACCEPT\n-A FORWARD -j DROP\n"), family);
    const auto kept = keep_foreign({}, docker, owners());
    CHECK(canonical_text(kept.ruleset.*slot) == canonical_text(docker.*slot));
    CHECK(kept.kept.size() == 1);
    const auto back = keep_foreign(docker, before, owners());
    CHECK(canonical_text(back.ruleset.*slot).empty());
    // With people's rules: theirs, and around them every rule of docker's, in its order.
    const auto both = keep_foreign(before, docker, owners()).ruleset;
    const auto* forward = (both.*slot).find("filter")->find("FORWARD");
    REQUIRE(forward->rules.size() == 2);
    CHECK(forward->rules[0].words == "-j DOCKER-FORWARD");
    CHECK(forward->rules[1].words == "-j DROP");
    CHECK(canonical_text(keep_foreign({}, both, owners()).ruleset.*slot) == canonical_text(docker.*slot));
  }
}

TEST_CASE("where a rule jumps to is no value that looks like a jump") {
  const auto [words, target] = GENERATE(table<std::string, std::string>({
      {"-p tcp -j DROP", "DROP"},
      {"-p tcp", ""},
      {"-m comment --comment \"-j x\" -j DROP", "DROP"},
      {"-m comment --comment -j -j DROP", "DROP"},
      {"-i -jx -j DROP", "DROP"},
      {"-m recent --set --name -j --mask 255.255.255.255 --rsource -j DROP", "DROP"},
      {"-m recent --set --name -gx --mask 255.255.255.255 --rsource", ""},
      {"-jDROP", "DROP"},
      {"--jump=DROP -p tcp", "DROP"},
      {"-j \"a b\"", "a b"},
  }));
  INFO(words);
  CHECK(jump_of(words) == target);
}

TEST_CASE("rules of people stand before the RETURN that docker makes, wherever it is") {
  const std::string jump = "-A FORWARD -j DOCKER-USER\n";
  const auto chain = [](const std::string& rules) { return ":DOCKER-USER - [0:0]\n" + rules; };
  const std::string ret = "-A DOCKER-USER -j RETURN\n";
  const std::string crowd = "-A DOCKER-USER -j CROWDSEC_CHAIN\n";
  const std::string wanted = "-A DOCKER-USER -s 203.0.113.0/24 -j DROP\n";
  const std::string crowdsec = ":CROWDSEC_CHAIN - [0:0]\n";
  CHECK(merged(filter(chain(jump + wanted)), filter(chain(jump + ret))) ==
        filter(chain(jump + wanted + ret)));
  // Also where an older version put it first.
  CHECK(merged(filter(chain(jump + wanted)), filter(chain(jump + ret + wanted))) ==
        filter(chain(jump + wanted + ret)));
  CHECK(merged(filter(chain(jump + wanted)), filter(crowdsec + chain(jump + crowd + ret))) ==
        filter(crowdsec + chain(jump + crowd + wanted + ret)));
  // What the revision itself has stays where it has it.
  CHECK(merged(filter(chain(jump + ret + wanted)), filter(chain(jump + ret))) ==
        filter(chain(jump + ret + wanted)));
}
