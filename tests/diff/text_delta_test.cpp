#include "rules/text_delta.h"

#include <catch2/catch.hpp>

#include "random_rules.h"
#include "rules/foreign.h"
#include "rules/owners.h"
#include "rules/print.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

std::string described(const Diff& diff) {
  std::string text;
  for (const auto& change : diff.changes) {
    text += std::string(name(change.kind)) + ' ' + change.chain + ' ' +
            std::to_string(change.from_pos.value_or(0)) + ' ' + std::to_string(change.to_pos.value_or(0)) +
            ' ' + change.from.value_or("-") + ' ' + change.to.value_or("-") +
            (change.no_effect ? " no effect\n" : "\n");
  }
  return text;
}

}  // namespace

TEST_CASE("what two texts share is left out, chain by chain") {
  const auto text = [](const char* rules) {
    return std::string(
               "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n:b - "
               "[0:0]\n") +
           rules + "COMMIT\n";
  };
  const auto cut = [](const char* chains, const char* rules) {
    return std::string("*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n") + chains +
           rules + "COMMIT\n";
  };
  SECTION("a rule in the middle of a chain: the chain is whole, the others are gone") {
    const auto [from, to] = differing_chains(text("-A INPUT -j a\n-A a -i lo\n-A a -j LOG\n-A b -j DROP\n"),
                                             text("-A INPUT -j a\n-A a -i lo\n-A a -j DROP\n-A b -j DROP\n"));
    CHECK(from == cut(":a - [0:0]\n", "-A a -i lo\n-A a -j LOG\n"));
    CHECK(to == cut(":a - [0:0]\n", "-A a -i lo\n-A a -j DROP\n"));
  }
  SECTION("the last rule of a chain is gone") {
    const auto [from, to] =
        differing_chains(text("-A a -i lo\n-A a -j LOG\n-A b -j DROP\n"), text("-A a -i lo\n-A b -j DROP\n"));
    CHECK(from == cut(":a - [0:0]\n", "-A a -i lo\n-A a -j LOG\n"));
    CHECK(to == cut(":a - [0:0]\n", "-A a -i lo\n"));
  }
  SECTION("a chain had no rules") {
    const auto [from, to] = differing_chains(text("-A b -j DROP\n"), text("-A a -i lo\n-A b -j DROP\n"));
    CHECK(from == cut(":a - [0:0]\n", ""));
    CHECK(to == cut(":a - [0:0]\n", "-A a -i lo\n"));
  }
  SECTION("a built-in chain at the end of the text") {
    const auto [from, to] = differing_chains(text("-A OUTPUT -j DROP\n"), text(""));
    CHECK(from == cut("", "-A OUTPUT -j DROP\n"));
    CHECK(to == cut("", ""));
  }
  SECTION("a name that begins like another") {
    const auto more = [&](const char* rules) {
      auto whole = text(rules);
      return whole.insert(whole.find(":b -"), ":ab - [0:0]\n");
    };
    const auto [from, to] =
        differing_chains(more("-A a -i lo\n-A ab -j LOG\n"), more("-A a -i lo\n-A ab -j DROP\n"));
    CHECK(from == cut(":ab - [0:0]\n", "-A ab -j LOG\n"));
    CHECK(to == cut(":ab - [0:0]\n", "-A ab -j DROP\n"));
  }
  SECTION("the same text is nothing") {
    CHECK(differing_chains(text("-j a\n"), text("-j a\n")) == std::pair<std::string, std::string>{});
  }
}

TEST_CASE("texts with other chains or tables, or that are not canonical, stay whole") {
  const std::string one = "*nat\n:PREROUTING ACCEPT [0:0]\n:x - [0:0]\nCOMMIT\n";
  const std::string two = "*nat\n:PREROUTING ACCEPT [0:0]\n:y - [0:0]\nCOMMIT\n";
  CHECK(differing_chains(one, two) == std::pair{one, two});
  CHECK(differing_chains(one, "") == std::pair{one, std::string{}});
  CHECK(differing_chains("junk\n" + one, two) == std::pair{"junk\n" + one, two});
}

