#include "rules/rule.h"

#include <catch2/catch.hpp>

#include "rules/rules_file.h"
#include "support/corpus.h"

using namespace rewall;

namespace {

constexpr Family kFour = Family::ipv4;

ParsedRule take_apart(std::string_view words, Family family = kFour) {
  auto parts = parse_rule(words, family);
  REQUIRE(parts.has_value());
  return *std::move(parts);
}

}  // namespace

TEST_CASE("words are split as iptables-restore splits them") {
  const auto [line, wanted] = GENERATE(table<std::string, std::vector<std::string>>({
      {"", {}},
      {"  -p \t tcp ", {"-p", "tcp"}},
      {"--comment \"a b\" -j", {"--comment", "a b", "-j"}},
      {"--comment \"a \\\"b\\\" \\\\ \\'c\"", {"--comment", "a \"b\" \\ 'c"}},
      {"--log-prefix \"\"", {"--log-prefix", ""}},
      {"a\"b c\"d", {"ab c", "d"}},
      {"it's\\ fine", {"it's\\", "fine"}},
  }));
  const auto words = split_words(line);
  REQUIRE(words.has_value());
  CHECK(*words == wanted);
}

TEST_CASE("an unclosed quote is an error that names the word") {
  const auto words = split_words("-m comment --comment \"a b");
  REQUIRE_FALSE(words.has_value());
  CHECK(words.error().message == "missing closing quote: '\"a b'");
  CHECK_FALSE(parse_rule("--comment \"\\", kFour).has_value());
}

TEST_CASE("words are quoted as iptables-save quotes them") {
  CHECK(quote_word("web-1_A") == "web-1_A");
  CHECK(quote_word("") == "\"\"");
  CHECK(quote_word("test: ") == "\"test: \"");
  CHECK(quote_word("a\"b\\c'd") == "\"a\\\"b\\\\c\\'d\"");
}

TEST_CASE("a rule is taken apart into options, matches and a target") {
  const auto rule = take_apart(
      "! -s 10.0.0.0/8 -i eth0 -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m comment --comment \"a "
      "b\" -j REJECT "
      "--reject-with tcp-reset");
  CHECK(rule.options ==
        std::vector<Option>{{"-s", true, {"10.0.0.0/8"}}, {"-i", false, {"eth0"}}, {"-p", false, {"tcp"}}});
  REQUIRE(rule.matches.size() == 3);
  CHECK(rule.matches[0] == Match{"tcp", {{"--dport", false, {"22"}}}, true});
  CHECK(rule.matches[1] == Match{"conntrack", {{"--ctstate", false, {"NEW"}}}, true});
  CHECK(rule.comment == "a b");
  CHECK(rule.target == Target{"REJECT", false, {{"--reject-with", false, {"tcp-reset"}}}, true});
  CHECK(rule.unknown.empty());
}

TEST_CASE("the match of the protocol is there without being named") {
  const auto rule = take_apart("-p tcp -m limit --limit 1/s --dport 22 -j ACCEPT");
  REQUIRE(rule.matches.size() == 2);
  CHECK(rule.matches[0].name == "limit");
  CHECK(rule.matches[1] == Match{"tcp", {{"--dport", false, {"22"}}}, true});
}

TEST_CASE("a negation is the same in its old place") {
  CHECK(take_apart("-p tcp --dport ! 22").matches == take_apart("-p tcp ! --dport 22").matches);
  CHECK(take_apart("-p tcp --tcp-flags ! SYN,RST SYN").matches ==
        take_apart("-p tcp ! --tcp-flags SYN,RST SYN").matches);
  CHECK(take_apart("-s ! 10.0.0.1").options == take_apart("! -s 10.0.0.1").options);
}

TEST_CASE("an exclamation mark before an option is a value: an interface has that name") {
  const auto rule = parse_rule("-o ! -i ! eth0 -j DROP", Family::ipv4);
  REQUIRE(rule);
  REQUIRE(rule->options.size() == 2);
  CHECK_FALSE(rule->options[0].negated);
  CHECK(rule->options[0].values == std::vector<std::string>{"!"});
  CHECK(rule->options[1].negated);
  CHECK(rule->target->name == "DROP");
}

TEST_CASE("a text may look like anything") {
  const auto rule = take_apart("-m comment --comment ! -m comment --comment -j -j LOG --log-prefix -p");
  CHECK(rule.comment == "! -j");
  CHECK(rule.target == Target{"LOG", false, {{"--log-prefix", false, {"-p"}}}, true});
}

TEST_CASE("the same match may come twice, each with its own options") {
  const auto rule = take_apart("-m recent --rcheck --name a -m recent --update --name b");
  REQUIRE(rule.matches.size() == 2);
  CHECK(rule.matches[0].options == std::vector<Option>{{"--rcheck", false, {}}, {"--name", false, {"a"}}});
  CHECK(rule.matches[1].options == std::vector<Option>{{"--update", false, {}}, {"--name", false, {"b"}}});
}