TEST_CASE("a comparison of what is left says the same as one of the whole") {
  std::size_t cut = 0;
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    INFO("seed " << seed);
    RandomRules random(seed);
    const auto from = canonical_text(tables(random.filter()));
    auto to = canonical_text(tables(random.filter()));
    if (random.one_in(2)) {  // a small change: the same chains
      to = from;
      std::vector<std::size_t> lines;
      for (auto at = from.find("\n-A "); at != std::string::npos; at = from.find("\n-A ", at + 1))
        lines.push_back(at + 1);
      if (lines.empty()) continue;
      const auto at = lines[random.below(lines.size())];
      to.insert(at, to.substr(at, to.find_first_of(" \n", at + 3) - at) + " -p 47 -j DROP\n");
    }
    const auto [left, right] = differing_chains(from, to);
    if (left.size() < from.size()) ++cut;
    CHECK(described(compare(v4(left), v4(right))) == described(compare(v4(from), v4(to))));
  }
  CHECK(cut > 100);
}

namespace {

const Lines kDockerAndFail2ban = {
    "*nat",
    ":PREROUTING ACCEPT [0:0]",
    ":INPUT ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":POSTROUTING ACCEPT [0:0]",
    ":DOCKER - [0:0]",
    "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
    "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
    "-A DOCKER -i docker0 -j RETURN",
    "-A DOCKER ! -i mybridge -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:80",
    "COMMIT",
    "*filter",
    ":INPUT DROP [0:0]",
    ":FORWARD DROP [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":DOCKER - [0:0]",
    ":DOCKER-USER - [0:0]",
    ":f2b-sshd - [0:0]",
    ":own-a - [0:0]",
    ":own-b - [0:0]",
    ":own-c - [0:0]",
    "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd",
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -p tcp -m tcp --dport 22 -j own-a",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -o docker0 -j DOCKER",
    "-A FORWARD -i mybridge ! -o mybridge -j ACCEPT",
    "-A DOCKER -d 172.17.0.2/32 -p tcp -j ACCEPT",
    "-A DOCKER-USER -j RETURN",
    "-A f2b-sshd -s 203.0.113.9/32 -j REJECT",
    "-A f2b-sshd -j RETURN",
    "-A own-a -s 10.0.0.0/8 -j own-b",
    "-A own-b -m set --match-set mine src -j ACCEPT",
    "-A own-c -j DROP",
    "COMMIT"};

// Rules come and go, of people and of others, and now and then a chain.
class Edits {
 public:
  explicit Edits(std::uint32_t seed) : random_(seed) {}

  Lines edited(Lines lines) {
    for (auto n = below(4); n > 0; --n) edit(lines);
    return lines;
  }

  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  void edit(Lines& lines) {
    static const Lines kRules = {"-j own-c",
                                 "-j f2b-sshd",
                                 "-i mybridge -o mybridge -j ACCEPT",
                                 "-o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                                 "-m set --match-set f2b-web src -j REJECT",
                                 "-s 192.0.2.1/32 -j DROP",
                                 "-p udp -j ACCEPT"};
    static const Lines kChains = {"INPUT", "FORWARD", "OUTPUT", "f2b-sshd", "own-a", "own-b", "DOCKER-USER"};
    const auto commit = lines.end() - 1;
    switch (below(8)) {
      case 0: {
        const std::string chain = below(2) == 0 ? ":f2b-web - [0:0]" : ":own-d - [0:0]";
        if (std::ranges::find(lines, chain) == lines.end())
          lines.insert(std::ranges::find(lines, ":DOCKER-USER - [0:0]"), chain);
        return;
      }
      case 1:
        *(std::ranges::find(lines, "*filter") + 1) =
            below(2) == 0 ? ":INPUT ACCEPT [0:0]" : ":INPUT DROP [0:0]";
        return;
      case 2:
      case 3: {
        const auto at = lines.begin() + static_cast<std::ptrdiff_t>(below(lines.size()));
        if (at->starts_with("-A ")) lines.erase(at);
        return;
      }
      default: {
        const auto rule = "-A " + kChains[below(kChains.size())] + ' ' + kRules[below(kRules.size())];
        if (below(2) == 0) {
          lines.insert(commit, rule);
        } else {
          lines.insert(std::ranges::find(lines, ":own-c - [0:0]") + 1, rule);
        }
      }
    }
  }

  std::mt19937 random_;
};

Ruleset ruleset_with_sets(const std::string& text, const std::string& set_lines) {
  Ruleset ruleset = v4(text);
  ruleset.sets = sets(set_lines).sets;
  return ruleset;
}

}  // namespace

TEST_CASE("what is foreign is kept by the differing chains as by the whole") {
  const auto owners = default_owners();
  const std::string create =
      "create f2b-web hash:ip family inet hashsize 1024 maxelem 65536\n"
      "create mine hash:ip family inet hashsize 1024 maxelem 65536\n";
  std::size_t alone = 0;
  std::size_t kept = 0;
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    Edits edits(seed);
    const auto text = [&](const Lines& lines) {
      std::string all;
      for (const auto& line : lines) all += line + '\n';
      return canonical_text(tables(all));
    };
    const auto base = edits.edited(kDockerAndFail2ban);
    const auto live_text = text(edits.edited(base));
    const auto wanted_text = text(edits.edited(base));
    const auto live_sets = create + (edits.below(2) == 0 ? "add f2b-web 10.0.0.1\nadd mine 10.0.0.1\n" : "");
    const auto wanted_sets = edits.below(8) == 0 ? "" : create;
    REQUIRE(is_canonical(live_text));
    const auto live = ruleset_with_sets(live_text, live_sets);
    const auto wanted = ruleset_with_sets(wanted_text, wanted_sets);
    const auto [from_text, to_text_] = differing_chains(live_text, wanted_text);
    const auto from = ruleset_with_sets(from_text, live_sets);
    const auto to = ruleset_with_sets(to_text_, wanted_sets);
    CAPTURE(seed, live_text, wanted_text);
    CHECK(canonical_text(with_differing_chains(live, from, to).v4) == wanted_text);
    if (!keeps_foreign_alone(to, from, owners)) continue;
    ++alone;
    const auto by_whole = keep_foreign(wanted, live, owners);
    const auto by_part = keep_foreign(to, from, owners);
    if (!by_whole.kept.empty()) ++kept;
    const auto result = with_differing_chains(live, from, by_part.ruleset);
    CHECK(canonical_text(result.v4) == canonical_text(by_whole.ruleset.v4));
    CHECK(canonical_text(result.sets) == canonical_text(by_whole.ruleset.sets));
    CHECK(to_text(by_part.kept) == to_text(by_whole.kept));
    CHECK(to_text(by_part.left_out) == to_text(by_whole.left_out));
    CHECK(by_part.notes == by_whole.notes);
  }
  CHECK(alone > 250);
  CHECK(kept > 200);
}

TEST_CASE(
    "a rule that only an interface of other chains makes docker's is not judged by the differing chains") {
  const auto owners = default_owners();
  const std::string head =
      "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
      ":DOCKER - [0:0]\n";
  const std::string docker = "-A DOCKER ! -i mybridge -o mybridge -j DROP\nCOMMIT\n";
  const auto live = head + "-A FORWARD -i mybridge -o mybridge -j ACCEPT\n" + docker;
  const auto wanted = head + docker;
  CHECK(keep_foreign(v4(wanted), v4(live), owners).kept.size() == 1);
  const auto [from, to] = differing_chains(live, wanted);
  CHECK_FALSE(keeps_foreign_alone(v4(to), v4(from), owners));
}

TEST_CASE("texts that people wrote are not canonical") {
  const std::string head = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
  CHECK(is_canonical(""));
  CHECK(is_canonical(head + "-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n-A FORWARD -j DROP\nCOMMIT\n"));
  CHECK_FALSE(is_canonical(head + "-A INPUT -j DROP\n-A FORWARD -j DROP\n-A INPUT -j LOG\nCOMMIT\n"));
  CHECK_FALSE(is_canonical(head + "-I INPUT -j DROP\nCOMMIT\n"));
  CHECK_FALSE(is_canonical(head + "# mine\n-A INPUT -j DROP\nCOMMIT\n"));
  CHECK_FALSE(is_canonical(head + "-A INPUT -j DROP\n"));
  CHECK_FALSE(is_canonical("*filter\n:INPUT ACCEPT [12:34]\nCOMMIT\n"));
  CHECK_FALSE(is_canonical(head + "COMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"));
}