TEST_CASE("an unknown match keeps its words") {
  const auto rule = take_apart("-p tcp -m foo ! --bar a b --dport 3 --flag -m mark --mark 1");
  REQUIRE(rule.matches.size() == 2);
  CHECK(rule.matches[0] ==
        Match{"foo", {{"--bar", true, {"a", "b"}}, {"--dport", false, {"3"}}, {"--flag", false, {}}}, false});
  CHECK(rule.matches[1].known);
}

TEST_CASE("a jump to a chain before its conditions is still a jump to a chain") {
  const auto rule = take_apart("-j web -p tcp --dport 80");
  CHECK(rule.target == Target{"web", false, {}, false});
  REQUIRE(rule.matches.size() == 1);
  CHECK(rule.matches[0].name == "tcp");
  CHECK(take_apart("-g web").target->go_to);
}

TEST_CASE("options can be cut short, joined to their values and written by other names") {
  CHECK(take_apart("-p tcp --destination-port=22").matches == take_apart("-p tcp --dpo 22").matches);
  CHECK(take_apart("--proto tcp --src 1.2.3.4 --out-interface eth0").options ==
        take_apart("-p tcp -s1.2.3.4 -oeth0").options);
  // iptables loads the match of a protocol that is negated too.
  CHECK(take_apart("! -p tcp --dport 22").matches == take_apart("! -p tcp -m tcp --dport 22").matches);
  // Of these ip6tables alone has the others that begin so.
  CHECK(parse_rule("-p ah --ah 5", Family::ipv4)->matches ==
        parse_rule("-p ah --ahspi 5", Family::ipv4)->matches);
  CHECK(parse_rule("-p ah --ah 5", Family::ipv6)->unknown.size() == 2);
  // What begins several options is none of them.
  CHECK(take_apart("-m recent --r").unknown == std::vector<std::string>{"--r"});
}

TEST_CASE("an option without its value is an error") {
  const auto [words, message] = GENERATE(table<std::string, std::string>({
      {"-p tcp --dport", "option '--dport' needs a value"},
      {"-s", "option '-s' needs a value"},
      {"-m", "option '-m' needs a value"},
      {"-m set --match-set foo", "option '--match-set' needs a value"},
      {"-j", "option '-j' needs a value"},
  }));
  const auto rule = parse_rule(words, kFour);
  REQUIRE_FALSE(rule.has_value());
  CHECK(rule.error().message == message);
  CHECK(rule.error().kind == ErrorKind::usage);
}

TEST_CASE("a rule that no iptables takes is refused with the word and the nearest one") {
  const auto [words, message, hint] = GENERATE(table<std::string, std::string, std::string>({
      {"-p tcp --dprot 22", "unknown option '--dprot'", "did you mean '--dport'?"},
      {"-m conntrack --ctsate NEW", "unknown option '--ctsate'", "did you mean '--ctstate'?"},
      {"--dport 22 -j ACCEPT", "unknown option '--dport'", ""},
      {"-p tcp junk", "unexpected word 'junk'", ""},
      {"-m state wrong", "unexpected word 'wrong'", ""},
      {"-p tcp --\x1b[2J 22", "unknown option '--\\x1b[2J'", ""},
      {"-j ACCEPT !", "'!' stands before no option", ""},
  }));
  const auto status = check_rule(words, kFour);
  REQUIRE_FALSE(status.has_value());
  CHECK(status.error().message == message);
  CHECK(status.error().hint == hint);
}

TEST_CASE("every rule of the corpus that loads is accepted") {
  const auto folder = corpus();
  for (const auto& row : rows(folder / "rules.tsv")) {
    if (row.at("status") != "0") continue;
    INFO(row.at("rule"));
    CHECK(check_rule(row.at("rule"), family_of(row)).has_value());
    CHECK(take_apart(row.at("rule"), family_of(row)).unknown.empty());
  }
}

TEST_CASE("every rule of the dumps that load is accepted, and rewall knows its matches") {
  const auto folder = corpus();
  int rules = 0;
  int known = 0;
  for (const auto& row : rows(folder / "manifest.tsv")) {
    if (row.at("load_status") != "0") continue;
    const auto tables =
        parse_tables(contents(folder / "dumps" / row.at("file")), family_of(row), row.at("file"));
    REQUIRE(tables.has_value());
    for (const auto& table : tables->tables) {
      for (const auto& chain : table.chains) {
        for (const auto& rule : chain.rules) {
          const auto status = check_rule(rule.words, family_of(row));
          INFO(row.at("file") << ": " << rule.words);
          if (!status) FAIL_CHECK(status.error().message);
          ++rules;
          bool all_known = true;
          for (const auto& match : take_apart(rule.words, family_of(row)).matches)
            all_known = all_known && match.known;
          known += all_known ? 1 : 0;
        }
      }
    }
  }
  WARN(rules << " rules read, of " << known << " every match is known");
  CHECK(rules >= 13888);
  CHECK(known == rules);
}
